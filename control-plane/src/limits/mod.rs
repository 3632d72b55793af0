//! How do gateways count together?
//!
//! Each has one stream, whose front door is `service` and whose conversation `session`. `sharing` brings
//! them together: it knows who is there and hands what they say to whoever decides.

mod members;
mod service;
mod session;
mod sharing;

pub use service::Share;
pub use sharing::Sharing;
