//! Revocation: which tokens have ended before their time?

use super::ClientId;

/// How long an entry outlives the last token it names: the greatest clock skew that a verifier
/// may allow when it looks at `exp`.
pub const FORGET_MARGIN_SECONDS: i64 = 300;

/// What ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The token with this `jti`.
    Token(String),
    /// Every token of this client issued at or before that Unix second.
    Client(ClientId, i64),
    /// Every token of this subject issued at or before that Unix second.
    Subject(String, i64),
    /// Every token that came from one authorization of a person: its refresh family (KM-110).
    Family(String),
}

/// A line of the revocation log before it has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The issuer whose tokens are meant.
    pub issuer: String,
    pub what: Ended,
    /// Unix seconds; later no token that the entry names can be alive.
    pub forget_after: i64,
}

/// A line of the revocation log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its place; sequences grow by one.
    pub sequence: u64,
    pub entry: Entry,
}
