//! Where may a person be sent back to? (KM-054)
//!
//! Addresses are compared byte for byte and never normalised: no wildcards, no case folding, no
//! decoding. The one exception is the port of a loopback address (RFC 8252 section 7.3).

use std::fmt;

use url::Url;

/// A redirect address as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    #[error(
        "an address has 1 to {} printable ASCII characters without `\\`, quotes and brackets",
        RedirectUri::LONGEST
    )]
    Character,
    #[error("an address is absolute, without fragment and user, and has no `..` in its path")]
    Form,
    #[error(
        "an address is https, http on 127.0.0.1 or [::1], or a scheme of the app's own with a dot"
    )]
    Scheme,
}

/// The hosts whose port may be any (RFC 8252 section 7.3). `localhost` is none: it may resolve to
/// another machine.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

impl RedirectUri {
    /// The longest address, in bytes.
    pub const LONGEST: usize = 2048;
    /// The most addresses of one client.
    pub const MOST: usize = 32;

    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        // A space would part two addresses in the store; the others can leave a header or a page.
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"'<>^`{|}*".contains(&byte);
        if text.is_empty() || text.len() > Self::LONGEST || !text.bytes().all(plain) {
            return Err(RedirectUriError::Character);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::Form)?;
        let path = text.split_once('?').map_or(text, |(path, _)| path);
        let climbs = path.split(['/', ';']).any(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part == ".." || part == "."
        });
        let user = !url.username().is_empty() || url.password().is_some();
        let authority = text.split('/').nth(2).unwrap_or_default();
        // A host goes into the policy of our pages, where `;` and `,` have a meaning.
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if text.contains('#') || user || !authority.bytes().all(named) || climbs {
            return Err(RedirectUriError::Form);
        }
        // Lower case as written, so that what is compared is what was meant.
        let scheme = text.split(':').next().unwrap_or_default();
        let allowed = match scheme {
            "https" => text.starts_with("https://") && url.has_host(),
            "http" => after_loopback(text).is_some(),
            own => own.contains('.') && own.bytes().all(|byte| !byte.is_ascii_uppercase()),
        };
        if allowed { Ok(Self(text.to_owned())) } else { Err(RedirectUriError::Scheme) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `asked` is this address.
    pub fn admits(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        match (after_loopback(&self.0), after_loopback(asked)) {
            (Some(known), Some(asked)) => known == asked,
            _ => false,
        }
    }
}

/// Host and the part behind the port of an http address on the own machine.
fn after_loopback(text: &str) -> Option<(&'static str, &str)> {
    let (host, rest) =
        LOOPBACK.into_iter().find_map(|host| Some((host, text.strip_prefix(host)?)))?;
    let Some(ported) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
    };
    let end = ported.find(|c: char| !c.is_ascii_digit()).unwrap_or(ported.len());
    let (port, rest) = ported.split_at_checked(end)?;
    let port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (port && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some((host, rest))
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said` is "ok" or the refusal.
    #[track_caller]
    fn check(text: &str, said: &str) {
        let found = RedirectUri::parse(text).err().map_or("ok".to_owned(), |e| format!("{e:?}"));
        assert_eq!(found, said, "{text:?}");
    }

    #[test]
    fn three_kinds_of_addresses_can_be_registered() {
        for text in [
            "https://app.example/cb",
            "https://app.example:8443/cb?a=b",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:3000/cb",
            "http://[::1]:3000/cb",
            "com.example.app:/cb",
        ] {
            check(text, "ok");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_cannot_be_registered() {
        for text in [
            "",
            "https://a.example/ b",
            "https://a.example\\@evil",
            "https://a/\n",
            "https://ä.example/",
            "https://*.example/cb",
        ] {
            check(text, "Character");
        }
        for text in [
            "/cb",
            "https://app.example/cb#f",
            "https://u@app.example/cb",
            "https://u:p@app.example/cb",
            "https://@app.example/cb",
            "https://app.example/a/../cb",
            "https://app.example/a/%2E%2e/cb",
            "https://app.example/..;/cb",
            "https://app.example;script-src/cb",
        ] {
            check(text, "Form");
        }
        for text in [
            "http://app.example/cb",
            "http://localhost/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "HTTPS://app.example/cb",
            "app:/cb",
        ] {
            let refused = RedirectUri::parse(text).is_err();
            assert!(refused, "{text}");
        }
    }

    #[test]
    fn only_the_port_of_the_own_machine_may_differ() {
        let admits =
            |known: &str, asked| RedirectUri::parse(known).expect("an address").admits(asked);
        assert!(admits("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb"));
        assert!(admits("http://[::1]:1/cb", "http://[::1]:2/cb"));
        assert!(!admits("http://127.0.0.1/cb", "http://127.0.0.1:5000/other"));
        assert!(!admits("http://127.0.0.1/cb", "http://[::1]/cb"));
        assert!(!admits("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"));
        assert!(!admits("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"));
        assert!(!admits("http://127.0.0.1/cb", "https://127.0.0.1/cb"));
        assert!(!admits("https://app.example/cb", "https://app.example:444/cb"));
    }
}
