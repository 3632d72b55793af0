//! Which stretch of time does a quota count over, and when is it over?
//!
//! Stretches that follow each other have numbers, so a count and the number of its stretch fit into
//! one word. A rolling one has no borders; it is kept in sixteenths (see `rolling`).

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate};

use crate::LimitError;

/// Stretches have to be numbered until here: 2255, in microseconds since the Unix epoch.
pub(crate) const LAST_US: u64 = 1 << 53;

const DAY_US: u64 = 86_400 * 1_000_000;
const OFFSETS: std::ops::RangeInclusive<i16> = -720..=840;

/// A stretch of time that a quota counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Fixed { per_us: u64 },
    Rolling { per_us: u64 },
    Calendar { period: Period, offset_minutes: i16 },
}

/// A period of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday's midnight.
    Week,
    /// From midnight of the first.
    Month,
    /// From midnight of the first of January.
    Year,
}

/// How who counts by another clock finds the stretch that holds a moment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// One after the other from the Unix epoch.
    Fixed {
        /// Length in microseconds.
        per_us: u64,
    },
    /// The 17 slots that hold the moment and what is before it.
    Rolling {
        /// Length of a slot in microseconds.
        slot_us: u64,
    },
    /// Those of a calendar.
    Calendar {
        /// Of which length.
        period: Period,
        /// By whose clock.
        offset_minutes: i16,
        /// When the stretches before, at and after a moment end, in microseconds since the Unix epoch: a
        /// clock that is less than one of them off finds its own among them.
        ends_us: [u64; 3],
    },
}

impl Span {
    /// One after the other, aligned to the Unix epoch. `per` is 1 ms to 400 days.
    pub fn fixed(per: Duration) -> Result<Self, LimitError> {
        Ok(Self(Kind::Fixed { per_us: crate::period_us(per)? }))
    }

    /// The `per` before each moment, reckoned in sixteenths: what was used counts for that long and
    /// up to a sixteenth of it more. `per` is 16 ms to 400 days.
    pub fn rolling(per: Duration) -> Result<Self, LimitError> {
        let per_us = crate::period_us(per)?;
        if per_us < 16_000 { Err(LimitError::Period) } else { Ok(Self(Kind::Rolling { per_us })) }
    }

    /// Days, weeks, months or years of a place whose clock is `offset_minutes` ahead of UTC, -720 to 840.
    /// Summer time is not known.
    pub fn calendar(period: Period, offset_minutes: i16) -> Result<Self, LimitError> {
        if !OFFSETS.contains(&offset_minutes) {
            return Err(LimitError::Offset);
        }
        Ok(Self(Kind::Calendar { period, offset_minutes }))
    }

    /// Whether it is the stretch before each moment.
    pub const fn is_rolling(self) -> bool {
        matches!(self.0, Kind::Rolling { .. })
    }

    /// The period of the calendar that it is, and how many minutes the place of it is ahead of UTC.
    pub const fn period(self) -> Option<(Period, i16)> {
        match self.0 {
            Kind::Calendar { period, offset_minutes } => Some((period, offset_minutes)),
            Kind::Fixed { .. } | Kind::Rolling { .. } => None,
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }

    /// Its length in microseconds; of months and years the longest.
    pub const fn longest_us(self) -> u64 {
        match self.0 {
            Kind::Fixed { per_us } | Kind::Rolling { per_us } => per_us,
            Kind::Calendar { period: Period::Day, .. } => DAY_US,
            Kind::Calendar { period: Period::Week, .. } => 7 * DAY_US,
            Kind::Calendar { period: Period::Month, .. } => 31 * DAY_US,
            Kind::Calendar { period: Period::Year, .. } => 366 * DAY_US,
        }
    }

    /// How to find stretches around `now_us`.
    pub fn borders(self, now_us: u64) -> Borders {
        match self.0 {
            Kind::Fixed { per_us } => Borders::Fixed { per_us },
            Kind::Rolling { per_us } => Borders::Rolling { slot_us: per_us.div_ceil(16) },
            Kind::Calendar { period, offset_minutes } => {
                let number = self.number(now_us);
                let around = [number.saturating_sub(1), number, number.saturating_add(1)];
                let ends_us = around.map(|number| self.end_us(number));
                Borders::Calendar { period, offset_minutes, ends_us }
            }
        }
    }

    /// The number of the stretch that holds a moment, of a rolling one that of the slot. Later ones have
    /// higher numbers.
    pub fn number(self, now_us: u64) -> u64 {
        let now_us = now_us.min(LAST_US);
        match self.0 {
            Kind::Fixed { per_us } => now_us / per_us,
            Kind::Rolling { per_us } => now_us / per_us.div_ceil(16),
            Kind::Calendar { period, offset_minutes } => period.number(now_us, offset_minutes),
        }
    }

    /// When the stretch of this number is over, in microseconds since the Unix epoch.
    pub fn end_us(self, number: u64) -> u64 {
        match self.0 {
            Kind::Fixed { per_us } => number.saturating_add(1).saturating_mul(per_us),
            Kind::Rolling { per_us } => {
                number.saturating_add(1).saturating_mul(per_us.div_ceil(16))
            }
            Kind::Calendar { period, offset_minutes } => period.end_us(number, offset_minutes),
        }
    }
}

impl Period {
    fn number(self, now_us: u64, offset_minutes: i16) -> u64 {
        let shifted = i128::from(now_us) + i128::from(offset_minutes) * 60_000_000;
        // Before 1970 in that place is the first day of it.
        let days = u64::try_from(shifted).unwrap_or(0) / DAY_US;
        match self {
            Self::Day => days,
            // 1970 began on a Thursday.
            Self::Week => (days + 3) / 7,
            Self::Month | Self::Year => {
                let date = DateTime::UNIX_EPOCH.date_naive().checked_add_days(Days::new(days));
                let (year, month) = date.map_or((0, 0), |date| (date.year() - 1970, date.month0()));
                let year = u64::try_from(year).unwrap_or(0);
                if self == Self::Year { year } else { year * 12 + u64::from(month) }
            }
        }
    }

