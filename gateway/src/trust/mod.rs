//! Whose tokens are believed right now?
//!
//! `keys` and `revocations` follow our own key manager's streams and keep what they learn on disk.
//! While it is away the gateway goes on with what it knows.

mod keys;
mod revocations;

pub use keys::{KEYS, KeyFollower};
pub use revocations::{REVOCATIONS, RevocationFollower};
