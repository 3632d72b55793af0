//! Who signs?
//!
//! A private key in the memory of this process. Whoever asks only says what is to be signed, and
//! waits, so that it may as well be a device.

use std::sync::Arc;

use jose::{PublicHalf, SigningKey};
use serde::Serialize;

use super::IssueError;

/// Signs with one key; cheap to clone.
#[derive(Clone, Debug)]
pub enum Signer {
    Here(Arc<SigningKey>),
}

impl Signer {
    pub fn public(&self) -> &PublicHalf {
        match self {
            Self::Here(key) => key.public(),
        }
    }

    /// `claims` as a compact JWT of type `typ`.
    #[expect(clippy::unused_async, reason = "whoever signs elsewhere is waited for")]
    pub async fn sign(
        &self,
        typ: &str,
        claims: &(impl Serialize + Sync),
    ) -> Result<String, IssueError> {
        match self {
            Self::Here(key) => Ok(key.sign(typ, claims)?),
        }
    }
}
