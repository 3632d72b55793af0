//! Which servers does an endpoint have, which of them are fit, and whose turn is it?
//!
//! What is known about a server's health is shared by all workers and read without a lock: a
//! server that fails is left alone by all of them at once. What is known about its load belongs to
//! one worker. Both are kept by the endpoint's place in memory, which stays the same while nothing
//! in the endpoint changes, and are forgotten with it.

mod breaker;
#[cfg(test)]
pub(crate) mod fixtures;
mod group;
mod pick;
mod registry;
mod ring;
mod target;
mod view;

pub use breaker::{Breaker, Open};
pub use group::{Group, Room};
pub use pick::{MOST_TARGETS, Now, Tried};
pub use registry::Registry;
pub use ring::{hash, mixed};
pub use target::Target;
pub use view::{Load, Servers, View};
