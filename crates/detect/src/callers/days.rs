//! Does somebody use less than they always did?

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Days that are looked at,
const RECENT: usize = 5;
/// beside so many before them.
const BEFORE: usize = 30;
/// The share of the days before that may have been as quiet.
const QUIET: usize = 5;

/// What was used on each of the last days.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Days(VecDeque<(i64, u64)>);

/// Less than ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Less {
    /// The most of the last five days.
    pub now: u64,
    /// On nineteen of twenty days before it was at least so much.
    pub before: u64,
}

impl Days {
    /// `units` more on this day, counted from the Unix epoch. A day without a call counts as 0.
    pub fn add(&mut self, day: i64, units: u64) {
        let newest = self.0.back().map_or(day, |(newest, _)| *newest);
        // After years of silence only the last days matter.
        let first = day.saturating_sub(i64::try_from(RECENT + BEFORE).unwrap_or(i64::MAX));
        for missing in newest.saturating_add(1).max(first)..=day {
            self.0.push_back((missing, 0));
        }
        if self.0.is_empty() {
            self.0.push_back((day, 0));
        }
        if let Some((_, used)) = self.0.iter_mut().rev().find(|(known, _)| *known == day) {
            *used = used.saturating_add(units);
        }
        while self.0.len() > RECENT + BEFORE + 1 {
            self.0.pop_front();
        }
    }

    /// The most of the five days before `today`, where so many are known.
    pub fn most(&self, today: i64) -> Option<u64> {
        let mut days = self.0.iter().rev().filter(|(day, _)| *day < today).take(RECENT);
        let recent: Vec<u64> = days.by_ref().map(|(_, used)| *used).collect();
        (recent.len() == RECENT).then_some(())?;
        recent.into_iter().max()
    }

    /// Whether each of the five days before `today` was quieter than the thirty before those.
    pub fn less(&self, today: i64) -> Option<Less> {
        let mut days: Vec<u64> =
            self.0.iter().filter(|(day, _)| *day < today).map(|(_, used)| *used).collect();
        let recent = days.split_off(days.len().checked_sub(RECENT)?);
        let mut before = days.split_off(days.len().checked_sub(BEFORE)?);
        before.sort_unstable();
        let (now, before) = (*recent.iter().max()?, *before.get(BEFORE * QUIET / 100)?);
        (now < before).then_some(Less { now, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many a day, one number for each: is it less on the day after?
    #[track_caller]
    fn check(days: &[(usize, u64)], expected: Option<Less>) {
        let mut used = Days::default();
        let daily = days.iter().flat_map(|(count, units)| std::iter::repeat_n(*units, *count));
        let mut today = 20_000;
        for units in daily {
            if units > 0 {
                used.add(today, units);
            }
            today += 1;
        }
        used.add(today, 1);
        assert_eq!(used.less(today), expected);
    }

    /// The cases of WSO2's own test of unusual use of a tier.
    #[test]
    fn five_quiet_days_after_thirty_are_told_and_four_are_not() {
        check(&[(30, 10), (5, 2)], Some(Less { now: 2, before: 10 }));
        check(&[(31, 10), (4, 2)], None);
    }

    #[test]
    fn who_was_always_quiet_now_and_then_is_not_told() {
        check(&[(25, 10), (5, 2), (5, 2)], None);
    }

    #[test]
    fn days_without_a_call_count() {
        check(&[(30, 10), (5, 0)], Some(Less { now: 0, before: 10 }));
    }

    #[test]
    fn nothing_is_said_before_there_are_enough_days() {
        check(&[(20, 10), (5, 2)], None);
    }

    #[test]
    fn a_jump_of_the_clock_takes_no_room() {
        let mut used = Days::default();
        used.add(i64::MIN, 1);
        used.add(i64::MAX, 1);
        assert!(used.0.len() <= RECENT + BEFORE + 2);
    }
}
