//! Does a call that may be made fulfil what its operation asks for besides, and which limits by
//! expressions does it count for?
//!
//! Rules about claims, expressions, and the check of calls that pages of other sites make. All of
//! them were compiled when they were published; an operation without any costs one look.

mod check;
mod csrf;
mod custom;
mod facts;

pub use check::{Asked, check};
pub use custom::customs;
