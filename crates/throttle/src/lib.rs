//! Does one more call fit?
//!
//! Rates (GCRA) and quotas (windows that follow each other, those of the calendar, and rolling ones), each
//! in atomics and without locks, with the clock passed in as microseconds since the Unix epoch. A
//! `Meter` joins the limits of one subject; it hands out a `Hold` that has to be settled, as what
//! it was taken for or as what it came to, and a hold that is dropped unsettled gives its room back.
//! Whatever is known when it is asked for, nothing here ever admits more than the limits say, however
//! many threads ask. `Meters` keep those of many subjects under one bound.
#![warn(missing_docs)]

mod answers;
mod coming;
mod cost;
mod counter;
mod demand;
mod grant;
mod granting;
mod hands;
mod hold;
mod keeping;
mod kept;
mod leasing;
mod limit;
mod meter;
mod meters;
mod next;
mod planned;
mod quota;
mod rate;
mod reserve;
mod rolling;
mod shared;
mod sharing;
mod span;
mod split;
mod state;
mod stock;
mod subject;
mod terms;
mod turning;

pub use answers::Seen;
pub use cost::{Cost, Unit};
pub use grant::{Granted, portion};
pub use hands::{Asked, Hands};
pub use hold::{Full, Hold, Owed, Refused, Ruling};
pub use kept::Past;
pub use limit::{Effect, Limit, Measure, MeterConfig};
pub use meter::Meter;
pub use meters::{Crowded, Meters};
pub use quota::Quota;
pub use rate::Rate;
pub use reserve::{Back, Reserve, Short};
pub use shared::{Correction, Wanted};
pub use sharing::{Authority, OnFailure, Sharing, Strategy};
pub use span::{Borders, Period, Span};
pub use split::split;
pub use state::{LimitState, LimitUsage};
pub use subject::Subject;

/// Why numbers make no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A limit of nothing.
    #[error("a limit admits at least one unit")]
    Nothing,
    /// More than can be counted.
    #[error("so many cannot be counted in so short a time")]
    TooMuch,
    /// A window or period that cannot be counted in.
    #[error("the period is between one millisecond (a rolling one: 16) and 400 days")]
    Period,
    /// A clock that no place has.
    #[error("a place is between 12 hours behind and 14 hours ahead of UTC")]
    Offset,
    /// A meter with too many limits.
    #[error("a meter has at most {} limits", limit::MOST_LIMITS)]
    TooMany,
}

/// The shortest and the longest period of a limit, in microseconds.
const PERIOD_US: std::ops::RangeInclusive<u64> = 1_000..=400 * 86_400 * 1_000_000;

fn period_us(per: std::time::Duration) -> Result<u64, LimitError> {
    let us = u64::try_from(per.as_micros()).ok().filter(|us| PERIOD_US.contains(us));
    us.ok_or(LimitError::Period)
}

#[cfg(test)]
mod interleaving;
