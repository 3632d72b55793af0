//! What does this process tell about itself while it runs?
//!
//! `log` writes lines for people or for machines; `export` sends spans to an OpenTelemetry
//! collector, off unless configured; `propagate` carries a trace from process to process.

mod export;
mod install;
mod log;
mod propagate;

pub use install::{Config, Error, Telemetry};
pub use log::{Format, level, set_level};
pub use propagate::{Parent, enabled, extract, inject, traceparent};
