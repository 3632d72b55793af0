//! Which of all calls should somebody look at?
//!
//! `Watch` takes every `Call` and tells `Finding`s. It keeps an engine for each API, application or person
//! that it knows, in bounded tables (`keyed`), by the `rules`; what was told is not told again for a while.

mod call;
mod finding;
mod keyed;
mod pace;
mod rules;
mod watcher;

pub use call::{Call, Renewal};
pub use finding::{Alarm, Finding, Severity};
pub use rules::Rules;
pub use watcher::Watch;
