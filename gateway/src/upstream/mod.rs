//! Who answers a call that may be made: a backend, or the key manager?

mod attempt;
mod books;
mod call;
mod choose;
mod forwarded;
mod key_manager;
mod request;
mod retry;
mod websocket;

pub use call::{Outbound, Reply, call};
pub use key_manager::{hand_over, is_for_key_manager};
pub use request::hex;
