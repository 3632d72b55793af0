//! What is held, and what refers to what?

mod buckets;
mod hash;
mod index;
mod object;
mod packed;
mod relations;
mod set;
mod subscriptions;

pub use buckets::{Digests, bucket};
pub use hash::StateHash;
pub use object::Object;
pub use set::Objects;

pub(crate) use relations::{Reference, claims, is_built_in, or_default, references};
