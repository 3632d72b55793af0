//! How many calls were there in a minute, to the last one?
//!
//! Calls count in the minute in which they were made, however late they come: the minutes that were heard
//! of last are kept. So neither a gateway that tells what it kept nor one with a wrong clock hides what
//! others tell.

use serde::{Deserialize, Serialize};

/// Minutes that are counted at the same time.
const WINDOW: usize = 10;

/// Counts of minutes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Minutes(Vec<Count>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Count {
    minute: i64,
    calls: u64,
    told: bool,
}

impl Minutes {
    /// Counts calls of a minute. How many there are by now, once they are more than the limit.
    pub(super) fn add(&mut self, minute: i64, calls: u64, limit: f64) -> Option<u64> {
        let count = self.of(minute)?;
        count.calls = count.calls.saturating_add(calls);
        count.beyond(limit)
    }

    /// There were so many calls in a minute at least. The same answer as of [`Self::add`].
    pub(super) fn hold(&mut self, minute: i64, calls: u64, limit: f64) -> Option<u64> {
        let count = self.of(minute)?;
        count.calls = count.calls.max(calls);
        count.beyond(limit)
    }

    /// The count of a minute, which is the one that was heard of last now.
    fn of(&mut self, minute: i64) -> Option<&mut Count> {
        if self.0.last().is_none_or(|last| last.minute != minute) {
            let known = self.0.iter().position(|count| count.minute == minute);
            let count = match known {
                Some(at) => self.0.remove(at),
                None => Count { minute, calls: 0, told: false },
            };
            if self.0.len() >= WINDOW {
                self.0.remove(0);
            }
            self.0.push(count);
        }
        self.0.last_mut()
    }
}

impl Count {
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn beyond(&mut self, limit: f64) -> Option<u64> {
        if self.told || self.calls as f64 <= limit {
            return None;
        }
        self.told = true;
        Some(self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than 5 calls are too many. `calls` is `minute=calls …` in the order of arrival, `minute~calls`
    /// for what is known of before; the answer is what is told.
    #[track_caller]
    fn check(calls: &str, told: &str) {
        let mut minutes = Minutes::default();
        let mut said = Vec::new();
        for word in calls.split(' ') {
            let (minute, calls) = word.split_once(['=', '~']).unwrap();
            let numbers = (minute.parse().unwrap(), calls.parse().unwrap());
            let beyond = if word.contains('~') {
                minutes.hold(numbers.0, numbers.1, 5.0)
            } else {
                minutes.add(numbers.0, numbers.1, 5.0)
            };
            said.extend(beyond.map(|calls| format!("{minute}={calls}")));
            assert!(minutes.0.len() <= WINDOW);
        }
        assert_eq!(said.join(" "), told);
    }

    #[test]
    fn one_more_than_the_limit_is_told_and_only_one() {
        check("1=5", "");
        check("1=5 1=1 1=100", "1=6");
    }

    #[test]
    fn late_calls_count_in_their_own_minute() {
        check("1=4 10=4 1=2", "1=6");
        check("1=4 2=4", "");
    }

    #[test]
    fn a_clock_that_is_wrong_hides_nothing() {
        check("1=3 61=1 1=1 62=1 2=3 63=1 1=1 2=2 1=1", "1=6");
    }

    #[test]
    fn what_was_counted_before_is_counted_once() {
        check("1=3 1~4 1=1 1=1", "1=6");
        check("1~9 1=1 1~20", "1=9");
    }

    #[test]
    fn the_minute_that_was_heard_of_least_makes_room() {
        check("1=5 2=1 3=1 4=1 5=1 6=1 7=1 8=1 9=1 10=1 11=1 1=1", "");
        check("1=5 2=1 3=1 4=1 5=1 6=1 7=1 8=1 9=1 10=1 1=1", "1=6");
    }
}
