//! Why can a token or a key not be made?

use crate::domain::TokenAlgorithm;
use crate::hsm::HsmError;
use crate::store::StoreError;
use crate::vault::VaultError;

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("there is no active key for {0}")]
    NoKey(TokenAlgorithm),
    #[error("the claims cannot be written")]
    Claims(#[source] serde_json::Error),
    #[error("the signature failed")]
    Signing(#[from] jose::SigningError),
    #[error("the key set cannot be read back")]
    KeySet(#[from] jose::KeySetError),
    #[error("a private key cannot be sealed or opened")]
    Vault(#[from] VaultError),
    #[error("the keys cannot be stored or loaded")]
    Store(#[from] StoreError),
    #[error("the key {kid} in the store is another one than it says")]
    Swapped { kid: String },
    #[error("the device does not sign")]
    Hsm(#[from] HsmError),
    #[error(
        "the signing keys of this store are in a device, and this process has none: set `keys.pkcs11`, or give \
         them up with `keys.pkcs11.leave`"
    )]
    Elsewhere,
    #[error("the device does not have the signing key {kid}")]
    Lost { kid: String },
    #[error("no signing key has the kid {kid}")]
    Unknown { kid: String },
    #[error(
        "the next {algorithm} key is not published long enough for everybody to know it; \
         in {seconds} s it is"
    )]
    TooSoon { algorithm: TokenAlgorithm, seconds: i64 },
    #[error("other processes keep changing the keys")]
    Contended,
    #[error("making a key was interrupted")]
    Interrupted,
}

impl IssueError {
    /// Whether the same may succeed later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Hsm(error) => error.is_retryable(),
            Self::Contended | Self::Interrupted => true,
            _ => false,
        }
    }
}
