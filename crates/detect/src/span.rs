//! How many microseconds has a second, a minute, an hour, a day?

/// A second.
pub const SECOND_US: i64 = 1_000_000;
/// A minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// An hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// A day.
pub const DAY_US: i64 = 24 * HOUR_US;
