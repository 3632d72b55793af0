//! Signing keys: in which state is one, and what may it sign with?

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How tokens may be signed. RFC 9068 section 2.1 asks for RS256; ES256 is thirteen times cheaper to
/// make and therefore the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TokenAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tokens are signed with ES256, RS256, ES384, PS256 or EdDSA, not with `{0}`")]
pub struct UnknownAlgorithm(String);

impl TokenAlgorithm {
    pub const ALL: [Self; 5] = [Self::Es256, Self::Rs256, Self::Es384, Self::Ps256, Self::EdDsa];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TokenAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

/// The life of a key goes one way: next, active, retiring, gone (KM-080). From anywhere it may be
/// revoked, and is gone later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// Signs.
    Active,
    /// Published so that everybody knows it before it signs.
    Next,
    /// Signs no more; published until its last token has ended.
    Retiring,
    /// Published no more and its private half destroyed, because somebody else may have it. It is
    /// only remembered, until its last token would have ended.
    Revoked,
}

impl KeyState {
    pub const ALL: [Self; 4] = [Self::Active, Self::Next, Self::Retiring, Self::Revoked];

    /// Whether tokens are verified with it.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Revoked)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Next => "next",
            Self::Retiring => "retiring",
            Self::Revoked => "revoked",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
