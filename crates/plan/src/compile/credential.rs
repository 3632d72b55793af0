//! Which credential does a gateway show to the servers of an endpoint?
//!
//! What does not change from call to call is put together here: a Basic credential is a finished
//! header value, a token request a finished form.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use turnpike_proto::config::v1::endpoint_security::Scheme;
use turnpike_proto::config::v1::{
    ApiKeyCredential, AwsCredential, BasicCredential, EndpointSecurity,
};

use super::named::{Named, SecretText};
use super::oauth2::{OAuth2Plan, compile_oauth2};
use super::policies::belongs_to_gateway;
use crate::problem::{At, Problems, shown};

/// What the servers of an endpoint are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlan {
    /// A header field with this value. It does not print.
    Field(HeaderName, HeaderValue),
    /// A query parameter; name and value are encoded.
    Query(Box<str>, SecretText),
    /// A token that is fetched.
    Token(Box<OAuth2Plan>),
    /// A signature over each request.
    Aws(Box<AwsPlan>),
}

/// Keys of AWS, and what they are used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsPlan {
    /// The id of the access key.
    pub access_key: Box<str>,
    /// The secret access key.
    pub secret: SecretText,
    /// The region.
    pub region: Box<str>,
    /// The service.
    pub service: Box<str>,
    /// The token of temporary keys.
    pub session_token: Option<SecretText>,
}

/// `None` where something is wrong, which is told, or not at hand.
pub(crate) fn compile_credential(
    security: &EndpointSecurity,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CredentialPlan> {
    match security.scheme.as_ref() {
        Some(Scheme::Basic(basic)) => compile_basic(basic, named, &at.name("basic"), problems),
        Some(Scheme::ApiKey(key)) => compile_api_key(key, named, &at.name("apiKey"), problems),
        Some(Scheme::Oauth2(oauth2)) => {
            let plan = compile_oauth2(oauth2, named, &at.name("oauth2"), problems)?;
            Some(CredentialPlan::Token(Box::new(plan)))
        }
        Some(Scheme::Aws(aws)) => {
            let plan = compile_aws(aws, named, &at.name("aws"), problems)?;
            Some(CredentialPlan::Aws(Box::new(plan)))
        }
        None => {
            let suggestion = "write `basic`, `apiKey`, `oauth2` or `aws`";
            problems.add(at, "it does not say which credential", suggestion);
            None
        }
    }
}

fn compile_basic(
    basic: &BasicCredential,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CredentialPlan> {
    let user = &basic.username;
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        let reason = "a user name is not empty and has no `:` and no control characters";
        problems.add(&at.name("username"), reason, "");
    }
    let password = named.secret(&basic.secret, &at.name("secret"), problems)?;
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    Some(CredentialPlan::Field(AUTHORIZATION, sensitive(&text)?))
}

fn compile_api_key(
    key: &ApiKeyCredential,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CredentialPlan> {
    let value = named.secret(&key.secret, &at.name("secret"), problems);
    match (key.header.as_str(), key.query.as_str()) {
        ("", "") => {
            problems.add(at, "it does not say where the key goes", "write `header` or `query`");
            None
        }
        (header, "") => {
            let here = at.name("header");
            let name = HeaderName::from_bytes(header.as_bytes()).ok();
            let name = name.filter(|name| !belongs_to_gateway(name.as_str()));
            if name.is_none() {
                let reason = format!("`{}` is no header field for a key", shown(header));
                problems.add(&here, reason, "write for example `X-API-Key`");
            }
            let value = sensitive(&format!("{}{}", key.prefix, value?));
            if value.is_none() {
                let reason = "the key holds what cannot stand in a header field";
                problems.add(&at.name("secret"), reason, "");
            }
            Some(CredentialPlan::Field(name?, value?))
        }
        ("", query) => {
            if !key.prefix.is_empty() {
                problems.add(&at.name("prefix"), "it is for header fields", "leave it out");
            }
            let value = SecretText::new(encoded(value?));
            Some(CredentialPlan::Query(encoded(query).into(), value))
        }
        _ => {
            problems.add(at, "`header` and `query` stand side by side", "keep one of them");
            None
        }
    }
}

fn compile_aws(
    aws: &AwsCredential,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<AwsPlan> {
    let plain = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=128).contains(&text.len()) && text.bytes().all(fits)
    };
    for (name, text, example) in [
        ("accessKey", &aws.access_key, "AKIDEXAMPLE"),
        ("region", &aws.region, "eu-central-1"),
        ("service", &aws.service, "execute-api"),
    ] {
        if !plain(text) {
            let reason = if text.is_empty() {
                "it is missing".to_owned()
            } else {
                format!("`{}` is none", shown(text))
            };
            problems.add(&at.name(name), reason, format!("write for example `{example}`"));
        }
    }
    let secret = named.secret(&aws.secret, &at.name("secret"), problems);
    let here = at.name("sessionTokenSecret");
    let session_token = match aws.session_token_secret.as_str() {
        "" => Some(None),
        name => named.secret(name, &here, problems).map(Some),
    };
    let session_token = session_token?.map(str::trim);
    if session_token.is_some_and(|token| sensitive(token).is_none()) {
        problems.add(&here, "the Secret holds no session token", "");
        return None;
    }
    Some(AwsPlan {
        access_key: aws.access_key.as_str().into(),
        secret: SecretText::new(secret?.trim()),
        region: aws.region.as_str().into(),
        service: aws.service.as_str().into(),
        session_token: session_token.map(SecretText::new),
    })
}

/// A header value that does not print; `None` where the text is no header value.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.trim()).ok().filter(|value| !value.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// `application/x-www-form-urlencoded`, a space as `%20`, so that it can stand in a query too.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
