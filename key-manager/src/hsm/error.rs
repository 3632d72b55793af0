//! Why does the device not sign?

use std::io;

use crate::domain::TokenAlgorithm;

#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    #[error("the PKCS#11 module {module} cannot be used")]
    Module {
        module: String,
        #[source]
        source: cryptoki::error::Error,
    },
    #[error("the PKCS#11 module has no token {0}")]
    NoToken(String),
    #[error("the PKCS#11 module has more than one token {0}; name its slot")]
    Several(String),
    #[error("the file {path} with the PIN cannot be read")]
    PinFile {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the file {path} with the PIN may be read by others; make it `chmod 600`")]
    OpenPinFile { path: String },
    /// It is not tried again: after a few wrong ones the device locks itself.
    #[error("the device refuses the PIN; it is not tried again before the next start")]
    Pin,
    #[error("the device has no private key {0}")]
    NoKey(String),
    #[error("the device made a key for {0} that cannot be read")]
    Unreadable(TokenAlgorithm),
    #[error("the device cannot make a key for {algorithm}")]
    Generation {
        algorithm: TokenAlgorithm,
        #[source]
        source: cryptoki::error::Error,
    },
    #[error("the device made a signature of the wrong form")]
    Signature,
    #[error("the device failed")]
    Failed(#[from] cryptoki::error::Error),
    #[error("too many signatures wait for the device")]
    Busy,
    #[error("the device did not answer in time")]
    Late,
    #[error("the work of the device was interrupted")]
    Interrupted,
}

impl HsmError {
    /// Whether the same may succeed later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Failed(_) | Self::NoToken(_) | Self::Busy | Self::Late | Self::Interrupted
        )
    }

    /// Whether another session may do better.
    pub(super) const fn is_of_session(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NoToken(_) | Self::NoKey(_))
    }
}
