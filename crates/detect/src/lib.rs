//! What is unusual?
//!
//! Engines that look at one series of numbers, or at one caller, point by point. They learn while they
//! look and have no phase of training outside of the stream; each holds a bounded amount of memory
//! for what it watches; time comes in from outside. Whoever uses them decides what becomes an alert.
#![warn(missing_docs)]

mod callers;
mod novelty;
mod scatter;
pub mod span;
mod watch;

pub use callers::{
    Addresses, Arrival, Crossings, Days, Interval, Journey, Journeys, Less, Place, Renewals,
    Spread, Step, Steps, Stop, Streak, Sweep, kilometres, speed_kmh,
};
pub use novelty::{Novelty, Seen, Sign};
pub use watch::{
    Alarm, Call, Finding, Knobs, Mode, Override, Renewal, Rule, RuleError, Rules, Setting,
    Severity, State, Watch,
};
