//! What does a provider say of itself? (OpenID Connect Discovery section 3, RFC 8414)
//!
//! The issuer must be the one that was applied, byte for byte: whoever can be led to other metadata
//! would believe another server's tokens. An endpoint without TLS counts as none.

use serde::Deserialize;
use url::Url;

use super::error::FederationError;

/// The part of the metadata that is used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub issuer: String,
    pub keys: Option<Url>,
    pub introspection: Option<Url>,
    pub registration: Option<Url>,
    pub authorization: Option<Url>,
    pub token: Option<Url>,
    pub userinfo: Option<Url>,
    /// Whether answers of the authorization endpoint name the issuer (RFC 9207).
    pub names_itself: bool,
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Reads the metadata of `issuer`.
    pub fn parse(json: &[u8], issuer: &str) -> Result<Self, FederationError> {
        let what = "the document with the metadata";
        let raw: Raw = serde_json::from_slice(json).map_err(|_| FederationError::Json { what })?;
        if raw.issuer != issuer {
            // Somebody else wrote it.
            let shown = raw.issuer.chars().filter(|letter| !letter.is_control()).take(200);
            return Err(FederationError::Issuer(shown.collect()));
        }
        let url = |text: Option<String>| {
            Url::parse(&text?).ok().filter(|url| url.scheme() == "https" && url.has_host())
        };
        Ok(Self {
            issuer: raw.issuer,
            keys: url(raw.jwks_uri),
            introspection: url(raw.introspection_endpoint),
            registration: url(raw.registration_endpoint),
            authorization: url(raw.authorization_endpoint),
            token: url(raw.token_endpoint),
            userinfo: url(raw.userinfo_endpoint),
            names_itself: raw.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.example/a";

    fn read(json: &str) -> Result<Metadata, FederationError> {
        Metadata::parse(json.as_bytes(), ISSUER)
    }

    #[test]
    fn endpoints_with_tls_are_taken_and_others_are_not_there() {
        let said = format!(
            r#"{{"issuer":"{ISSUER}","jwks_uri":"https://idp.example/keys","token_endpoint":"http://idp.example/token","x":1}}"#
        );
        let read = read(&said).unwrap();
        assert_eq!(read.keys.unwrap().as_str(), "https://idp.example/keys");
        assert!(read.token.is_none() && read.introspection.is_none() && !read.names_itself);
    }

    #[test]
    fn metadata_of_another_issuer_are_refused() {
        for issuer in ["https://idp.example/a/", "https://IDP.example/a", "https://evil.example"] {
            let refused = read(&format!(r#"{{"issuer":"{issuer}"}}"#));
            assert!(matches!(refused, Err(FederationError::Issuer(_))), "{issuer}");
        }
        for text in ["", "[]", "{}", r#"{"issuer":1}"#] {
            assert!(matches!(read(text), Err(FederationError::Json { .. })), "{text}");
        }
    }
}
