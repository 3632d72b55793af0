//! Why does a grant not lead to a token?

use crate::rpc::HandlerError;
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
    /// The same, with what the client asks again with.
    #[error("nobody has answered yet")]
    Waiting { handle: String, pause_seconds: i64, seconds: i64 },
    /// A parameter of a grant of the operator's.
    #[error("{0} {1}")]
    Parameter(String, &'static str),
    /// What a grant of the operator's says.
    #[error("{description}")]
    Refused { code: String, description: String },
    #[error("a grant of the operator's could not be asked")]
    Handler(#[from] HandlerError),
    #[error("more assertions are used than are remembered")]
    Full,
    #[error("too many requests with one refresh token at once")]
    Contended,
    #[error("the grant could not be looked up")]
    Store(#[from] StoreError),
    #[error("an answer could not be sealed or opened")]
    Vault(#[from] VaultError),
}
