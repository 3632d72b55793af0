//! Where does a provider have its keys? (OpenID Connect Discovery section 3)
//!
//! The issuer must be the one that was configured, byte for byte: whoever can be led to other metadata
//! would believe another server's tokens. Keys that come without TLS are nobody's.

use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    jwks_uri: String,
}

/// Where the document about `issuer` lies.
pub(super) fn address(issuer: &Url) -> Option<Url> {
    let text = issuer.as_str().trim_end_matches('/');
    Url::parse(&format!("{text}/.well-known/openid-configuration")).ok()
}

/// The address of the key set, where the document is about `issuer`.
pub(super) fn keys(json: &[u8], issuer: &str) -> Option<Url> {
    let raw: Raw = serde_json::from_slice(json).ok()?;
    let url = Url::parse(&raw.jwks_uri).ok()?;
    (raw.issuer == issuer && url.scheme() == "https" && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&str>) {
        let found = keys(json.as_bytes(), "https://idp.example/a");
        assert_eq!(found.as_ref().map(Url::as_str), expected);
    }

    #[test]
    fn only_the_document_of_the_issuer_itself_says_where_its_keys_are() {
        let said =
            |issuer: &str, keys: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}"}}"#);
        let keys = "https://idp.example/keys";
        check(&said("https://idp.example/a", keys), Some(keys));
        check(&said("https://idp.example/a/", keys), None);
        check(&said("https://evil.example", keys), None);
        check(&said("https://idp.example/a", "http://idp.example/keys"), None);
        check("{}", None);
    }
}
