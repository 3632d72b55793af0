//! How many microseconds has a minute, an hour, a day?

/// A minute.
pub const MINUTE_US: i64 = 60_000_000;
/// An hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// A day.
pub const DAY_US: i64 = 24 * HOUR_US;
