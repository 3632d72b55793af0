//! What do counts look like whose columns the answer names?

use std::time::Duration;

use turnpike_proto::usage::v1::{CompareResponse, Compared, Group, QueryResponse};

use super::summaries::{hidden, milliseconds};
use crate::gateways::time;
use crate::output::{Cell, Report, Table};
use crate::rpc::of_message;

/// Letters of a series that is drawn, from little to much.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A drawn series has at most so many letters.
const WIDTH: usize = 60;
/// Measures of these are microseconds.
const TIMES: [&str; 7] = [
    "total",
    "backend",
    "security",
    "throttling",
    "request_mediation",
    "response_mediation",
    "other",
];

/// Counts, and a drawing where they are one series.
pub(super) fn counts(answer: &QueryResponse, interval: Option<Duration>) -> Report {
    let names = answer.by.iter().chain(&answer.measures);
    let from = interval.map(|_| "FROM".to_owned());
    let heads = from.into_iter().chain(names.map(|name| head(name))).collect();
    let mut table = Table::headed("no calls", heads);
    for group in &answer.groups {
        let from = interval.map(|_| Cell::from(time(group.from.as_ref())));
        let values = group.values.iter().map(|value| Cell::text_or_dash(value));
        let numbers = answer.measures.iter().zip(&group.measures);
        let numbers = numbers.map(|(name, number)| cell(name, *number));
        table.row(from.into_iter().chain(values).chain(numbers).collect());
    }
    let mut report =
        Report::new(of_message("turnpike.usage.v1.QueryResponse", answer)).table(table);
    if let (Some(interval), true) = (interval, answer.by.is_empty()) {
        report = draw(report, answer, interval);
    }
    if answer.more {
        report = report.text("there are more; see --limit");
    }
    if answer.hidden_calls > 0 {
        report = report.text(hidden(answer.hidden_calls));
    }
    report
}

/// Two times side by side.
pub(super) fn compared(answer: &CompareResponse) -> Report {
    let mut heads: Vec<String> = answer.by.iter().map(|name| head(name)).collect();
    for name in &answer.measures {
        heads.extend([head(name), "BEFORE".to_owned(), "CHANGE".to_owned()]);
    }
    let mut table = Table::headed("no calls", heads);
    for row in &answer.rows {
        let mut cells: Vec<Cell> =
            row.values.iter().map(|value| Cell::text_or_dash(value)).collect();
        for (name, pair) in answer.measures.iter().zip(&row.measures) {
            cells.extend([cell(name, pair.now), cell(name, pair.before), change(pair)]);
        }
        table.row(cells);
    }
    let report = Report::new(of_message("turnpike.usage.v1.CompareResponse", answer)).table(table);
    let report = report.text(format!(
        "from {}, compared with as long from {}",
        time(answer.since.as_ref()),
        time(answer.before_since.as_ref())
    ));
    if answer.more { report.text("there are more; see --limit") } else { report }
}

fn change(pair: &Compared) -> Cell {
    Cell::Number(match pair.share {
        Some(share) => format!("{:+.1}%", share * 100.0),
        None if pair.now > 0.0 => "new".to_owned(),
        None => "-".to_owned(),
    })
}

/// `p95_total` is shown as `P95 TOTAL MS`.
fn head(name: &str) -> String {
    let words = name.to_uppercase().replace('_', " ");
    if is_time(name) { format!("{words} MS") } else { words }
}

fn is_time(name: &str) -> bool {
    name.split_once('_').is_some_and(|(making, of)| making != "distinct" && TIMES.contains(&of))
}

fn cell(name: &str, number: f64) -> Cell {
    let whole = whole(number);
    if name == "last" {
        let (seconds, nanos) = (i64::try_from(whole / 1_000_000).unwrap_or(i64::MAX), 0);
        return if whole == 0 {
            Cell::Absent
        } else {
            time(Some(&prost_types::Timestamp { seconds, nanos })).into()
        };
    }
    if is_time(name) { milliseconds(whole) } else { whole.into() }
}

/// Counts are whole; means of bytes are rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is out of range becomes the nearest number that is not"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The first measure over the time, as a line of letters; the table has the numbers.
fn draw(report: Report, answer: &QueryResponse, interval: Duration) -> Report {
    let Some(name) = answer.measures.first() else { return report };
    match line(&answer.groups, interval) {
        Some(line) => report.picture(format!("{name}  {line}")),
        None => report,
    }
}

