//! How do bytes from clients become calls, and answers bytes?
//!
//! One thread per worker, each with its own runtime, listeners and connections; a call never
//! changes its thread. HTTP/1.1 is read and written here; HTTP/2 is the library's.

mod config;
mod connection;
mod crowd;
mod http1;
mod http2;
mod listener;
mod proxy_protocol;
mod pulse;
mod serve;
mod size;
mod socket;
mod thread;
mod tls;
mod tunnel;
mod visit;

pub use config::{Asked, Config, Settings};
pub use listener::{Lent, Listen, ListenError};
pub use serve::{Lender, ServeError, Serving, WorkerContext, serve, serve_on, workers};
pub use tls::{TlsError, tls};
