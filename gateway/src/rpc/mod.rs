//! What does the gateway say to the other services, and what do they answer?
//!
//! One file per service, and the only place besides the disk where messages of `proto` are made
//! and read. The calls run on the second runtime; a worker reaches it through a bounded lane.

mod asker;
pub mod control_plane;
mod error;
pub mod introspection;
pub mod key_manager;
pub mod limits;
pub mod missing_keys;
pub mod passwords;
pub mod token_endpoint;

pub use asker::{Handle, Inquiry, Unanswered};
pub use error::RpcError;
