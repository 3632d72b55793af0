//! May an answer that was given before be given again?
//!
//! A shared cache after RFC 9111 with the extensions of RFC 5861, RFC 9211 and RFC 9213, as a pure
//! engine: nothing here speaks HTTP, waits, or reads a clock. Times are milliseconds since the Unix
//! epoch. A caller builds a [`Key`], asks the [`Store`], asks a kept answer what it is good for
//! ([`Kept::fit`]), and shows it ([`Kept::shown`]) or fetches a new one ([`Draft`]).
#![warn(missing_docs)]

mod answer;
mod directives;
mod flight;
mod freshness;
mod key;
mod marks;
mod range;
mod reuse;
mod rules;
mod shown;
mod status;
mod store;
mod storing;
mod vary;

#[cfg(test)]
mod reuse_tests;
#[cfg(test)]
mod store_tests;

pub use answer::{Draft, Kept};
pub use directives::{CAPABILITY, Directives};
pub use flight::{Flights, Follower, Leader, Seat};
pub use freshness::Times;
pub use key::{Key, Place};
pub use marks::Under;
pub use reuse::Fit;
pub use rules::{Rules, Share};
pub use shown::Shown;
pub use status::{Forwarded, Handling};
pub use store::{Filling, Found, Store};
pub use storing::{NotKept, Question};
