//! How does a service speak HTTPS to browsers and to clients that are not services of ours?

mod body;
mod serve;

#[cfg(test)]
mod https_tests;

pub use body::{BodyError, read};
pub use serve::{Caller, Config, Error, serve};
