//! How does a gateway get a token for the servers of an endpoint?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::OAuth2Credential;
use turnpike_proto::config::v1::o_auth2_credential::{ClientAuth, Grant};
use url::Url;

use super::api::unknown;
use super::backend_url::{BackendUrl, parse_url};
use super::credential::{encoded, sensitive};
use super::named::{Named, SecretText};
use super::operation::is_scope;
use crate::problem::{At, Problems, shown};

const MAX_PARAMETERS: usize = 32;
const MAX_SCOPES: usize = 100;
/// The longest text that is sent, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// Parameters of a token request that have fields of their own.
const SPOKEN_OF: [&str; 8] = [
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "username",
    "password",
    "refresh_token",
    "code",
];

/// A token request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Plan {
    /// Two plans with the same id ask for the same token.
    pub id: [u8; 32],
    /// The server of the token endpoint.
    pub server: BackendUrl,
    /// Its path.
    pub path: Box<str>,
    /// The client's credentials, where they stand in the Authorization field. It does not print.
    pub authorization: Option<HeaderValue>,
    /// The form that asks for the first token.
    pub form: SecretText,
    /// The form that asks for the next one, once a refresh token is put behind it; `None`: tokens
    /// are not refreshed but asked for anew.
    pub refresh_form: Option<SecretText>,
}

impl OAuth2Plan {
    /// The form that asks for the next token by the refresh token that came with the last one;
    /// `None` where tokens are asked for anew.
    pub fn refreshed_by(&self, refresh_token: &str) -> Option<SecretText> {
        let form = self.refresh_form.as_ref()?.expose();
        Some(SecretText::new(format!("{form}{}", encoded(refresh_token))))
    }
}

/// `None` where something is wrong, which is told, or not at hand.
pub(crate) fn compile_oauth2(
    oauth2: &OAuth2Credential,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<OAuth2Plan> {
    let endpoint = token_url(&oauth2.token_url, &at.name("tokenUrl"), problems);
    let grant = Grant::try_from(oauth2.grant).ok();
    if grant.is_none() {
        problems.add(&at.name("grant"), unknown(oauth2.grant), "");
    }
    let client_auth = ClientAuth::try_from(oauth2.client_auth).ok();
    if client_auth.is_none() {
        problems.add(&at.name("clientAuth"), unknown(oauth2.client_auth), "");
    }
    check_text(&oauth2.client_id, &at.name("clientId"), problems);
    check_asked(oauth2, at, problems);
    let (grant, client_auth) = (grant?, client_auth?);
    // A client without a secret is a public one (RFC 6749 §2.1).
    let secret = match oauth2.secret.as_str() {
        "" if grant == Grant::RefreshToken => Some(None),
        name => named.secret(name, &at.name("secret"), problems).map(Some),
    };
    let owner = owner(oauth2, grant, named, at, problems);
    let (endpoint, secret, owner) = (endpoint?, secret?, owner?);

    let mut common = String::new();
    let mut authorization = None;
    match (secret, client_auth) {
        (Some(secret), ClientAuth::Basic) => {
            // RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
            let pair = format!("{}:{}", encoded(&oauth2.client_id), encoded(secret));
            authorization = sensitive(&format!("Basic {}", STANDARD.encode(pair)));
        }
        (Some(secret), ClientAuth::Post) => {
            put(&mut common, "client_id", &oauth2.client_id);
            put(&mut common, "client_secret", secret);
        }
        (None, _) => put(&mut common, "client_id", &oauth2.client_id),
    }
    if !oauth2.scopes.is_empty() {
        put(&mut common, "scope", &oauth2.scopes.join(" "));
    }
    for (name, value) in &oauth2.parameters {
        put(&mut common, name, value);
    }
    let mut form = format!("grant_type={}", name_of(grant));
    for (name, value) in owner {
        put(&mut form, name, value);
    }
    let refreshes = grant != Grant::ClientCredentials;
    let refresh = refreshes.then(|| format!("grant_type=refresh_token{common}&refresh_token="));
    form.push_str(&common);
    let (server, path) = endpoint;
    let mut hash = Sha256::new();
    let shown = authorization.as_ref().map_or(&[][..], HeaderValue::as_bytes);
    for part in [server.to_string().as_bytes(), path.as_bytes(), form.as_bytes(), shown] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Some(OAuth2Plan {
        id: hash.finalize().into(),
        server,
        path: path.into(),
        authorization,
        form: SecretText::new(form),
        refresh_form: refresh.map(SecretText::new),
    })
}

/// What the grant asks for besides the client.
fn owner<'n>(
    oauth2: &'n OAuth2Credential,
    grant: Grant,
    named: Named<'n>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Vec<(&'static str, &'n str)>> {
    let fields = [
        ("username", &oauth2.username, Grant::Password),
        ("passwordSecret", &oauth2.password_secret, Grant::Password),
        ("refreshTokenSecret", &oauth2.refresh_token_secret, Grant::RefreshToken),
    ];
    for (name, text, wanted) in fields {
        if wanted != grant && !text.is_empty() {
            let reason = format!("it is for the grant {}", name_of(wanted));
            problems.add(&at.name(name), reason, "leave it out, or name that grant");
        }
    }
    match grant {
        Grant::ClientCredentials => Some(Vec::new()),
        Grant::Password => {
            check_text(&oauth2.username, &at.name("username"), problems);
            let here = at.name("passwordSecret");
            let password = named.secret(&oauth2.password_secret, &here, problems)?;
            Some(vec![("username", &oauth2.username), ("password", password)])
        }
        Grant::RefreshToken => {
            let here = at.name("refreshTokenSecret");
            let token = named.secret(&oauth2.refresh_token_secret, &here, problems)?;
            Some(vec![("refresh_token", token.trim())])
        }
    }
}