    fn end_us(self, number: u64, offset_minutes: i16) -> u64 {
        let next = number.saturating_add(1);
        let epoch = DateTime::UNIX_EPOCH.date_naive();
        let months = |count: u64| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            epoch.checked_add_months(Months::new(count)).map_or(u64::MAX, days_of)
        };
        let days = match self {
            Self::Day => next,
            Self::Week => (next.saturating_mul(7)).saturating_sub(3),
            Self::Month => months(next),
            Self::Year => months(next.saturating_mul(12)),
        };
        let end = i128::from(days) * i128::from(DAY_US) - i128::from(offset_minutes) * 60_000_000;
        u64::try_from(end.max(0)).unwrap_or(u64::MAX)
    }
}

fn days_of(date: NaiveDate) -> u64 {
    let days = date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days();
    u64::try_from(days).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment `at` lies in a stretch that ends at `end`.
    #[track_caller]
    fn check(span: Span, at: &str, end: &str) {
        let us = |text: &str| {
            let moment = DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
            u64::try_from(moment).unwrap()
        };
        let number = span.number(us(at));
        assert_eq!(span.end_us(number), us(end), "{at}");
        assert_eq!(span.number(us(end) - 1), number, "just before {end}");
        assert_eq!(span.number(us(end)), number + 1, "{end}");
    }

    #[test]
    fn calendar_periods_end_at_midnight_of_their_place() {
        let span = |period, offset| Span::calendar(period, offset).unwrap();
        check(span(Period::Day, 0), "2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z");
        check(span(Period::Day, 60), "2028-02-28T23:00:00Z", "2028-02-29T23:00:00Z");
        check(span(Period::Day, -720), "2028-02-28T11:59:59Z", "2028-02-28T12:00:00Z");
        check(span(Period::Week, 0), "2026-11-29T12:00:00Z", "2026-11-30T00:00:00Z");
        check(span(Period::Week, 330), "2026-11-29T18:30:00Z", "2026-12-06T18:30:00Z");
        check(span(Period::Month, 0), "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z");
        check(span(Period::Month, 0), "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z");
        check(span(Period::Month, 840), "2026-12-31T10:00:00Z", "2027-01-31T10:00:00Z");
        check(span(Period::Year, 0), "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    }

    #[test]
    fn a_clock_that_is_off_finds_its_month_among_three() {
        let us = |text: &str| {
            u64::try_from(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()).unwrap()
        };
        let span = Span::calendar(Period::Month, 60).unwrap();
        let ends = ["2028-01-31T23:00:00Z", "2028-02-29T23:00:00Z", "2028-03-31T23:00:00Z"];
        let borders = span.borders(us("2028-02-15T00:00:00Z"));
        let ends_us = ends.map(us);
        assert_eq!(
            borders,
            Borders::Calendar { period: Period::Month, offset_minutes: 60, ends_us }
        );
    }

    #[test]
    fn fixed_ones_are_aligned_to_the_epoch() {
        let span = Span::fixed(Duration::from_mins(1)).unwrap();
        check(span, "2026-11-29T12:00:59.999Z", "2026-11-29T12:01:00Z");
    }

    #[test]
    fn the_end_of_time_does_no_harm() {
        for period in [Period::Day, Period::Week, Period::Month, Period::Year] {
            let span = Span::calendar(period, -720).unwrap();
            assert_eq!(span.number(0), 0);
            span.end_us(span.number(u64::MAX));
            span.end_us(u64::MAX);
        }
    }

    #[test]
    fn what_is_no_stretch_is_refused() {
        assert_eq!(Span::fixed(Duration::ZERO), Err(LimitError::Period));
        assert_eq!(Span::rolling(Duration::from_millis(15)), Err(LimitError::Period));
        assert_eq!(Span::calendar(Period::Day, 841), Err(LimitError::Offset));
    }
}
