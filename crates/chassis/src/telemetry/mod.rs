//! What does this process tell about itself while it runs?
//!
//! `log` writes lines for people or for machines; `export` sends spans to an OpenTelemetry
//! collector, off unless configured, and `measure` the metrics, in words of OTLP (`translate`);
//! `propagate` carries a trace from process to process.

mod export;
mod install;
mod log;
mod measure;
mod propagate;
mod translate;

pub use install::{Config, Error, Telemetry};
pub use log::{Format, level, set_level};
pub(crate) use measure::Sender;
pub use propagate::{Parent, enabled, extract, inject, traceparent};
