//! Who answers a call that may be made: a backend, or the key manager?

mod call;
mod forwarded;
mod key_manager;

pub use call::{Outbound, Reply, call, hex};
pub use key_manager::{hand_over, is_for_key_manager};
