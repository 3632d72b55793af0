//! What does a gateway of another version get?
//!
//! It says which kinds, fields and values its build has (`known`). What it does not have would be
//! passed over there in silence, so an object with such a field is not served as if it had none:
//! `narrow` says what it gets instead, and `narrowed` keeps that for a whole slice. `version` says
//! beyond which distance nobody tries.

mod known;
mod narrow;
mod narrowed;
mod version;

#[cfg(test)]
mod skew_tests;

pub use known::{Known, TooMuch};
pub(crate) use narrowed::Narrowed;
pub use version::{Distance, distance};
