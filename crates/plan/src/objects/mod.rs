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
pub use relations::{Reference, is_built_in, references};
pub use set::Objects;

pub(crate) use relations::{claims, or_default};
