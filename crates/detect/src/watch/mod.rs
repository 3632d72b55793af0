//! Which of all calls should somebody look at?
//!
//! `Watch` takes every `Call` and tells `Finding`s. It keeps engines for each API (`apis`), application
//! (`applications`) and caller (`clients`) that it knows, in bounded tables (`keyed`). They are made of a `share`
//! of calls, a `volume` of calls per minute or their exact number (`minutes`), a time (`times`) and the engines
//! of `callers`. The `rules` say from where on something is told; the `desk` does not tell it again for a while.

mod apis;
mod applications;
mod call;
mod clients;
mod desk;
mod finding;
mod keyed;
mod minutes;
mod rules;
mod share;
mod times;
mod usual;
mod volume;
mod watcher;
mod words;

pub use call::{Call, Renewal};
pub use finding::{Alarm, Finding, Knobs, Severity};
pub use rules::{Mode, Override, Rule, RuleError, Rules, Setting};
pub use watcher::{State, Watch};
