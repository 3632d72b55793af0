//! Is this passkey the one that was set up here, and is its person there?
//!
//! Web Authentication Level 3, the side of the server (§7.1, §7.2), for passkeys whose maker nobody asks
//! about: attestation statements are not looked at. Pure: no I/O, no clock, no randomness; whoever calls
//! makes the challenge, takes care that it is used once, and keeps what comes out.
#![warn(missing_docs)]

mod cbor;
mod ceremony;
mod client_data;
mod data;
mod key;
mod refusal;

pub use ceremony::{Made, Shown, Site, assert, register};
pub use key::ALGORITHMS;
pub use refusal::Refusal;
