//! Which of all calls should somebody look at?
//!
//! `Watch` takes every `Call` and tells `Finding`s. It keeps engines for each API (`apis`), application
//! (`applications`) and caller (`clients`, and `tokens`) that it knows, in bounded tables (`keyed`): all that is
//! known of one thing lies together, so a call finds it once, by its `subjects`. The engines are a `share` of calls, a `volume` of
//! calls per minute or their exact number (`minutes`), a time (`times`) and those of `callers`. The `rules` say
//! from where on something is told, and which `kinds` are told at all; for one call they are found once
//! (`holding`); the `desk` does not tell
//! it again for a while, and puts only into words what it tells.

mod apis;
mod applications;
mod call;
mod clients;
mod desk;
mod finding;
mod holding;
mod keyed;
mod kinds;
mod minutes;
mod rules;
mod share;
mod subjects;
mod times;
mod tokens;
mod usual;
mod volume;
mod watcher;
mod words;

pub use call::{Call, Renewal};
pub use finding::{Alarm, Finding, Knobs, Severity};
pub use rules::{Mode, Override, Rule, RuleError, Rules, Setting};
pub use watcher::{State, Watch};
