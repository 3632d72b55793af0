//! Does an application call an API more often in a minute than allowed?
//!
//! Calls are counted in the minute in which they were made, however late they arrive, for as long
//! as that minute is in the window. The count goes over the threshold at most once, and after an
//! alert the same subject is left alone for a while.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Subject, Tally};

/// Minutes that are still counted; a call that arrives later is not looked at.
pub const WINDOW: i64 = 10;
/// Subjects and minutes that are counted at the same time. Above it the oldest minute goes; when
/// only one is left, further subjects of it are not looked at.
const MOST: usize = 65_536;

/// Counts calls.
#[derive(Debug)]
pub struct Rate {
    /// Calls in a minute that are not too many; 0: nothing is looked at.
    threshold: u64,
    /// Minutes after an alert without another for the same subject.
    quiet: i64,
    minutes: BTreeMap<i64, HashMap<Subject, u64>>,
    counted: usize,
    raised: HashMap<Subject, i64>,
}

/// Too many calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Whose, and of what.
    pub subject: Subject,
    /// In which minute since the Unix epoch.
    pub minute: i64,
    /// How many there were when it was noticed.
    pub calls: u64,
    /// How many are allowed.
    pub threshold: u64,
}

/// What came of some calls.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What is too much.
    pub excesses: Vec<Excess>,
    /// Calls that nobody looked at, because too many subjects were active.
    pub unwatched: u64,
}

impl Rate {
    /// Nothing counted yet.
    pub fn new(threshold: u64, quiet_minutes: i64) -> Self {
        Self {
            threshold,
            // An alert is never raised twice for the same minute.
            quiet: quiet_minutes.max(1),
            minutes: BTreeMap::new(),
            counted: 0,
            raised: HashMap::new(),
        }
    }

    /// An alert was raised for this minute, by an earlier life of this process.
    pub fn remember(&mut self, subject: Subject, minute: i64) {
        let last = self.raised.entry(subject).or_insert(minute);
        *last = minute.max(*last);
    }

    /// Counts calls and says what is too much now.
    pub fn observe(&mut self, tallies: &[Tally], now_minute: i64) -> Observed {
        let mut observed = Observed::default();
        if self.threshold == 0 {
            return observed;
        }
        self.forget(now_minute);
        for tally in tallies.iter().filter(|tally| tally.minute > now_minute - WINDOW) {
            match self.count(tally) {
                None => observed.unwatched += tally.calls,
                Some(calls) if calls > self.threshold && self.may_raise(tally) => {
                    self.raised.insert(tally.subject.clone(), tally.minute);
                    observed.excesses.push(Excess {
                        subject: tally.subject.clone(),
                        minute: tally.minute,
                        calls,
                        threshold: self.threshold,
                    });
                }
                Some(_) => {}
            }
        }
        observed
    }

    fn may_raise(&self, tally: &Tally) -> bool {
        let last = self.raised.get(&tally.subject);
        last.is_none_or(|last| (tally.minute - last).abs() >= self.quiet)
    }

    /// The calls of the tally's minute and subject so far; nothing if there is no room to count.
    fn count(&mut self, tally: &Tally) -> Option<u64> {
        let known = self.minutes.get(&tally.minute).is_some_and(|m| m.contains_key(&tally.subject));
        if !known {
            if self.counted >= MOST {
                let oldest = *self.minutes.first_key_value()?.0;
                if oldest >= tally.minute {
                    return None;
                }
                self.drop_minute(oldest);
            }
            self.counted += 1;
        }
        let calls = self.minutes.entry(tally.minute).or_default().entry(tally.subject.clone());
        let calls = calls.or_default();
        *calls += tally.calls;
        Some(*calls)
    }

    fn forget(&mut self, now_minute: i64) {
        while let Some((&oldest, _)) = self.minutes.first_key_value()
            && oldest <= now_minute - WINDOW
        {
            self.drop_minute(oldest);
        }
        let kept = now_minute - WINDOW - self.quiet;
        self.raised.retain(|_, minute| *minute > kept);
    }

    fn drop_minute(&mut self, minute: i64) {
        let gone = self.minutes.remove(&minute).map_or(0, |subjects| subjects.len());
        self.counted -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000;

    fn tally(word: &str) -> Tally {
        let (subject, rest) = word.split_once('@').unwrap();
        let (ago, calls) = rest.split_once('=').unwrap();
        let api = subject.to_owned();
        let subject = Subject { api, api_version: "1".into(), application: "shop".into() };
        let minute = NOW - ago.parse::<i64>().unwrap();
        Tally { minute, subject, calls: calls.parse().unwrap() }
    }

    /// More than 5 calls are too many and 3 minutes are quiet. `calls` is "api@minutes-ago=calls
    /// …" in the order of arrival; so are the alerts.
    #[track_caller]
    fn check(remembered: &str, calls: &str, alerts: &str) {
        let mut rate = Rate::new(5, 3);
        for earlier in remembered.split_whitespace().map(tally) {
            rate.remember(earlier.subject, earlier.minute);
        }
        let mut said = Vec::new();
        for tally in calls.split_whitespace().map(tally) {
            for excess in rate.observe(&[tally], NOW).excesses {
                said.push(format!(
                    "{}@{}={}",
                    excess.subject.api,
                    NOW - excess.minute,
                    excess.calls
                ));
            }
        }
        assert_eq!(said.join(" "), alerts);
    }

    #[test]
    fn as_many_as_allowed_are_no_alert() {
        check("", "a@0=5", "");
    }

    #[test]
    fn one_more_than_allowed_is_an_alert_and_only_one() {
        check("", "a@0=5 a@0=1 a@0=100", "a@0=6");
    }

    #[test]
    fn minutes_and_subjects_are_counted_apart() {
        check("", "a@0=4 a@1=4 b@0=4 b@1=4", "");
    }

    #[test]
    fn late_calls_count_in_their_own_minute() {
        check("", "a@9=4 a@0=4 a@9=2", "a@9=6");
    }

    #[test]
    fn calls_that_are_too_late_are_not_looked_at() {
        check("", "a@10=100", "");
    }

    #[test]
    fn a_subject_is_left_alone_after_an_alert() {
        check("", "a@5=6 a@3=6 b@3=6 a@2=6", "a@5=6 b@3=6 a@2=6");
    }

    #[test]
    fn an_alert_of_an_earlier_life_counts_too() {
        check("a@1=0", "a@1=50 a@0=50 b@0=50", "b@0=50");
    }

    #[test]
    fn without_a_threshold_nothing_is_raised() {
        assert_eq!(Rate::new(0, 3).observe(&[tally("a@0=999999")], NOW), Observed::default());
    }

    #[test]
    fn too_many_subjects_push_the_oldest_minute_out_and_are_then_not_watched() {
        let mut rate = Rate::new(5, 3);
        let many: Vec<Tally> = (0..MOST).map(|n| tally(&format!("a{n}@0=1"))).collect();
        assert_eq!(rate.observe(&[tally("old@5=1")], NOW).unwatched, 0);
        assert_eq!(rate.observe(&many, NOW).unwatched, 0);
        assert_eq!(rate.observe(&[tally("b@0=7")], NOW).unwatched, 7);
        assert_eq!((rate.counted, rate.minutes.len()), (MOST, 1));
    }
}
