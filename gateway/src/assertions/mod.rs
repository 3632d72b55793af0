//! With what does the gateway sign what it tells backends about callers?
//!
//! With keys of its own that no other process has. A `ring` says which of them signs, which is next
//! and which is past; its `keeper` makes them, keeps them on disk, and lets the key manager tell the
//! other gateways of their public halves. Calls see what is `published`; each worker remembers what it
//! has `minted`.

mod config;
mod disk;
mod keeper;
mod minted;
mod published;
mod ring;
mod signer;

pub use config::{Config, Unfit};
pub use keeper::{KEY, Keeper};
pub use minted::{Assertion, Minted, NoKey, Wanted};
pub use published::{JWKS, Published, Shown, Signers, answer};
pub use ring::Rules;
