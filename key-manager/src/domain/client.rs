//! A client: who may ask for tokens, and for which?

use std::fmt;
use std::str::FromStr;

use super::{About, AuthMethod, Authentication, RedirectUri, Scopes, Terms, TokenAlgorithm};

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
    /// Where a person may be sent back to (KM-054).
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it is the operator's own, so that people are not asked for consent (KM-104).
    pub first_party: bool,
    /// How its authorization requests come.
    pub requests: Requests,
    /// Where a person may be sent to after a logout.
    pub logout_uris: Vec<RedirectUri>,
    /// Where it hears that a login has ended, an https URL.
    pub logout_notice: Option<String>,
    /// What becomes of a refresh token when it is used.
    pub refresh: RefreshPolicy,
    /// Its tokens issued at or before this Unix second have been revoked together; 0: none.
    pub ended_until: i64,
    /// When it was registered, Unix seconds.
    pub created_at: i64,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// What it says about itself to people.
    pub about: About,
    /// What else is agreed.
    pub terms: Terms,
}

/// How do the authorization requests of a client come?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// They may be without PKCE (KM-031).
    pub without_pkce: bool,
    /// They are handed over at `/par` first (RFC 9126 section 6).
    pub pushed: bool,
    /// They are signed (RFC 9101 section 10.5).
    pub signed: bool,
}

/// What becomes of a refresh token when it is used (KM-073)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshPolicy {
    /// It is replaced; using it again later ends the family.
    Rotate,
    /// It stays: for clients that prove who they are.
    Static,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refresh tokens `rotate` or are `static`, and not `{0}`")]
pub struct UnknownPolicy(String);

impl RefreshPolicy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Static => "static",
        }
    }
}

impl FromStr for RefreshPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "rotate" => Ok(Self::Rotate),
            "static" => Ok(Self::Static),
            other => Err(UnknownPolicy(other.to_owned())),
        }
    }
}

impl Client {
    /// Whether it has nothing to prove itself with, like an app on somebody's telephone.
    pub fn is_public(&self) -> bool {
        self.authentication.method == AuthMethod::None
    }

    /// The registered address that this one is, if any.
    pub fn redirects_to(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|known| known.admits(asked))
    }

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
