//! Who is this process, whom does it trust, and who is at the other end?
//!
//! Reading order: a `peer` is a name in a certificate; an `identity` is this process's certificate
//! with its trust `anchors`, reloaded while it runs (`fresh`); the `authority` makes both where an
//! operator has brought none. `system` has the authorities of the operating system. `facts` are what a certificate says to people; `files` is the only
//! place that touches the disk. `signed` is what a service says in a way that can be shown to others later.

mod anchors;
mod authority;
mod error;
mod facts;
mod files;
mod fresh;
mod identity;
mod peer;
mod signed;
mod system;

#[cfg(test)]
mod pki_tests;

pub use authority::development;
pub(crate) use authority::host_name;
pub use error::Error;
pub use facts::Facts;
pub(crate) use fresh::keep_fresh;
pub use identity::{ClientAuth, Config, Identity, client_without_certificate};
pub use peer::Peer;
pub use signed::{NotSaid, Signature};
pub use system::system_authorities;
