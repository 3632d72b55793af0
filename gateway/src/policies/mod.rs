//! What is done to a call between the caller's admission and the backend, and to its answer?
//!
//! What each operation asks for was compiled when it was published; here it is applied.

mod facts;
mod headers;

pub use facts::Facts;
pub use headers::{RequestRules, change_answer, change_answers};
