//! What looks as if somebody uses what is not theirs? (KM-141)
//!
//! Reuse of codes and refresh tokens is certain; the rest is counted here: bursts of token requests
//! (rule 11), travels that nobody makes (rule 6), guessed secrets, and logins that fail over many names or from many networks (rule 16).
//! The counters are engines without clock and I/O, each with a bound; what they find leaves for the
//! analytics collector through a bounded queue and never holds up an answer.

mod burst;
mod distinct;
mod places;
mod signal;
mod travel;
mod watch;

pub use places::{Place, Places};
pub use signal::{Severity, Signal};
pub use watch::{Fraud, FraudRules, Signals};
