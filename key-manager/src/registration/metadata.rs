//! How is a client written in JSON? (RFC 7591 section 2, OpenID Connect Registration section 2)
//!
//! What is not known is left out, as the standard has it. What is known and would change how a
//! client is protected, but is not there, is refused: nobody believes in an encryption that is none.

use serde_json::{Map, Value, json};

use super::terms::{WantedTerms, write};
use super::{Application, Policy};
use crate::client_auth::Settings;
use crate::domain::{
    About, AboutError, AuthMethod, CertificateName, Client, RedirectUri, Requests, ResponseType,
};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    #[error("{0}: it is {1}")]
    Form(&'static str, &'static str),
    #[error("{0}: `{1}` is not supported")]
    Unsupported(&'static str, String),
    #[error("software_statement: statements are not taken here")]
    Statement,
    #[error(transparent)]
    About(#[from] AboutError),
}

/// The algorithm of the ID tokens of a client that names none.
const USUAL: &str = "RS256";

/// What has one value here; any other would be a promise that is not kept.
const FIXED: [(&str, &[&str]); 6] = [
    ("subject_type", &["public"]),
    ("id_token_encrypted_response_alg", &[]),
    ("userinfo_encrypted_response_alg", &[]),
    ("request_object_encryption_alg", &[]),
    ("authorization_encrypted_response_alg", &[]),
    ("introspection_encrypted_response_alg", &[]),
];

/// A grant type that has nothing to do with the token endpoint: the response types say it all.
pub const IMPLICIT: &str = "implicit";

/// The application that `metadata` asks for, as far as `policy` lets it.
pub fn application(
    metadata: &Map<String, Value>,
    policy: &Policy,
) -> Result<Application, MetadataError> {
    let scopes = &policy.scopes;
    let read = Reader(metadata);
    for (name, values) in FIXED {
        if let Some(value) = read.text(name)?
            && !values.contains(&value)
        {
            return Err(MetadataError::Unsupported(name, value.to_owned()));
        }
    }
    if metadata.contains_key("software_statement") {
        return Err(MetadataError::Statement);
    }
    let owned = |name| read.text(name).map(|text| text.unwrap_or_default().to_owned());
    let method = match read.text("token_endpoint_auth_method")? {
        Some(name) => name.to_owned(),
        None => AuthMethod::SecretBasic.name().to_owned(),
    };
    let public = method == AuthMethod::None.name();
    let fapi2 = read.text("client_profile")? == Some("fapi2");
    let about = About::of(metadata)?;
    let name = read.text("client_name")?.or_else(|| about.get("software_id"));
    let asked = read.text("scope")?;
    let within = |scope: &&str| scopes.contains(scope);
    Ok(Application {
        name: name.unwrap_or("an application without a name").to_owned(),
        grant_types: read
            .texts("grant_types")?
            .unwrap_or_else(|| vec!["authorization_code".to_owned()])
            .into_iter()
            .filter(|grant| grant != IMPLICIT)
            .collect(),
        scopes: match asked {
            Some(asked) => asked.split(' ').filter(within).map(str::to_owned).collect(),
            None => scopes.iter().map(str::to_owned).collect(),
        },
        algorithm: match (read.text("id_token_signed_response_alg")?, fapi2) {
            (Some(named), _) => named.to_owned(),
            // FAPI 2.0 has no RS256.
            (None, true) => String::new(),
            // What OpenID Connect has for those who do not say (Registration section 2).
            (None, false) => USUAL.to_owned(),
        },
        redirect_uris: read.texts("redirect_uris")?.unwrap_or_default(),
        settings: Settings {
            method,
            algorithm: owned("token_endpoint_auth_signing_alg")?,
            any_algorithm: true,
            jwks: match metadata.get("jwks") {
                None | Some(Value::Null) => String::new(),
                Some(Value::Object(set)) => Value::Object(set.clone()).to_string(),
                Some(_) => return Err(MetadataError::Form("jwks", "a JWK Set")),
            },
            jwks_uri: owned("jwks_uri")?,
            subject_dn: owned("tls_client_auth_subject_dn")?,
            san_dns: owned("tls_client_auth_san_dns")?,
            san_uri: owned("tls_client_auth_san_uri")?,
            san_ip: owned("tls_client_auth_san_ip")?,
            san_email: owned("tls_client_auth_san_email")?,
            dpop_bound: read.flag("dpop_bound_access_tokens")?,
            certificate_bound: read.flag("tls_client_certificate_bound_access_tokens")?,
        },
        requests: Requests {
            without_pkce: policy.without_pkce && !public && !fapi2,
            pushed: read.flag("require_pushed_authorization_requests")?,
            signed: read.flag("require_signed_request_object")?,
        },
        logout_uris: read.texts("post_logout_redirect_uris")?.unwrap_or_default(),
        logout_notice: owned("backchannel_logout_uri")?,
        about,
        terms: WantedTerms::read(&read)?,
        ..Application::default()
    })
}

/// All that is registered of a client, but its secret.
pub fn metadata(client: &Client) -> Map<String, Value> {
    let proving = &client.authentication;
    let method = match proving.method {
        // Either of the two is taken.
        AuthMethod::Secret => AuthMethod::SecretBasic,
        other => other,
    };
    let redirects: Vec<_> = client.redirect_uris.iter().map(RedirectUri::as_str).collect();
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("client_id", json!(client.id.as_str()));
    put("client_id_issued_at", json!(client.created_at));
    put("client_name", json!(client.name));
    let types = &client.terms.response_types;
    let implicit = types.iter().any(|kind| kind.is_legacy()).then_some(IMPLICIT);
    let grants: Vec<_> = client.grant_types.iter().map(String::as_str).chain(implicit).collect();
    put("grant_types", json!(grants));
    put("redirect_uris", json!(redirects));
    let code = client.may_use("authorization_code").then_some(ResponseType::CODE);
    let types: Vec<_> = code.iter().chain(types).map(|kind| kind.name()).collect();
    put("response_types", json!(types));
    put("scope", json!(client.scopes.to_string()));
    put("subject_type", json!("public"));
    put("token_endpoint_auth_method", json!(method.name()));
    put("dpop_bound_access_tokens", json!(proving.dpop_bound));
    put("tls_client_certificate_bound_access_tokens", json!(proving.certificate_bound));
    put("require_pushed_authorization_requests", json!(client.requests.pushed));
    put("require_signed_request_object", json!(client.requests.signed));
    if let Some(uri) = &client.logout_notice {
        put("backchannel_logout_uri", json!(uri));
        put("backchannel_logout_session_required", json!(true));
    }
    if !client.logout_uris.is_empty() {
        let uris: Vec<_> = client.logout_uris.iter().map(RedirectUri::as_str).collect();
        put("post_logout_redirect_uris", json!(uris));
    }
    if let Some(algorithm) = proving.algorithm {
        put("token_endpoint_auth_signing_alg", json!(algorithm.name()));
    }
    if let Some(algorithm) = client.algorithm {
        put("id_token_signed_response_alg", json!(algorithm.name()));
    }
    if let Some(uri) = &proving.jwks_uri {
        put("jwks_uri", json!(uri));
    }
    if let Ok(set @ Value::Object(_)) = serde_json::from_str(&proving.jwks) {
        put("jwks", set);
    }
    if let Some(name) = &proving.certificate_name {
        let (field, value) = match name {
            CertificateName::Subject(name) => ("tls_client_auth_subject_dn", name.clone()),
            CertificateName::Dns(name) => ("tls_client_auth_san_dns", name.clone()),
            CertificateName::Uri(name) => ("tls_client_auth_san_uri", name.clone()),
            CertificateName::Ip(name) => ("tls_client_auth_san_ip", name.to_string()),
            CertificateName::Email(name) => ("tls_client_auth_san_email", name.clone()),
        };
        put(field, json!(value));
    }
    write(&client.terms, &mut all);
    all.extend(client.about.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// Fields in their form; one that is null counts as left out (RFC 7592 section 2.2).
pub(super) struct Reader<'m>(&'m Map<String, Value>);

impl<'m> Reader<'m> {
    fn field(&self, name: &str) -> Option<&'m Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'m str>, MetadataError> {
        let text = |value: &'m Value| value.as_str().ok_or(MetadataError::Form(name, "a text"));
        self.field(name).map(text).transpose()
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, MetadataError> {
        let wrong = MetadataError::Form(name, "true or false");
        self.field(name).map_or(Ok(false), |value| value.as_bool().ok_or(wrong))
    }

    pub(super) fn texts(&self, name: &'static str) -> Result<Option<Vec<String>>, MetadataError> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let wrong = || MetadataError::Form(name, "a list of texts");
        let list = value.as_array().ok_or_else(wrong)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        list.iter().map(text).collect::<Option<_>>().map(Some).ok_or_else(wrong)
    }
}
