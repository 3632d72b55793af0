//! How are connections taken in and served without letting one of them hurt the others?
//!
//! The ground under `operations`, `https` and `rpc`: a `door` bounds how many connections there
//! are, a `connection` bounds what one of them may do.

mod connection;
mod door;
mod sparse;

#[cfg(test)]
mod web_tests;

pub(crate) use connection::{Guarded, HEAD_WITHIN, Protocol, serve};
pub(crate) use door::Door;
pub(crate) use sparse::Sparse;
