//! How does a definition answer calls by itself, so that a first call needs no real backend?
//!
//! `yaml` reads, `definition` finds the operation that a call means, `example` makes a value for its answer, and
//! `serve` speaks HTTP. Answers come from the definition's own examples where it has some.

mod definition;
mod example;
mod serve;
mod yaml;

pub(crate) use serve::{BackendError, Options, serve};
