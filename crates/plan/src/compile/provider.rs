//! Does a third-party provider say all that is needed to ask it?
//!
//! Gateways ask no provider: the key manager does, with what is checked here.

use turnpike_proto::config::v1::provider_client::Method;
use turnpike_proto::config::v1::provider_login::Linking;
use turnpike_proto::config::v1::{KeyManagerSpec, ProviderClient, ProviderConnection};
use url::Url;

use super::api::unknown;
use super::head::has_control;
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;

const MAX_URL_BYTES: usize = 2_048;
const MAX_TEXT_BYTES: usize = 256;
const MOST_SCOPES: usize = 64;

pub(crate) fn check_provider(
    resident: bool,
    spec: &KeyManagerSpec,
    at: &At<'_>,
    problems: &mut Problems,
) {
    if resident {
        check_resident(spec, at, problems);
        return;
    }
    for (name, text) in [("discoveryUrl", &spec.discovery_url), ("jwksUri", &spec.jwks_uri)] {
        check_url(text, &at.name(name), problems);
    }
    let discovers =
        spec.jwks.is_empty() && spec.jwks_uri.is_empty() && spec.discovery_url.is_empty();
    if discovers && spec.connector.is_none() && !is_https(&spec.issuer) {
        let suggestion = "write `discoveryUrl`, `jwksUri` or `jwks`";
        let reason = "nothing says where its keys are: its issuer is no https URL";
        problems.add(&at.name("jwks"), reason, suggestion);
    }
    if let Some(connector) = &spec.connector {
        check_connector(spec, connector, at, problems);
        return;
    }
    if let Some(asked) = &spec.introspection {
        let at = at.name("introspection");
        check_url(&asked.endpoint, &at.name("endpoint"), problems);
        check_client(asked.client.as_ref(), &at.name("client"), problems);
    }
    if let Some(registration) = &spec.registration {
        let at = at.name("registration");
        check_url(&registration.endpoint, &at.name("endpoint"), problems);
        let secret = &registration.token_secret;
        if !secret.is_empty() && !is_name(secret) {
            let reason = format!("`{}` is no name of a Secret", shown(secret));
            problems.add(&at.name("tokenSecret"), reason, "");
        }
    }
    if let Some(login) = &spec.login {
        let at = at.name("login");
        if login.title.len() > MAX_TEXT_BYTES || has_control(&login.title) {
            problems.add(&at.name("title"), "a title is one line of at most 256 bytes", "");
        }
        check_client(login.client.as_ref(), &at.name("client"), problems);
        let scopes = &login.scopes;
        let is_scope = |scope: &String| {
            scope.len() <= MAX_TEXT_BYTES
                && !scope.is_empty()
                && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        if scopes.len() > MOST_SCOPES || !scopes.iter().all(is_scope) {
            let reason = format!("at most {MOST_SCOPES} scopes (RFC 6749 section 3.3)");
            problems.add(&at.name("scopes"), reason, "one scope stands in each element");
        }
        if !scopes.is_empty() && !scopes.iter().any(|scope| scope == "openid") {
            problems.add(&at.name("scopes"), "without `openid` nobody is named", "add `openid`");
        }
        if Linking::try_from(login.linking).is_err() {
            problems.add(&at.name("linking"), unknown(login.linking), "");
        }
    }
}

/// A connector answers for all that its provider has no words for.
fn check_connector(
    spec: &KeyManagerSpec,
    connector: &ProviderConnection,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let here = at.name("connector");
    let address = Url::parse(&connector.address).ok();
    let address = address.filter(|url| is_https(&connector.address) && url.path() == "/");
    if address.is_none_or(|url| url.port().is_none() || url.query().is_some()) {
        let reason = format!("`{}` is no address of a connector", shown(&connector.address));
        problems.add(&here.name("address"), reason, "write it like https://127.0.0.1:7002");
    }
    if !connector.name.is_empty() && !is_name(&connector.name) {
        let reason = format!("`{}` is no name of a service", shown(&connector.name));
        problems.add(&here.name("name"), reason, "");
    }
    let asked = spec.introspection.as_ref();
    let said = [
        ("introspection", asked.is_some_and(|it| it.client.is_some() || !it.endpoint.is_empty())),
        ("registration", spec.registration.is_some()),
        ("login", spec.login.is_some()),
    ];
    for (name, _) in said.iter().filter(|(_, said)| *said) {
        problems.add(&at.name(name), "the connector is asked", "leave it out");
    }
}

/// Our own key manager is asked over gRPC, and is always in use.
fn check_resident(spec: &KeyManagerSpec, at: &At<'_>, problems: &mut Problems) {
    let said = [
        ("enabled", spec.enabled == Some(false)),
        ("discoveryUrl", !spec.discovery_url.is_empty()),
        ("jwksUri", !spec.jwks_uri.is_empty()),
        ("introspection", spec.introspection.is_some()),
        ("tokenPatterns", !spec.token_patterns.is_empty()),
        ("registration", spec.registration.is_some()),
        ("login", spec.login.is_some()),
        ("connector", spec.connector.is_some()),
    ];
    for (name, _) in said.iter().filter(|(_, said)| *said) {
        problems.add(&at.name(name), "it is for providers other than `resident`", "leave it out");
    }
}

fn check_client(client: Option<&ProviderClient>, at: &At<'_>, problems: &mut Problems) {
    let Some(client) = client else {
        problems.add(at, "it is missing", "name our client at the provider and its Secret");
        return;
    };
    if client.id.is_empty() || client.id.len() > MAX_URL_BYTES || has_control(&client.id) {
        problems.add(&at.name("id"), "a client identifier has 1 to 2048 bytes", "");
    }
    if !is_name(&client.secret) {
        let reason = if client.secret.is_empty() {
            "the name of a Secret is missing".to_owned()
        } else {
            format!("`{}` is no name of a Secret", shown(&client.secret))
        };
        problems.add(&at.name("secret"), reason, "");
    }
    if Method::try_from(client.method).is_err() {
        problems.add(&at.name("method"), unknown(client.method), "");
    }
}

fn check_url(text: &str, at: &At<'_>, problems: &mut Problems) {
    if !text.is_empty() && !is_https(text) {
        let reason = format!("`{}` is no https URL without user and fragment", shown(text));
        problems.add(at, reason, "");
    }
}

fn is_https(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    text.len() <= MAX_URL_BYTES
        && url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}
