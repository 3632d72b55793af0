//! What does every service of Turnpike need before it can do its own work?
//!
//! The only engine with tokio: start-up and configuration (`run`, `config`), the injected
//! surroundings of a service (`Host`: `clock`, `shutdown`, `task`, `random`, `readiness`,
//! `metrics`), certificates (`pki`), the three kinds of port (`rpc`, `https`, `operations`), who speaks
//! for a client there (`proxies`), requests to others (`outbound`), and logs and traces (`telemetry`).
//! Every `main` is [`run()`].

#![warn(missing_docs)]

pub mod backoff;
mod causes;
pub mod clock;
pub mod config;
mod hex;
mod host;
pub mod https;
pub mod metrics;
pub mod operations;
mod outage;
pub mod outbound;
pub mod pki;
pub mod proxies;
pub mod random;
pub mod readiness;
pub mod rpc;
mod run;
pub mod shutdown;
pub mod task;
pub mod telemetry;
mod web;

pub use backoff::Backoff;
pub use causes::causes;
pub use clock::{Clock, ManualClock};
pub use config::Secret;
pub use hex::hex;
pub use host::Host;
pub use metrics::Metrics;
pub use outage::Outage;
pub use readiness::Readiness;
pub use run::{Argument, Service, run, run_with, run_words};
pub use shutdown::Shutdown;
pub use task::Tasks;
