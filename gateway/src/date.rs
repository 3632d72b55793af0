//! How is a time written for people and for HTTP?

/// A Gregorian date in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    /// January is 0.
    pub month: usize,
    /// From 1.
    pub day: i64,
    /// Thursday is 0, like 1970-01-01.
    pub weekday: usize,
}

/// The short names of the months.
pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Date {
    /// The date of a second counted from 1970-01-01T00:00:00Z.
    pub fn of(unix: i64) -> Self {
        let days = unix.div_euclid(86_400);
        // Eras of 400 years that start on March 1st, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let place = |number: i64| usize::try_from(number).unwrap_or_default();
        Self {
            year: year_of_era + era * 400 + i64::from(from_march >= 10),
            month: place((from_march + 2) % 12),
            day: of_year - (153 * from_march + 2) / 5 + 1,
            weekday: place(days.rem_euclid(7)),
        }
    }

    /// The short name of the month.
    pub fn month_name(self) -> &'static str {
        MONTHS.get(self.month).copied().unwrap_or_default()
    }

    /// The short name of the day.
    pub fn weekday_name(self) -> &'static str {
        WEEKDAYS.get(self.weekday).copied().unwrap_or_default()
    }
}

/// Hour, minute and second of a second counted from 1970-01-01T00:00:00Z.
pub const fn time_of_day(unix: i64) -> (i64, i64, i64) {
    let second = unix.rem_euclid(86_400);
    (second / 3600, second / 60 % 60, second % 60)
}

/// An IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn imf(unix: i64) -> String {
    let date = Date::of(unix);
    let (hour, minute, second) = time_of_day(unix);
    let Date { year, day, .. } = date;
    let (weekday, month) = (date.weekday_name(), date.month_name());
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The same as RFC 3339 writes it: `1994-11-06T08:49:37Z`.
pub fn rfc3339(unix: i64) -> String {
    let Date { year, month, day, .. } = Date::of(unix);
    let (hour, minute, second) = time_of_day(unix);
    let month = month + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unix: i64, expected: &str) {
        assert_eq!(imf(unix), expected);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_772_323_199, "Sat, 28 Feb 2026 23:59:59 GMT");
        check(1_772_323_200, "Sun, 01 Mar 2026 00:00:00 GMT");
        check(4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT");
        check(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
        assert_eq!(rfc3339(784_111_777), "1994-11-06T08:49:37Z");
        assert_eq!(rfc3339(1_772_323_199), "2026-02-28T23:59:59Z");
    }
}
