//! How do bytes from clients become calls, and answers bytes?
//!
//! One thread per worker, each with its own runtime, listeners and connections; a call never
//! changes its thread. Here, and only here, is the HTTP library of the client side.

mod config;
mod connection;
mod http;
mod listener;
mod pulse;
mod serve;
mod socket;
mod thread;

pub use config::{Config, Settings};
pub use listener::{Listen, ListenError};
pub use serve::{ServeError, Serving, WorkerContext, serve};
