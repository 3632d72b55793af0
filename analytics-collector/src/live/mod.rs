//! What is happening right now?
//!
//! Calls as they are stored, before anybody asks the store: `tail` shows them to watchers, `series`
//! counts them for Prometheus. `matches` says of a call whether conditions hold.

pub mod matches;
pub mod series;
pub mod tail;

pub use series::Series;
pub use tail::{Seen, Tail, Wanted};
