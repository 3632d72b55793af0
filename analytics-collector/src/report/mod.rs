//! What do the stored events say?
//!
//! One question a file: `usage`, `latency`, `errors`, `geography`, `last_used`, and `minutes` for the alerts.
//! `filter` says which events a question is about.

pub mod errors;
pub mod filter;
pub mod geography;
pub mod last_used;
pub mod latency;
pub mod minutes;
pub mod usage;

#[cfg(test)]
mod report_tests;

pub use filter::{Filter, Interval, ReportError};
pub use last_used::Keys;
