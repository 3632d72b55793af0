//! Does one more call fit?
//!
//! Rates (GCRA) and quotas (fixed windows), each in atomics and without locks, with the clock passed
//! in as microseconds since the Unix epoch. A `Meter` joins the limits of one subject; it hands
//! out a `Hold` that has to be settled, and a hold that is dropped unsettled gives its room back.
//! Nothing here ever admits more than the limits say, however many threads ask.
#![warn(missing_docs)]

mod meter;
mod quota;
mod rate;

pub use meter::{Full, Hold, LimitKind, LimitState, Meter, MeterConfig, State};
pub use quota::Quota;
pub use rate::Rate;

/// Why numbers make no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A limit of nothing.
    #[error("a limit admits at least one request")]
    NoRequests,
    /// A window or period that cannot be counted in.
    #[error("the period is between one millisecond and 400 days")]
    Period,
}

/// The shortest and the longest period of a limit, in microseconds.
pub(crate) const PERIOD_US: std::ops::RangeInclusive<u64> = 1_000..=400 * 86_400 * 1_000_000;

pub(crate) fn check(requests: u64, per: std::time::Duration) -> Result<u64, LimitError> {
    if requests == 0 {
        return Err(LimitError::NoRequests);
    }
    u64::try_from(per.as_micros())
        .ok()
        .filter(|us| PERIOD_US.contains(us))
        .ok_or(LimitError::Period)
}
