//! What else is agreed with a client?
//!
//! What few clients have. Left out, each is as it is for all others.

use serde::{Deserialize, Serialize};

use super::{ResponseType, Restrictions, TokenAlgorithm};

/// A part of a registration that is stored as one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Its access tokens say nothing to whoever holds them (KM-061).
    #[serde(skip_serializing_if = "is_false")]
    pub opaque_tokens: bool,
    /// The types of authorization details that it may ask for (RFC 9396 section 10).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What its authorizations answer with beside a code alone (KM-035).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_types: Vec<ResponseType>,
    /// The origins of its pages, which may read answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// What a browser loads when a login has ended (OpenID Connect Front-Channel Logout), an https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_frame: Option<String>,
    /// Where it hears that a person has answered (CIBA, mode `ping`), an https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// It keeps to FAPI 2.0 (KM-056).
    #[serde(skip_serializing_if = "is_false")]
    pub fapi2: bool,
    /// Where it keeps requests that it has signed, https URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// How userinfo is signed for it; `None`: it is plain JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_algorithm: Option<TokenAlgorithm>,
    /// From where its access tokens may be used.
    #[serde(skip_serializing_if = "Restrictions::is_empty")]
    pub restrictions: Restrictions,
}

impl Terms {
    /// As it is stored; empty: nothing else is agreed.
    pub fn to_text(&self) -> String {
        let nothing = *self == Self::default();
        if nothing { String::new() } else { serde_json::json!(self).to_string() }
    }

    /// Reads back what `to_text` wrote. What is not known is an error: it may bind the client.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::default()) } else { serde_json::from_str(text).ok() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(terms: &Terms, text: &str) {
        assert_eq!(terms.to_text(), text);
        assert_eq!(Terms::parse(text).as_ref(), Some(terms));
    }

    #[test]
    fn terms_are_read_back_as_they_were_written() {
        check(&Terms::default(), "");
        check(&Terms { opaque_tokens: true, ..Terms::default() }, r#"{"opaque_tokens":true}"#);
        let details = vec!["payment".to_owned()];
        check(&Terms { details, ..Terms::default() }, r#"{"details":["payment"]}"#);
        let restrictions = Restrictions::parse(&["10.0.0.0/8".to_owned()], &[]).expect("networks");
        let text = r#"{"restrictions":{"ip":["10.0.0.0/8"]}}"#;
        check(&Terms { restrictions, ..Terms::default() }, text);
    }

    #[test]
    fn what_a_newer_version_wrote_is_not_left_out() {
        assert_eq!(Terms::parse(r#"{"never_anything":true}"#), None);
        assert_eq!(Terms::parse("{"), None);
    }
}
