//! Under which addresses is what served?
//!
//! The issuer is configured and never taken from a request (KM-001); the addresses in discovery
//! derive from it. Besides, everything answers under `/oauth2` and under WSO2's short names.

use std::fmt;

use url::Url;

/// The issuer, as it stands in `iss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    /// Without a slash at its end; empty for the root.
    path: String,
}

#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("the issuer is no URL")]
    Url(#[from] url::ParseError),
    #[error("the issuer is an https URL without query, fragment and user (RFC 8414 section 2)")]
    Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Pushed,
    Authorize,
    DeviceAuthorization,
    Backchannel,
    /// What waits for a person.
    Approvals,
    /// The page for people.
    Device,
    Login,
    /// To a login at a provider, and back from it.
    Elsewhere,
    Arrived,
    Logout,
    Consent,
    /// A code of a second factor.
    Factor,
    /// A passkey in the place of a password.
    Passkey,
    /// From a page that had nothing to ask.
    Continue,
    /// The person's own page.
    Account,
    SignUp,
    Userinfo,
    Introspect,
    Revoke,
    Jwks,
    Discovery,
    Register,
    /// One client's.
    Registration,
}

impl Issuer {
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text)?;
        let plain = url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || !plain || !nobody || text.ends_with('/') {
            return Err(IssuerError::Form);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { text: text.to_owned(), path })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of an endpoint as discovery announces it.
    pub fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.text)
    }

    /// The path of an endpoint, for our own pages.
    pub(super) fn local(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    pub(super) fn find(&self, path: &str) -> Option<Endpoint> {
        if let Some(rest) = path.strip_prefix("/.well-known/") {
            // RFC 8414 section 3.1 puts the issuer's path behind the well-known name.
            let name = rest.strip_suffix(self.path.as_str()).unwrap_or(rest);
            let name = name.strip_suffix("/oauth2").unwrap_or(name);
            return discovery(name);
        }
        let below = |base: &str| path.strip_prefix(base).and_then(endpoint);
        below(&self.path).or_else(|| below("/oauth2")).or_else(|| below(""))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        "/token" => Some(Endpoint::Token),
        "/par" => Some(Endpoint::Pushed),
        "/authorize" => Some(Endpoint::Authorize),
        "/device_authorization" => Some(Endpoint::DeviceAuthorization),
        "/device" => Some(Endpoint::Device),
        "/bc-authorize" => Some(Endpoint::Backchannel),
        "/approvals" => Some(Endpoint::Approvals),
        "/login" => Some(Endpoint::Login),
        "/federation" => Some(Endpoint::Elsewhere),
        "/logout" => Some(Endpoint::Logout),
        "/consent" => Some(Endpoint::Consent),
        "/factor" => Some(Endpoint::Factor),
        "/passkey" => Some(Endpoint::Passkey),
        "/continue" => Some(Endpoint::Continue),
        "/account" => Some(Endpoint::Account),
        "/signup" => Some(Endpoint::SignUp),
        "/userinfo" => Some(Endpoint::Userinfo),
        "/introspect" => Some(Endpoint::Introspect),
        "/revoke" => Some(Endpoint::Revoke),
        "/jwks" => Some(Endpoint::Jwks),
        "/register" => Some(Endpoint::Register),
        // WSO2 keeps it behind the token endpoint.
        "/token/.well-known/openid-configuration" => Some(Endpoint::Discovery),
        other => {
            let below = |base: &str| {
                other.strip_prefix(base).is_some_and(|id| !id.is_empty() && !id.contains('/'))
            };
            match other {
                _ if below("/register/") => Some(Endpoint::Registration),
                _ if below("/federation/") => Some(Endpoint::Arrived),
                _ => other.strip_prefix("/.well-known/").and_then(discovery),
            }
        }
    }
}

fn discovery(name: &str) -> Option<Endpoint> {
    let known = matches!(name, "openid-configuration" | "oauth-authorization-server");
    known.then_some(Endpoint::Discovery)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `found` is the endpoint, or "-".
    #[track_caller]
    fn check(issuer: &str, path: &str, found: &str) {
        let issuer = Issuer::parse(issuer).expect("an issuer");
        let said = issuer.find(path).map_or("-".to_owned(), |endpoint| format!("{endpoint:?}"));
        assert_eq!(said, found, "{path}");
    }

    const DEFAULT: &str = "https://127.0.0.1:9453/oauth2";

    #[test]
    fn every_endpoint_answers_under_its_long_and_its_short_name() {
        for base in ["", "/oauth2"] {
            check(DEFAULT, &format!("{base}/token"), "Token");
            check(DEFAULT, &format!("{base}/authorize"), "Authorize");
            check(DEFAULT, &format!("{base}/userinfo"), "Userinfo");
            check(DEFAULT, &format!("{base}/revoke"), "Revoke");
            check(DEFAULT, &format!("{base}/introspect"), "Introspect");
            check(DEFAULT, &format!("{base}/jwks"), "Jwks");
            check(DEFAULT, &format!("{base}/.well-known/openid-configuration"), "Discovery");
        }
        check(DEFAULT, "/oauth2/token/.well-known/openid-configuration", "Discovery");
        check(DEFAULT, "/.well-known/oauth-authorization-server", "Discovery");
        check(DEFAULT, "/.well-known/oauth-authorization-server/oauth2", "Discovery");
    }

    #[test]
    fn the_path_of_the_issuer_is_an_address_too() {
        let issuer = "https://id.example/t/acme";
        check(issuer, "/t/acme/token", "Token");
        check(issuer, "/.well-known/oauth-authorization-server/t/acme", "Discovery");
        check(issuer, "/t/other/token", "-");
        check("https://id.example", "/token", "Token");
    }

    #[test]
    fn nothing_else_is_served() {
        for path in
            ["/", "", "/oauth2", "/oauth2/", "/token/", "//token", "/oauth2//token", "/Token"]
        {
            check(DEFAULT, path, "-");
        }
        check(DEFAULT, "/.well-known/jwks.json", "-");
        check(DEFAULT, "/oauth2/../token", "-");
    }

    #[test]
    fn an_issuer_is_an_https_url_and_nothing_more() {
        for text in [
            "http://id.example",
            "id.example",
            "https://id.example/?a=1",
            "https://id.example/#a",
            "https://u:p@id.example",
            "https://id.example/",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }
}
