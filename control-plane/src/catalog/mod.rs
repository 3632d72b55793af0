//! Which resources are in force, as everybody in this process sees them?
//!
//! One watch on the store feeds one immutable `State` after the other; `follow` keeps it going
//! through lost connections, compactions and restored stores. Reads, admission and distribution
//! all look here and never at the store.

mod catalogue;
mod figures;
mod follow;
mod rollout;
mod state;

pub use catalogue::Catalog;
pub use figures::Figures;
pub use follow::Follower;
pub use rollout::{Place, ROLLOUTS, Rollout, RolloutError, Touched, Wave};
pub use state::{Stamp, State, StateError};
