//! The ring: which keys does this process sign and verify with right now?
//!
//! One immutable value that is swapped whole; a token is never signed with a key that the
//! published set does not hold.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::SigningKey;
use serde_json::{Value, json};

use super::IssueError;
use crate::domain::{KeyState, TokenAlgorithm};

/// The keys at one version of the store.
#[derive(Debug)]
pub struct Ring {
    version: u64,
    active: Vec<(TokenAlgorithm, Arc<SigningKey>)>,
    published: usize,
    jwks: String,
    tag: String,
    verifying: jose::KeySet,
}

impl Ring {
    /// `keys` in any order. The set is published with the signing keys first.
    pub(super) fn new(
        version: u64,
        mut keys: Vec<(KeyState, TokenAlgorithm, Arc<SigningKey>)>,
    ) -> Result<Self, IssueError> {
        keys.sort_by(|(state, algorithm, key), (other_state, other_algorithm, other_key)| {
            (state, algorithm, key.kid()).cmp(&(other_state, other_algorithm, other_key.kid()))
        });
        let public: Vec<Value> = keys.iter().map(|(_, _, key)| key.public_jwk()).collect();
        let published = public.len();
        let jwks = json!({ "keys": public }).to_string();
        let verifying = jose::KeySet::parse(&jwks)?;
        let digest = digest::digest(&digest::SHA256, jwks.as_bytes());
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        let active = keys
            .into_iter()
            .filter(|(state, ..)| *state == KeyState::Active)
            .map(|(_, algorithm, key)| (algorithm, key))
            .collect();
        Ok(Self { version, active, published, jwks, tag, verifying })
    }

    /// The store's count of changes.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many keys are published.
    pub const fn published(&self) -> usize {
        self.published
    }

    /// The key that signs.
    pub fn signer(&self, algorithm: TokenAlgorithm) -> Result<&SigningKey, IssueError> {
        let found = self.active.iter().find(|(known, _)| *known == algorithm);
        found.map(|(_, key)| key.as_ref()).ok_or(IssueError::NoKey(algorithm))
    }

    /// Whether tokens can be signed with it.
    pub fn signs(&self, algorithm: TokenAlgorithm) -> bool {
        self.signer(algorithm).is_ok()
    }

    /// The JWK Set (RFC 7517) as JSON text.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The entity tag of the set (RFC 9110 section 8.8.3).
    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub const fn verifying(&self) -> &jose::KeySet {
        &self.verifying
    }
}

pub(super) const fn signature(algorithm: TokenAlgorithm) -> jose::Algorithm {
    match algorithm {
        TokenAlgorithm::Es256 => jose::Algorithm::ES256,
        TokenAlgorithm::Rs256 => jose::Algorithm::RS256,
    }
}
