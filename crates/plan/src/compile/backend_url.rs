//! Where is a server?

use std::fmt;

use url::Url;

use crate::problem::shown;

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
