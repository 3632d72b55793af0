//! What does a client say about itself to people? (RFC 7591 section 2)
//!
//! Pages show it as text and link to nothing of it: whoever registers a client writes it.

use serde_json::{Map, Value};
use url::Url;

/// The claims of a client about itself, as it gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About(Map<String, Value>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AboutError {
    #[error("{0}: it is no https URL")]
    Url(&'static str),
    #[error("contacts: they are a list of {} texts at most", About::MOST_CONTACTS)]
    Contacts,
    #[error("{0}: it is a text")]
    Text(&'static str),
    #[error("what a client says about itself has {} bytes at most", About::LONGEST)]
    Long,
}

const URLS: [&str; 4] = ["client_uri", "logo_uri", "policy_uri", "tos_uri"];
const TEXTS: [&str; 2] = ["software_id", "software_version"];

impl About {
    /// The longest of all together, in bytes of JSON.
    pub const LONGEST: usize = 4096;
    /// The most `contacts`.
    pub const MOST_CONTACTS: usize = 10;

    /// Takes what belongs here out of the metadata of a client; the rest is not looked at.
    pub fn of(metadata: &Map<String, Value>) -> Result<Self, AboutError> {
        let mut about = Map::new();
        for name in URLS {
            if let Some(value) = metadata.get(name) {
                let url = value.as_str().and_then(|text| Url::parse(text).ok());
                url.filter(|url| url.scheme() == "https").ok_or(AboutError::Url(name))?;
                about.insert(name.to_owned(), value.clone());
            }
        }
        for name in TEXTS {
            if let Some(value) = metadata.get(name) {
                let text = value.as_str().filter(|text| !text.chars().any(char::is_control));
                text.ok_or(AboutError::Text(name))?;
                about.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(value) = metadata.get("contacts") {
            let list = value.as_array().filter(|list| list.len() <= Self::MOST_CONTACTS);
            let texts = list.filter(|list| list.iter().all(Value::is_string));
            texts.ok_or(AboutError::Contacts)?;
            about.insert("contacts".to_owned(), value.clone());
        }
        let about = Self(about);
        if about.to_text().len() > Self::LONGEST { Err(AboutError::Long) } else { Ok(about) }
    }

    /// As it was stored; `None`: it is no JSON object.
    pub fn parse(text: &str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Some(Self(map)),
            _ => None,
        }
    }

    /// As it is stored.
    pub fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said`: "" where it is read, else part of what is said.
    #[track_caller]
    fn check(metadata: &Value, said: &str) {
        let metadata = metadata.as_object().expect("an object");
        match About::of(metadata) {
            Ok(about) => {
                assert_eq!(said, "", "{metadata:?}");
                assert_eq!(About::parse(&about.to_text()), Some(about));
            }
            Err(error) => assert!(error.to_string().contains(said), "{error}"),
        }
    }

    #[test]
    fn only_addresses_texts_and_contacts_are_taken() {
        check(&serde_json::json!({ "client_uri": "https://a.example", "other": 7 }), "");
        check(&serde_json::json!({ "contacts": ["a@b.example"], "software_id": "x" }), "");
        for uri in ["javascript:alert(1)", "http://a.example", "data:text/html,x", "", "a"] {
            check(&serde_json::json!({ "logo_uri": uri }), "logo_uri");
        }
        check(&serde_json::json!({ "tos_uri": 7 }), "tos_uri");
        check(&serde_json::json!({ "contacts": "a@b.example" }), "contacts");
        check(&serde_json::json!({ "contacts": vec!["a"; 11] }), "contacts");
        check(&serde_json::json!({ "software_id": "a\nb" }), "software_id");
        check(&serde_json::json!({ "contacts": ["a".repeat(5000)] }), "4096 bytes");
    }
}
