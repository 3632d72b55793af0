//! The records of the store: what is written, and in which form?
//!
//! Nothing here is a secret in the clear: secrets are digests, private keys are sealed.

use crate::domain::{Client, KeyState, TokenAlgorithm};

/// A client with what proves that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClient {
    pub client: Client,
    /// Several may be good at once, so that a secret can be replaced without a gap (KM-050).
    pub secrets: Vec<StoredSecret>,
}

/// A client secret, of which only the keyed digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub id: String,
    /// HMAC-SHA-256 in base64url.
    pub digest: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// The secret under the master key, where assertions are verified with it; else empty.
    pub sealed: String,
}

/// Something that may be used once.
#[derive(Clone, Copy, Debug)]
pub struct Used<'u> {
    /// Whose room it takes.
    pub owner: &'u str,
    /// Which of the owner's.
    pub name: &'u str,
    /// Unix seconds; from then on it is refused for its age and may be forgotten.
    pub until: i64,
    pub now: i64,
    /// How many of the owner's are remembered at a time.
    pub most: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    First,
    Again,
    /// The owner's room is full; the use is not remembered and must be refused.
    Full,
}

/// A signing key, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// RFC 7638 thumbprint of the public half.
    pub kid: String,
    pub algorithm: TokenAlgorithm,
    pub state: KeyState,
    /// The private key under the master key, base64url.
    pub sealed: String,
    /// Since when it is in this state, Unix seconds.
    pub since: i64,
    /// When a retiring key is removed, Unix seconds; else 0.
    pub gone_after: i64,
}

/// A step in the life of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    Add(StoredKey),
    /// Next becomes active.
    Activate {
        kid: String,
        since: i64,
    },
    /// Active becomes retiring.
    Retire {
        kid: String,
        since: i64,
        gone_after: i64,
    },
    /// Gone from the set.
    Remove {
        kid: String,
    },
}

/// What every process that shares the store has to know and keep watching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Of the revocation log. Empty: the log has not begun.
    pub epoch: String,
    /// The last sequence that was given.
    pub head: u64,
    /// Grows with every change of the keys.
    pub key_version: u64,
    /// The longest life that an access token was ever allowed by a process on this store.
    pub longest_seconds: i64,
}
