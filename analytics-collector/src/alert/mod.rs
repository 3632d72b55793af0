//! What should people look at?
//!
//! `rate` counts calls per minute and says when there are too many; `lookout` shows all stored calls to the
//! engines of `detect` by the `rules`, and `state` keeps what they learnt. `history` keeps what was raised;
//! `raise` puts them together and tells those who watch. `channel` sends it to people and programs.

pub mod channel;
pub mod history;
pub mod lookout;
pub mod raise;
pub mod rate;
pub mod rules;
pub mod state;

pub use history::{Alert, History, HistoryError, Severity, Wanted};
pub use lookout::Lookout;
pub use raise::Alarm;
pub use rate::{Excess, Rate};
