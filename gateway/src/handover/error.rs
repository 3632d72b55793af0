//! Why could a gateway not be taken over?

use std::io;
use std::path::PathBuf;

/// Why not. The running gateway goes on serving in every case.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The Unix socket.
    #[error("the socket `{path}` (upgrade.socket)")]
    Socket {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The other side went away or the system failed.
    #[error("the other gateway is not heard")]
    Lost(#[from] io::Error),
    /// The other side says what does not belong there.
    #[error("the other gateway says what is not expected: {0}")]
    Word(String),
    /// The other side speaks another version of the hand-over.
    #[error("the other gateway hands over by version {0}, this one by version {VERSION}")]
    Version(u32),
    /// The other side does not answer.
    #[error("the other gateway is silent")]
    Silent(#[from] chassis::clock::Elapsed),
    /// A process of somebody else asks.
    #[error("the other side is a process of user {0}")]
    Stranger(u32),
    /// The new gateway is not ready to serve.
    #[error("this gateway is not ready to take over: {0}")]
    NotReady(String),
}

/// The version of the hand-over.
pub(super) const VERSION: u32 = 1;
