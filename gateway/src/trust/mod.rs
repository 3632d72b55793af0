//! Whose tokens are believed right now?
//!
//! `keys`, `provider_keys` and `revocations` follow our own key manager's streams and keep what they
//! learn on disk.
//! While it is away the gateway goes on with what it knows.

mod keys;
mod provider_keys;
mod revocations;

pub use keys::{KEYS, KeyFollower};
pub use provider_keys::ProviderKeyFollower;
pub use revocations::{REVOCATIONS, RevocationFollower};
