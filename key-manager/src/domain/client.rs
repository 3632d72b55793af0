//! A client: who may ask for tokens, and for which?

use std::fmt;

use super::{Authentication, Scopes, TokenAlgorithm};

/// The name of a client towards everybody: letters, digits, `_`, `-` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

/// Not a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client identifier has 1 to {} letters, digits, `_`, `-` or `.`", ClientId::LONGEST)]
pub struct ClientIdError;

impl ClientId {
    /// The longest identifier, in bytes.
    pub const LONGEST: usize = 128;

    /// Reads an identifier. What cannot name a client is refused before it reaches the store.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > Self::LONGEST || !text.bytes().all(known) {
            return Err(ClientIdError);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered client (KM-050, the part that works).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    /// For people: pages and logs.
    pub name: String,
    /// The grant types that it may use, by their name on the wire.
    pub grant_types: Vec<String>,
    /// What it may ask for, and what it gets when it asks for nothing.
    pub scopes: Scopes,
    /// Life of its access tokens in seconds; `None`: the default in force.
    pub access_token_seconds: Option<u32>,
    /// How its access tokens are signed; `None`: the default in force.
    pub algorithm: Option<TokenAlgorithm>,
    /// Its tokens issued at or before this Unix second have been revoked together; 0: none.
    pub ended_until: i64,
    /// When it was registered, Unix seconds.
    pub created_at: i64,
    /// How it proves who it is.
    pub authentication: Authentication,
}

impl Client {
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, valid: bool) {
        assert_eq!(ClientId::parse(text).is_ok(), valid, "{text:?}");
    }

    #[test]
    fn letters_digits_and_three_marks_make_an_identifier() {
        check("ab_C-9.d", true);
        check(&"a".repeat(ClientId::LONGEST), true);
    }

    #[test]
    fn nothing_else_reaches_the_store() {
        for text in ["", "a b", "a:b", "ä", "a\0", "a/../b", "' OR 1=1 --"] {
            check(text, false);
        }
        check(&"a".repeat(ClientId::LONGEST + 1), false);
    }
}
