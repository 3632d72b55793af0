//! Which small segments become one?
//!
//! Eight of about the same size make one of the next size, within a day (UTC), up to a million
//! rows; so every row is rewritten a few times at most. What is left of a day that is over is
//! merged as far as it fits.

use std::collections::BTreeMap;

use detect::span::DAY_US;

use super::manifest::SegmentEntry;

/// A segment of half as many rows is large enough.
const MOST_ROWS: u64 = 1 << 20;
/// So many of a size are merged together.
const FEW: usize = 8;
/// So many at a time when a day is over.
const MANY: usize = 64;

/// The numbers of segments to merge next, and by what their calls are counted.
pub fn choose(segments: &[SegmentEntry], now_us: i64) -> Option<(Vec<u64>, i64)> {
    let mut days: BTreeMap<(i64, bool, i64), Vec<&SegmentEntry>> = BTreeMap::new();
    for segment in segments.iter().filter(|segment| segment.rows < MOST_ROWS / 2) {
        let day = segment.last_us.div_euclid(period(segment.grain_us));
        let key = (segment.grain_us, segment.lacks_sketches(), day);
        days.entry(key).or_default().push(segment);
    }
    days.into_iter().find_map(|((grain_us, _, day), small)| {
        let over = day < now_us.div_euclid(period(grain_us));
        Some((choose_of_day(small, over)?, grain_us))
    })
}

/// Counts are merged within longer times than calls: days of counts within about a year.
fn period(grain_us: i64) -> i64 {
    DAY_US.max(grain_us.saturating_mul(365))
}

fn choose_of_day(mut small: Vec<&SegmentEntry>, over: bool) -> Option<Vec<u64>> {
    small.sort_unstable_by_key(|segment| (segment.first_us, segment.number));
    let mut sizes: BTreeMap<u32, Vec<&SegmentEntry>> = BTreeMap::new();
    for segment in &small {
        sizes.entry(segment.rows.max(1).ilog2() / 3).or_default().push(segment);
    }
    sizes
        .into_values()
        .filter(|same| same.len() >= FEW)
        .find_map(|same| fitting(&same, FEW))
        .or_else(|| fitting(&small, MANY).filter(|_| over))
}

/// The first ones that fit into one segment; nothing if that is only one.
fn fitting(segments: &[&SegmentEntry], most: usize) -> Option<Vec<u64>> {
    let mut rows = 0;
    let fitting: Vec<u64> = segments
        .iter()
        .take(most)
        .take_while(|segment| {
            rows += segment.rows;
            rows <= MOST_ROWS
        })
        .map(|segment| segment.number)
        .collect();
    (fitting.len() > 1).then_some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `segments` is "rows@day …", numbered from 1; it is the second day now.
    #[track_caller]
    fn check(segments: &str, chosen: &[u64]) {
        let entries: Vec<_> = (1..)
            .zip(segments.split_whitespace())
            .map(|(number, word)| {
                let (rows, day) = word.split_once('@').unwrap();
                let first_us = day.parse::<i64>().unwrap() * DAY_US;
                let rows = rows.parse().unwrap();
                SegmentEntry {
                    number,
                    rows,
                    bytes: 0,
                    first_us,
                    last_us: first_us + 1,
                    columns: 1,
                    grain_us: 0,
                    sketched: false,
                    even: true,
                }
            })
            .collect();
        assert_eq!(choose(&entries, 2 * DAY_US).map_or(vec![], |chosen| chosen.0), chosen);
    }

    #[test]
    fn seven_of_a_size_are_left_alone_today() {
        check("9@2 9@2 9@2 9@2 9@2 9@2 9@2", &[]);
    }

    #[test]
    fn eight_of_a_size_become_one() {
        check("9@2 9@2 9@2 9@2 9@2 9@2 9@2 5000@2 9@2 9@2", &[1, 2, 3, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn a_day_that_is_over_is_merged_whatever_the_sizes() {
        check("9@1 70000@1 9@2", &[1, 2]);
    }

    #[test]
    fn days_are_not_mixed() {
        check("9@0 9@1 9@2", &[]);
    }

    #[test]
    fn a_large_segment_is_left_alone() {
        check("600000@1 9@1", &[]);
    }

    #[test]
    fn a_merged_segment_has_a_million_rows_at_most() {
        check("500000@1 500000@1 500000@1", &[1, 2]);
    }
}
