//! Does this caller behave as ever?
//!
//! One engine for each thing that callers do: the `steps` they take, the `addresses` they come from and
//! the `journeys` that nobody makes (`travel`), when they renew tokens (`renewals`), how much they
//! use by the `days`, how many things they touch or places they call from (`spread`). Each knows one
//! caller; `streak` counts what happens again and again. What they know of things lies in tables
//! that are short lists mostly (`few`).

mod addresses;
mod days;
mod few;
mod journeys;
mod listed;
mod renewals;
mod set;
mod spread;
mod steps;
mod streak;
mod sweep;
mod travel;

pub use addresses::{Addresses, Arrival};
pub use days::{Days, Less};
pub use journeys::{Journey, Journeys, Stop};
pub use renewals::{Interval, Renewals};
pub use spread::Spread;
pub use steps::{Step, Steps};
pub use streak::{Crossings, Streak};
pub use sweep::Sweep;
pub use travel::{Place, kilometres, speed_kmh};
