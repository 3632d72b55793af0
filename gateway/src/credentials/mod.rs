//! Which credential does a caller show, and is it good?

mod bearer_jwt;
mod config;
mod known;
pub mod revoked;
mod scheme;
mod word;

pub use bearer_jwt::{Grounds, Verified, verify};
pub use config::Config;
pub use known::{Known, Tokens};
pub use revoked::Revocations;
pub use scheme::{Shown, shown};
pub use word::Question;
