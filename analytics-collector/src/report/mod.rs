//! What do the stored events say?
//!
//! `ask` puts questions to the store within bounds; `names` says what can be asked for. `filter`
//! says which events a question is about. One question a file: `usage`, `latency`, `errors`,
//! `geography`, `last_used`, `minutes` and `heard` for the alerts; `views` are more of them. `compare` asks
//! about two times, `monthly` writes a month down.

pub mod ask;
pub mod compare;
pub mod errors;
pub mod filter;
pub mod geography;
pub mod heard;
pub mod last_used;
pub mod latency;
pub mod minutes;
pub mod monthly;
pub mod names;
pub mod usage;
pub mod views;

#[cfg(test)]
mod report_tests;

pub use ask::{Answer, Bounds, MOST_GROUPS, ReportError, ask};
pub use filter::{Filter, Interval};
pub use last_used::Keys;
pub use views::View;
