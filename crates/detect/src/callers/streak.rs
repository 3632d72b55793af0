//! Does it happen again and again?

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// So many in a row, without one that is good.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Streak {
    most: u32,
    length: u32,
}

impl Streak {
    /// Told at the `most`th in a row, and then once more for each `most` further.
    pub const fn new(most: u32) -> Self {
        Self { most, length: 0 }
    }

    /// The next one; whether it is told.
    pub fn happen(&mut self, bad: bool) -> bool {
        if !bad {
            self.length = 0;
            return false;
        }
        self.length = self.length.saturating_add(1);
        self.most > 0 && self.length.is_multiple_of(self.most)
    }
}

/// More than so many within a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crossings {
    most: usize,
    within_us: i64,
    at_us: VecDeque<i64>,
}

impl Crossings {
    /// Told when there are more than `most` within `within_us`; then counting begins anew.
    pub const fn new(most: usize, within_us: i64) -> Self {
        Self { most, within_us, at_us: VecDeque::new() }
    }

    /// From now on more than `most` are told.
    pub const fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// One more; how many there are now, when that is told.
    pub fn cross(&mut self, at_us: i64) -> Option<usize> {
        let since = at_us.saturating_sub(self.within_us);
        while self.at_us.front().is_some_and(|first| *first <= since) {
            self.at_us.pop_front();
        }
        self.at_us.push_back(at_us);
        let count = self.at_us.len();
        (count > self.most).then(|| {
            self.at_us.clear();
            count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(story: &str, told: &[usize]) {
        let mut streak = Streak::new(5);
        let said = story.chars().enumerate().filter(|(_, sign)| streak.happen(*sign == 'x'));
        let said: Vec<usize> = said.map(|(at, _)| at).collect();
        assert_eq!(said, told);
    }

    #[test]
    fn five_bad_ones_in_a_row_are_told() {
        check("xxxx.xxxx", &[]);
        check(".xxxxx.", &[5]);
        check("xxxxxxxxxx", &[4, 9]);
    }

    #[test]
    fn more_than_ten_within_an_hour_are_told_once() {
        const MINUTE: i64 = 60_000_000;
        let told = |gap: i64, count: i64| {
            let mut crossings = Crossings::new(10, 60 * MINUTE);
            (0..count).filter_map(|n| crossings.cross(n * gap)).collect::<Vec<_>>()
        };
        assert!(told(MINUTE, 10).is_empty());
        assert_eq!(told(MINUTE, 11), [11]);
        assert_eq!(told(MINUTE, 38), [11, 11, 11]);
        assert!(told(6 * MINUTE, 100).is_empty());
    }
}
