//! What has this process been told to do, by whom, and was it understood?
//!
//! Reading order: a `document` is parsed TOML that remembers its lines; `layers` puts the file,
//! the arguments and the `environment` over the compiled-in defaults; `read` turns the result into
//! a service's `Config`; `print` shows it.

mod document;
pub mod duration;
mod environment;
mod error;
mod layers;
mod print;
mod read;
mod secret;
mod service;
pub mod size;
mod suggest;

#[cfg(test)]
mod config_tests;

pub use error::{Error, Problem};
pub use layers::parse;
pub(crate) use layers::{Effective, Sources};
pub use secret::Secret;
pub use service::ServiceConfig;
pub use suggest::nearest;
