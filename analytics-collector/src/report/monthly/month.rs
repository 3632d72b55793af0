//! Who called which API how often in a month, how did it end, and how long did it take?

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Months, NaiveDate, SecondsFormat};

use crate::question::{Amount, Dimension, Group, Measure, Window};
use crate::report::ask::{AHEAD_US, Bounds, ReportError, ask, numbers, texts};
use crate::report::filter::{Filter, Interval};
use crate::store::Reader;

/// A report has at most so many rows; the calls of further ones are in its total alone.
pub const MOST_ROWS: usize = 50_000;

const BY: [Dimension; 4] =
    [Dimension::Api, Dimension::ApiVersion, Dimension::Application, Dimension::ApplicationOwner];
const MEASURES: [Measure; 7] = [
    Measure::Calls,
    Measure::Errors,
    Measure::Throttled,
    Measure::Sum(Amount::RequestBytes),
    Measure::Sum(Amount::ResponseBytes),
    Measure::Quantile(Amount::Total, 500),
    Measure::Quantile(Amount::Total, 950),
];

/// A month of the calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month(NaiveDate);

/// The report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monthly {
    /// Of which month.
    pub month: Month,
    /// Everything together.
    pub total: Counts,
    /// Most calls first.
    pub rows: Vec<MonthlyRow>,
    /// What a reader should know besides; one sentence each.
    pub notes: Vec<String>,
}

/// An application's use of an API version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MonthlyRow {
    /// Name of the Api; empty: no API was found.
    pub api: String,
    /// Its version.
    pub version: String,
    /// Name of the Application; empty: none was known.
    pub application: String,
    /// Its owner.
    pub owner: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// All calls.
    pub calls: u64,
    /// Those with a status of 400 or more, or none.
    pub errors: u64,
    /// Those refused by a limit.
    pub throttled: u64,
    /// Body bytes from clients.
    pub request_bytes: u64,
    /// Body bytes to clients.
    pub response_bytes: u64,
    /// Median of the total time, microseconds.
    pub p50_us: u64,
    /// 95 % were at least as fast.
    pub p95_us: u64,
}

impl Month {
    /// The month of a year; nothing where there is none.
    pub fn of(year: i32, month: u32) -> Option<Self> {
        // What the calendar and a file name can say.
        (1970..=9999).contains(&year).then_some(())?;
        NaiveDate::from_ymd_opt(year, month, 1).map(Self)
    }

    /// From its first microsecond to that of the next month.
    pub fn window(self) -> Option<Window> {
        let start = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros());
        let next = self.0.checked_add_months(Months::new(1))?;
        Some(Window { since_us: start(self.0)?, until_us: start(next)? })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

/// Counts a month. Nothing: no call of it can be kept, because it has not begun or is too long ago.
pub async fn monthly(
    reader: &Arc<Reader>,
    month: Month,
    now_us: i64,
    bounds: &Bounds,
) -> Result<Option<Monthly>, ReportError> {
    let Some((window, mut notes)) = kept(month, now_us, bounds) else { return Ok(None) };
    let filter = Filter::of(window);
    let mut listed = filter.question(Interval(None), &BY, &MEASURES);
    listed.most = MOST_ROWS;
    let answer = ask(reader, listed, bounds).await?;
    let all = filter.question(Interval(None), &[], &MEASURES);
    let total = ask(reader, all, bounds).await?;
    if answer.more {
        notes.push(format!(
            "Only the {MOST_ROWS} rows with the most calls are listed; the total counts all."
        ));
    }
    let rows = answer.groups.iter().map(row).collect();
    let total = total.groups.first().map(counts).unwrap_or_default();
    Ok(Some(Monthly { month, total, rows, notes }))
}

/// The part of a month whose calls are kept, and what is to be said of it.
fn kept(month: Month, now_us: i64, bounds: &Bounds) -> Option<(Window, Vec<String>)> {
    let Window { since_us, until_us } = month.window()?;
    let kept_us = i64::try_from(bounds.kept.as_micros()).unwrap_or(i64::MAX);
    let oldest_us = now_us.saturating_sub(kept_us);
    let newest_us = now_us.saturating_add(AHEAD_US);
    if until_us <= oldest_us || since_us >= newest_us {
        return None;
    }
    let mut notes = Vec::new();
    if since_us < oldest_us {
        let from = instant(oldest_us);
        notes.push(format!("Calls before {from} are no longer kept and are not counted."));
    }
    if until_us > now_us {
        notes.push(format!("The month is not over; counted until {}.", instant(now_us)));
    }
    let window = Window { since_us: since_us.max(oldest_us), until_us: until_us.min(newest_us) };
    Some((window, notes))
}

fn instant(us: i64) -> String {
    DateTime::from_timestamp_micros(us)
        .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}

fn row(group: &Group) -> MonthlyRow {
    let [api, version, application, owner] = texts(group);
    MonthlyRow { api, version, application, owner, counts: counts(group) }
}

fn counts(group: &Group) -> Counts {
    let [calls, errors, throttled, request_bytes, response_bytes, p50_us, p95_us] =
        numbers(&group.measures);
    Counts { calls, errors, throttled, request_bytes, response_bytes, p50_us, p95_us }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use detect::span::DAY_US;

    /// 2026-11-23.
    const NOW_US: i64 = 1_795_392_000_000_000;

    /// `said` is the days from now on that count and the notes.
    #[track_caller]
    fn check(year: i32, month: u32, said: Option<(i64, i64, &[&str])>) {
        let bounds = Bounds { kept: Duration::from_hours(720), smallest_group: 0 };
        let answer = Month::of(year, month).and_then(|month| kept(month, NOW_US, &bounds));
        let answer = answer.map(|(window, notes)| {
            let day = |us: i64| (us - NOW_US).div_euclid(DAY_US);
            (day(window.since_us), day(window.until_us), notes)
        });
        let said = said.map(|(since, until, notes)| {
            (since, until, notes.iter().map(|&note| note.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(answer, said, "{year}-{month}");
    }

    #[test]
    fn a_month_says_what_is_missing_of_it() {
        let over = "The month is not over; counted until 2026-11-23T00:00:00Z.";
        check(2026, 11, Some((-22, 0, &[over])));
        let lost = "Calls before 2026-10-24T00:00:00Z are no longer kept and are not counted.";
        check(2026, 10, Some((-30, -22, &[lost])));
    }

    #[test]
    fn a_month_of_which_nothing_is_kept_has_no_report() {
        for (year, month) in [(2026, 9), (2026, 12), (1969, 12), (2026, 0), (2026, 13), (10_000, 1)]
        {
            check(year, month, None);
        }
    }
}