fn line(groups: &[Group], interval: Duration) -> Option<String> {
    let slot = |group: &Group| {
        let seconds = u64::try_from(group.from?.seconds).ok()?;
        seconds.checked_div(interval.as_secs())
    };
    let (first, last) = (slot(groups.first()?)?, slot(groups.last()?)?);
    let slots = usize::try_from(last.checked_sub(first)?).ok()?.checked_add(1)?;
    // Several intervals share a letter where there are many, and it shows the highest.
    let share = slots.div_ceil(WIDTH);
    let mut heights = vec![0.0_f64; slots.div_ceil(share)];
    for group in groups {
        let at = usize::try_from(slot(group)?.checked_sub(first)?).ok()?.checked_div(share)?;
        let height = heights.get_mut(at)?;
        *height = height.max(*group.measures.first()?);
    }
    let most = heights.iter().copied().fold(0.0, f64::max);
    Some(heights.into_iter().map(|height| letter(height, most)).collect())
}

/// An interval without calls is a blank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of eight is one of eight"
)]
fn letter(height: f64, most: f64) -> char {
    if height <= 0.0 || most <= 0.0 {
        return ' ';
    }
    let eighths = (height / most * 8.0).ceil() as usize;
    HEIGHTS.get(eighths.saturating_sub(1)).copied().unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use prost_types::Timestamp;
    use turnpike_proto::usage::v1::ComparedRow;

    use super::*;
    use crate::output::Part;

    fn shown(report: &Report) -> String {
        let line = |part: &Part| match part {
            Part::Table(table) => table.to_string(),
            Part::Text(text) | Part::Picture(text) => format!("{text}\n"),
        };
        report.parts.iter().map(line).collect()
    }

    fn names(words: &str) -> Vec<String> {
        words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn group(minute: i64, values: &str, measures: &[f64]) -> Group {
        let from = Some(Timestamp { seconds: 1_769_850_000 + 60 * minute, nanos: 0 });
        Group { from, values: names(values), measures: measures.to_vec() }
    }

    #[test]
    fn columns_are_called_as_they_were_asked_for() {
        let answer = QueryResponse {
            by: names("api status"),
            measures: names("calls p95_total distinct_user last"),
            groups: vec![
                group(0, "orders 200", &[1200.0, 1239.0, 7.0, 1_769_850_001_000_000.0]),
                group(0, "pay 503", &[3.0, 12_000_000.0, 0.0, 0.0]),
            ],
            more: true,
            hidden_calls: 4,
        };
        assert_snapshot!(shown(&counts(&answer, None)), @r"
        API     STATUS  CALLS  P95 TOTAL MS  DISTINCT USER  LAST
        orders  200      1200          1.23              7  2026-01-31T09:00:01Z
        pay     503         3      12000.00              0  -
        there are more; see --limit
        4 more calls came from places with too few clients to be shown
        ");
    }

    #[test]
    fn a_series_is_drawn_with_its_gaps() {
        let answer = QueryResponse {
            measures: names("calls"),
            groups: vec![group(0, "", &[1.0]), group(1, "", &[8.0]), group(4, "", &[4.0])],
            ..QueryResponse::default()
        };
        assert_snapshot!(shown(&counts(&answer, Some(Duration::from_mins(1)))), @r"
        FROM                  CALLS
        2026-01-31T09:00:00Z      1
        2026-01-31T09:01:00Z      8
        2026-01-31T09:04:00Z      4
        calls  ▁█  ▄
        ");
    }

    #[test]
    fn a_long_series_is_drawn_in_one_line() {
        let groups: Vec<Group> = (0..1000).map(|minute| group(minute, "", &[1.0])).collect();
        let line = line(&groups, Duration::from_mins(1)).unwrap();
        assert_eq!((line.chars().count(), line.chars().all(|one| one == '█')), (59, true));
    }

    #[test]
    fn a_comparison_says_how_much_more_it_is() {
        let pair = |now, before| Compared {
            now,
            before,
            difference: now - before,
            share: (before > 0.0).then(|| (now - before) / before),
        };
        let row = |api: &str, now, before| ComparedRow {
            values: names(api),
            measures: vec![pair(now, before)],
        };
        let answer = CompareResponse {
            by: names("api"),
            measures: names("calls"),
            rows: vec![row("orders", 15.0, 10.0), row("pay", 3.0, 0.0), row("users", 0.0, 4.0)],
            since: Some(Timestamp { seconds: 1_769_850_000, nanos: 0 }),
            before_since: Some(Timestamp { seconds: 1_769_846_400, nanos: 0 }),
            ..CompareResponse::default()
        };
        assert_snapshot!(shown(&compared(&answer)), @r"
        API     CALLS  BEFORE   CHANGE
        orders     15      10   +50.0%
        pay         3       0      new
        users       0       4  -100.0%
        from 2026-01-31T09:00:00Z, compared with as long from 2026-01-31T08:00:00Z
        ");
    }
}
