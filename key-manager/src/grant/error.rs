//! Why does a grant not lead to a token?

use crate::store::StoreError;
use crate::vault::VaultError;

#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
    /// A parameter has a value that is not offered.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Nobody has answered yet (RFC 8628 section 3.5).
    #[error("nobody has answered yet")]
    Pending,
    #[error("nobody has answered yet, and the next question came too early")]
    SlowDown,
    #[error("the code has expired")]
    Expired,
    #[error("the person did not agree")]
    Denied,
    #[error("more assertions are used than are remembered")]
    Full,
    #[error("too many requests with one refresh token at once")]
    Contended,
    #[error("the grant could not be looked up")]
    Store(#[from] StoreError),
    #[error("an answer could not be sealed or opened")]
    Vault(#[from] VaultError),
}
