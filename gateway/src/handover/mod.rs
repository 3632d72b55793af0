//! How does a new gateway take the place of a running one without losing a call?
//!
//! The running one listens on a socket in its data directory (`offer`). A new one that is told to
//! take over connects to it (`take`) and is passed the listening sockets themselves (`fds`), so
//! that no connection that waits in them is lost. It comes up beside the old one, and only when it
//! serves does the old one stop: before that, whatever becomes of the new one, the old one goes on.
//! What is said on the way is in `word`.

mod config;
mod error;
mod fds;
mod offer;
mod take;
mod word;

pub use config::Config;
pub use error::HandoverError;
pub use offer::Offer;
pub use take::Taken;
pub use word::Role;
