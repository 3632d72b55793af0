//! Who signs?
//!
//! A private key in the memory of this process, or a device that keeps it. Whoever asks only says what is
//! to be signed, and waits.

use std::sync::Arc;

use jose::{PublicHalf, SigningKey};
use serde::Serialize;

use super::IssueError;
use crate::domain::TokenAlgorithm;
use crate::hsm::{Hsm, Made};

/// Signs with one key; cheap to clone.
#[derive(Clone, Debug)]
pub enum Signer {
    Here(Arc<SigningKey>),
    Device(Arc<Held>),
}

/// A key in a device.
#[derive(Debug)]
pub struct Held {
    pub(super) hsm: Hsm,
    pub(super) algorithm: TokenAlgorithm,
    pub(super) made: Made,
}

impl Signer {
    pub fn public(&self) -> &PublicHalf {
        match self {
            Self::Here(key) => key.public(),
            Self::Device(held) => &held.made.public,
        }
    }

    /// `claims` as a compact JWT of type `typ`.
    pub async fn sign(
        &self,
        typ: &str,
        claims: &(impl Serialize + Sync),
    ) -> Result<String, IssueError> {
        match self {
            Self::Here(key) => Ok(key.sign(typ, claims)?),
            Self::Device(held) => {
                let unsigned = held.made.public.unsigned(typ, claims)?;
                let (object, message) = (Arc::clone(&held.made.object), unsigned.clone());
                let message = message.into_bytes();
                let signature = held.hsm.sign(held.algorithm, object, message).await?;
                Ok(jose::signed(unsigned, &signature))
            }
        }
    }
}