/// Scopes and further parameters.
fn check_asked(oauth2: &OAuth2Credential, at: &At<'_>, problems: &mut Problems) {
    let list = at.name("scopes");
    if oauth2.scopes.len() > MAX_SCOPES {
        let reason = format!("there are {}, at most {MAX_SCOPES}", oauth2.scopes.len());
        problems.add(&list, reason, "");
    }
    for (index, scope) in oauth2.scopes.iter().enumerate() {
        if !is_scope(scope) {
            let reason = format!("`{}` is no scope (RFC 6749 section 3.3)", shown(scope));
            problems.add(&list.index(index), reason, "one scope stands in each element");
        }
    }
    let map = at.name("parameters");
    if oauth2.parameters.len() > MAX_PARAMETERS {
        let reason = format!("there are {}, at most {MAX_PARAMETERS}", oauth2.parameters.len());
        problems.add(&map, reason, "");
    }
    for (name, value) in &oauth2.parameters {
        let here = map.name(name);
        if SPOKEN_OF.contains(&name.as_str()) {
            problems.add(&here, "it has a field of its own", "leave it out here");
        } else {
            check_text(name, &here, problems);
            check_text(value, &here, problems);
        }
    }
}

fn check_text(text: &str, at: &At<'_>, problems: &mut Problems) {
    if text.is_empty() {
        problems.add(at, "it is missing", "");
    } else if text.len() > MAX_TEXT_BYTES {
        problems.add(at, format!("it has {} bytes, at most {MAX_TEXT_BYTES}", text.len()), "");
    }
}

fn token_url(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<(BackendUrl, String)> {
    if text.is_empty() {
        let suggestion = "write for example `https://idp.example.com/oauth2/token`";
        problems.add(at, "a URL is missing", suggestion);
        return None;
    }
    match parse_url(text) {
        Ok(server) => Some((server, Url::parse(text).ok()?.path().to_owned())),
        Err((reason, suggestion)) => {
            problems.add(at, reason, suggestion);
            None
        }
    }
}

fn put(form: &mut String, name: &str, value: &str) {
    for part in ["&", &encoded(name), "=", &encoded(value)] {
        form.push_str(part);
    }
}

const fn name_of(grant: Grant) -> &'static str {
    match grant {
        Grant::ClientCredentials => "client_credentials",
        Grant::Password => "password",
        Grant::RefreshToken => "refresh_token",
    }
}
