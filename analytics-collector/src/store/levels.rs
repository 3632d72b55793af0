//! How long is which detail kept?
//!
//! Calls themselves at first; then counts of them by the minute, by the hour and by the day, each
//! level for longer than the one before. Every call is at one level at a time, because a segment
//! is replaced by its counts in one step of the manifest.

use detect::span::{DAY_US, HOUR_US, MINUTE_US};

use super::manifest::SegmentEntry;

/// A minute, an hour and a day in microseconds: what calls are counted by.
pub const GRAINS_US: [i64; 3] = [MINUTE_US, HOUR_US, DAY_US];
/// Segments that are rolled up together at most, and rows in them.
const MOST: (usize, u64) = (64, 1 << 20);

/// One level of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Calls of so many microseconds are counted together.
    pub grain_us: i64,
    /// Counts of calls are kept until the calls are so old, microseconds.
    pub kept_us: i64,
}

/// All levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    events_us: i64,
    /// The finest first, each kept for longer than those before.
    levels: Vec<Level>,
}

impl Levels {
    /// Calls are kept for `events_us`, counts by the minute, hour and day for `counts_us`, from
    /// when the call was. A level that is not kept for longer than a finer one is left out.
    pub fn new(events_us: i64, counts_us: [i64; 3]) -> Self {
        let mut longest = events_us;
        let mut levels = Vec::new();
        for (grain_us, kept_us) in GRAINS_US.into_iter().zip(counts_us) {
            if kept_us > longest {
                longest = kept_us;
                levels.push(Level { grain_us, kept_us });
            }
        }
        Self { events_us, levels }
    }

    /// How long calls themselves are kept.
    pub const fn events_us(&self) -> i64 {
        self.events_us
    }

    /// How long anything is known of a call.
    pub fn longest_us(&self) -> i64 {
        self.levels.last().map_or(self.events_us, |level| level.kept_us)
    }

    /// By what calls of an age should be counted that are counted by `grain_us` (0: not yet); nothing:
    /// nothing is kept of them.
    pub fn grain_at(&self, grain_us: i64, age_us: i64) -> Option<i64> {
        if age_us <= self.events_us {
            return Some(grain_us);
        }
        let level = self.levels.iter().find(|level| age_us <= level.kept_us)?;
        Some(level.grain_us.max(grain_us))
    }

    /// The grain that a segment should have at a time; nothing: it should not be there.
    fn wanted(&self, segment: &SegmentEntry, now_us: i64) -> Option<i64> {
        // Counts bear the time at which their part of time begins.
        let age_us = now_us.saturating_sub(segment.last_us.saturating_add(segment.grain_us));
        self.grain_at(segment.grain_us, age_us)
    }

    /// Whether all calls of a segment are older than anything is kept.
    pub fn is_over(&self, segment: &SegmentEntry, now_us: i64) -> bool {
        self.wanted(segment, now_us).is_none()
    }

    /// The segments to roll up next, and by what grain.
    pub fn choose(&self, segments: &[SegmentEntry], now_us: i64) -> Option<(Vec<u64>, i64)> {
        let due = |segment: &SegmentEntry| {
            self.wanted(segment, now_us).filter(|grain_us| *grain_us > segment.grain_us)
        };
        let (grain_us, lacks) =
            segments.iter().find_map(|segment| Some((due(segment)?, segment.lacks_sketches())))?;
        let mut rows = 0;
        let numbers = segments
            .iter()
            // Sketches of some of the calls would be no use.
            .filter(|segment| due(segment) == Some(grain_us) && segment.lacks_sketches() == lacks)
            .take(MOST.0)
            .enumerate()
            .take_while(|(n, segment)| {
                rows += segment.rows;
                *n == 0 || rows <= MOST.1
            })
            .map(|(_, segment)| segment.number);
        Some((numbers.collect(), grain_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls are kept for a day, counts for 0, 10 and 100 days: what becomes of a segment that is
    /// so old?
    #[track_caller]
    fn check(grain_us: i64, days: i64, wanted: Option<i64>) {
        let levels = Levels::new(DAY_US, [0, 10 * DAY_US, 100 * DAY_US]);
        let last_us = (1000 - days) * DAY_US - grain_us;
        let (first_us, columns, sketched) = (last_us, 1, grain_us > 0);
        let (number, rows, bytes) = (7, 1, 1);
        let even = false;
        let segment = SegmentEntry {
            number,
            rows,
            bytes,
            first_us,
            last_us,
            columns,
            grain_us,
            sketched,
            even,
        };
        let now_us = 1000 * DAY_US;
        let chosen = levels.choose(std::slice::from_ref(&segment), now_us);
        let becomes = chosen.map_or(grain_us, |(numbers, grain_us)| {
            assert_eq!(numbers, [7]);
            grain_us
        });
        let said = (!levels.is_over(&segment, now_us)).then_some(becomes);
        assert_eq!(said, wanted);
    }

    #[test]
    fn calls_are_kept_until_their_retention_is_over() {
        check(0, 1, Some(0));
    }

    #[test]
    fn a_level_that_is_not_kept_for_longer_is_left_out() {
        check(0, 2, Some(GRAINS_US[1]));
    }

    #[test]
    fn counts_of_hours_become_counts_of_days() {
        check(GRAINS_US[1], 10, Some(GRAINS_US[1]));
        check(GRAINS_US[1], 11, Some(GRAINS_US[2]));
    }

    #[test]
    fn calls_that_were_not_looked_at_for_long_become_days_at_once() {
        check(0, 99, Some(GRAINS_US[2]));
    }

    #[test]
    fn what_is_older_than_the_last_level_is_over() {
        check(GRAINS_US[2], 101, None);
        check(0, 101, None);
    }
}
