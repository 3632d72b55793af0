//! Who answers a call that may be made: a backend, or the key manager?

mod ask;
mod assertion;
mod attempt;
mod books;
mod call;
mod choose;
mod cookie;
mod copy;
mod entrance;
mod forwarded;
mod inquiry;
mod key_manager;
mod mirror;
mod offer;
mod request;
mod retry;
mod security;
mod sticky;
mod verdict;
mod websocket;

pub use call::{Outbound, Reply, call};
pub use inquiry::{Heard, Inquiry, inquire};
pub use key_manager::{hand_over, is_for_key_manager};
