//! Where is a backend, and how long may it take?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use turnpike_proto::config::v1::Endpoint;
use url::Url;

use super::api::unknown;
use super::backend_tls::{BackendTlsPlan, compile_backend_tls};
use super::credential::{CredentialPlan, compile_credential};
use super::named::Named;
use super::wire::speaks_http2;
use crate::problem::{At, Problems, shown};

const MAX_URLS: usize = 64;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// A group of servers that answer alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPlan {
    /// The servers; at least one.
    pub urls: Vec<BackendUrl>,
    /// How long one may take to answer.
    pub timeout: Duration,
    /// Whether HTTP/2 is spoken to them.
    pub http2: bool,
    /// TLS to those that speak it, where it is not as everywhere.
    pub tls: Option<Arc<BackendTlsPlan>>,
    /// What they are shown.
    pub credential: Option<Arc<CredentialPlan>>,
}

/// The parts of a backend's URL that a call needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendUrl {
    /// `https`.
    pub tls: bool,
    /// The host without brackets: what is resolved, and what the certificate is checked against.
    pub host: String,
    /// The port, also where the URL leaves it out.
    pub port: u16,
    /// `host` or `host:port` as the `Host` field says it; a default port is left out.
    pub authority: String,
    /// What is put before the rest of the call's path; without a `/` at the end, often empty.
    pub base: String,
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base)
    }
}

pub(crate) fn compile_endpoint(
    endpoint: &Endpoint,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<EndpointPlan> {
    let list = at.name("urls");
    if endpoint.urls.is_empty() {
        problems.add(&list, "a backend needs a URL", "write `urls: [\"http://127.0.0.1:3001\"]`");
    }
    if endpoint.urls.len() > MAX_URLS {
        let reason = format!("there are {}, at most {MAX_URLS}", endpoint.urls.len());
        problems.add(&list, reason, "");
    }
    if endpoint.balance != 0 {
        problems.add(&at.name("balance"), unknown(endpoint.balance), "");
    }
    let mut urls: Vec<BackendUrl> = Vec::with_capacity(endpoint.urls.len());
    for (index, text) in endpoint.urls.iter().enumerate() {
        match parse_url(text) {
            Ok(url) if urls.contains(&url) => {
                problems.add(&list.index(index), "the URL stands twice", "keep one of them");
            }
            Ok(url) => urls.push(url),
            Err((reason, suggestion)) => problems.add(&list.index(index), reason, suggestion),
        }
    }
    let timeout = match &endpoint.timeout {
        None => DEFAULT_TIMEOUT,
        Some(given) => positive(given, MAX_TIMEOUT).unwrap_or_else(|| {
            problems.add(
                &at.name("timeout"),
                "a timeout is more than 0 and at most 10 minutes",
                "write for example `30s`",
            );
            DEFAULT_TIMEOUT
        }),
    };
    if endpoint.tls.is_some() && !urls.iter().any(|url| url.tls) {
        problems.add(&at.name("tls"), "none of the servers is `https`", "write `https://`");
    }
    let http2 = speaks_http2(endpoint, at, problems);
    let (tls, credential) = check_access(endpoint, named, at, problems);
    let (tls, credential) = (tls.map(Arc::new), credential.map(Arc::new));
    (!urls.is_empty()).then_some(EndpointPlan { urls, timeout, http2, tls, credential })
}

/// How a gateway and the servers make sure of each other. `None` where nothing is asked for, where
/// something is wrong, which is told, or where what is named is not at hand.
pub(crate) fn check_access(
    endpoint: &Endpoint,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> (Option<BackendTlsPlan>, Option<CredentialPlan>) {
    let tls = endpoint.tls.as_ref();
    let tls = tls.and_then(|tls| compile_backend_tls(tls, named, &at.name("tls"), problems));
    let security = endpoint.security.as_ref();
    let here = at.name("security");
    let credential = security.and_then(|it| compile_credential(it, named, &here, problems));
    let half = (endpoint.tls.is_some() && tls.is_none())
        || (endpoint.security.is_some() && credential.is_none());
    if half && named.are_at_hand() && problems.is_empty() {
        // Never without what was asked for.
        problems.add(at, "its security cannot be put together", "");
    }
    (tls, credential)
}

/// A duration above zero and up to `most`.
pub(crate) fn positive(given: &prost_types::Duration, most: Duration) -> Option<Duration> {
    let duration = Duration::try_from(*given).ok()?;
    (duration > Duration::ZERO && duration <= most).then_some(duration)
}

/// The URL parser repairs a lot; a backend address is taken only as it should have been written.
pub(super) fn parse_url(text: &str) -> Result<BackendUrl, (String, String)> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        let suggestion = if lower.starts_with("http") || text.contains("://") {
            "start with `http://` or `https://`".to_owned()
        } else {
            format!("write `http://{}`", shown(text))
        };
        return Err((format!("`{}` is no http or https URL", shown(text)), suggestion));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(("a URL has no spaces and no backslashes".to_owned(), String::new()));
    }
    let url = Url::parse(text)
        .map_err(|error| (format!("`{}` is no URL: {error}", shown(text)), String::new()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "a URL carries no user name and no password".to_owned(),
            "everybody who may read the API would read them".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let bare = shown(url.as_str().split(['?', '#']).next().unwrap_or_default());
        return Err(("a URL has no query and no fragment".to_owned(), format!("write `{bare}`")));
    }
    let nowhere = || (format!("`{}` names no host", shown(text)), String::new());
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(nowhere)?;
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or_else(nowhere)?;
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Ok(BackendUrl {
        tls: url.scheme() == "https",
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
        authority,
        base: url.path().trim_end_matches('/').to_owned(),
    })
}
