//! Which calls does the analytics collector learn of, and what of each?
//!
//! A worker hands each call that has ended to its `recorder`, which leaves out what its API does not let
//! be known (`mask`); from there on it is the matter of the crate `spool`.

mod config;
mod mask;
mod recorder;

pub use config::Config;
pub use recorder::{Recorder, Recording};
