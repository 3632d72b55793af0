//! What do third-party providers tell us, and what do we ask them?
//!
//! `follow` hears which providers there are; `circle` holds them, and a task of each keeps its metadata
//! and keys fresh. `metadata` and `key_set` read what they publish, `member` is what is known of one,
//! `introspect` and `register` ask them something, people log in there through
//! `relying_party`, `disk` remembers them for the next start.

mod circle;
mod disk;
mod error;
mod follow;
mod introspect;
mod key_set;
mod member;
mod metadata;
mod refresh;
mod register;
mod relying_party;

pub use circle::{Federation, FederationRules, KnownKeys};
pub use disk::Disk;
pub use error::FederationError;
pub use follow::follow;
pub use introspect::introspect;
pub use member::{Member, Status};
pub use metadata::Metadata;
pub use register::{Registered, Wanted, find, register, unregister};
pub use relying_party::{Person, Secrets, arrive, depart};
