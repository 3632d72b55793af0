//! What should people look at?
//!
//! `rate` counts calls per minute and says when there are too many; `history` keeps what was
//! raised; `raise` puts them together and tells those who watch.

pub mod history;
pub mod raise;
pub mod rate;

pub use history::{Alert, History, HistoryError, Severity};
pub use raise::Alarm;
pub use rate::{Excess, Rate};
