//! How does a service start, run and end?

mod arguments;
mod life;
mod signals;
mod start;

#[cfg(test)]
mod process_tests;

pub use arguments::{Argument, Service};
pub use start::{run, run_with, run_words};
