//! What should people look at?
//!
//! `lookout` shows all stored calls (`look`) to the engines of `detect` by the `rules`, `state` keeps what they
//! learnt, and `sources` knows who may have more to tell; `replay` shows stored calls to other rules.
//! `history` keeps what was raised; `raise` tells those who watch; `answers` say what follows, `respond`
//! has callers turned away, and `turned_away` knows whom. `channel` sends it to people and programs. `controls` puts in force what somebody applies.

pub mod answers;
pub mod channel;
pub mod controls;
pub mod history;
mod look;
pub mod lookout;
pub mod raise;
pub mod replay;
pub mod respond;
pub mod rules;
pub mod sources;
pub mod state;
mod turned_away;

pub use controls::Controls;
pub use history::{Alert, History, HistoryError, Severity, Wanted};
pub use lookout::Lookout;
pub use raise::Alarm;
pub use replay::Replay;
pub use respond::Responses;
pub use sources::{Connected, Sources};
