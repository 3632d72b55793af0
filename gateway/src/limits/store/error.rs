//! Why has the store not counted?

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It took too long.
    #[error("there was no answer within {0:?}")]
    Late(Duration),
    /// There is no connection.
    #[error("it cannot be reached")]
    Unreachable(#[source] Arc<RedisError>),
    /// It refused, or the connection broke.
    #[error("it did not count")]
    Failed(#[source] Arc<RedisError>),
    /// The answer has another form.
    #[error("its answer is none to what was asked")]
    Answer,
    /// The gateway ends.
    #[error("the gateway ends")]
    Ending,
}
