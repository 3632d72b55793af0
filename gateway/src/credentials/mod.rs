//! Which credentials does a caller show, and are they good?

mod bearer_jwt;
mod bound;
mod config;
mod fingerprint;
mod known;
mod person;
mod proof;
mod query;
pub mod revoked;
mod shown;
mod test_key;
mod word;

pub use bearer_jwt::{Grounds, Verified, verify};
pub use bound::Bound;
pub use config::Config;
pub use known::{Known, Tokens};
pub use person::{Password, People};
pub use proof::Proofs;
pub use query::with_key_in_field;
pub use revoked::Revocations;
pub use shown::{Shown, Token, is_for_gateway, left_over, shown};
pub use test_key::TestKey;
pub use word::Question;
