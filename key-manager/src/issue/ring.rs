//! The ring: which keys does this process sign and verify with right now?
//!
//! One immutable value that is swapped whole; a token is never signed with a key that the
//! published set does not hold.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::PublicHalf;
use serde_json::{Value, json};

use super::{IssueError, Signer};
use crate::domain::{KeyState, TokenAlgorithm};

/// A key that is published.
#[derive(Debug)]
pub(super) struct RingKey {
    pub(super) state: KeyState,
    pub(super) algorithm: TokenAlgorithm,
    pub(super) public: PublicHalf,
    /// Signs with it; `None`: nobody does any more.
    pub(super) signer: Option<Signer>,
}

/// The keys at one version of the store.
#[derive(Debug)]
pub struct Ring {
    version: u64,
    active: Vec<(TokenAlgorithm, Signer)>,
    rotations: Vec<(TokenAlgorithm, i64)>,
    published: usize,
    jwks: String,
    tag: String,
    verifying: jose::KeySet,
}

impl Ring {
    /// `keys` in any order. The set is published with the signing keys first. `rotations` says
    /// when another key signs.
    pub(super) fn new(
        version: u64,
        mut keys: Vec<RingKey>,
        rotations: Vec<(TokenAlgorithm, i64)>,
    ) -> Result<Self, IssueError> {
        keys.sort_by(|key, other| {
            (key.state, key.algorithm, key.public.kid()).cmp(&(
                other.state,
                other.algorithm,
                other.public.kid(),
            ))
        });
        let public: Vec<Value> = keys.iter().map(|key| key.public.jwk()).collect();
        let published = public.len();
        let jwks = json!({ "keys": public }).to_string();
        let verifying = jose::KeySet::parse(&jwks)?;
        let digest = digest::digest(&digest::SHA256, jwks.as_bytes());
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        let active = keys
            .into_iter()
            .filter(|key| key.state == KeyState::Active)
            .filter_map(|key| Some((key.algorithm, key.signer?)))
            .collect();
        Ok(Self { version, active, rotations, published, jwks, tag, verifying })
    }

    /// The store's count of changes.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many keys are published.
    pub const fn published(&self) -> usize {
        self.published
    }

    /// When another key signs, Unix seconds, by algorithm.
    pub fn rotations(&self) -> &[(TokenAlgorithm, i64)] {
        &self.rotations
    }

    /// The key that signs.
    pub fn signer(&self, algorithm: TokenAlgorithm) -> Result<&Signer, IssueError> {
        let found = self.active.iter().find(|(known, _)| *known == algorithm);
        found.map(|(_, signer)| signer).ok_or(IssueError::NoKey(algorithm))
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
        TokenAlgorithm::Es384 => jose::Algorithm::ES384,
        TokenAlgorithm::Ps256 => jose::Algorithm::PS256,
        TokenAlgorithm::EdDsa => jose::Algorithm::EdDSA,
    }
}
