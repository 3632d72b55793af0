//! Are more of the calls of a minute bad than usually?
//!
//! The question is how unlikely it is that so many are, if each is bad with the usual chance: the bound of
//! Chernoff for the tail of a Poisson distribution, which is right for a few calls as for many.

use crate::span::MINUTE_US;
use serde::{Deserialize, Serialize};

/// No share is taken to be smaller, however good everything was.
const LEAST: f64 = 0.0005;
/// Calls that make the usual share.
const MEMORY: u64 = 2000;
/// What a minute weighs at most, once so many are known.
const MOST: f64 = 0.2;

/// The share of bad calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Share {
    usual: f64,
    seen: u64,
    minute: i64,
    calls: u32,
    bad: u32,
    told: bool,
}

/// More than usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excess {
    pub(super) bad: u32,
    pub(super) calls: u32,
    /// The usual share, 0 to 1.
    pub(super) usual: f64,
}

impl Share {
    /// The next call, or so many of one kind. Told once a minute, when so many bad ones have a chance below e^-`surprise`.
    pub(super) fn take(
        &mut self,
        at_us: i64,
        calls: u32,
        is_bad: bool,
        surprise: f64,
    ) -> Option<Excess> {
        self.turn(at_us.div_euclid(MINUTE_US));
        self.count(calls, is_bad);
        if !is_bad || self.told {
            return None;
        }
        let usual = (self.usual + self.doubt()).max(LEAST);
        let (bad, expected) = (f64::from(self.bad), f64::from(self.calls) * usual);
        let unlikely = bad > expected && bad * (bad / expected).ln() - bad + expected >= surprise;
        self.tell(unlikely)
    }

    /// The same by a share that is given, for minutes with `least` calls or more.
    pub(super) fn beyond(
        &mut self,
        at_us: i64,
        calls: u32,
        is_bad: bool,
        limit: f64,
        least: u64,
    ) -> Option<Excess> {
        self.turn(at_us.div_euclid(MINUTE_US));
        self.count(calls, is_bad);
        let enough = u64::from(self.calls) >= least;
        self.tell(enough && f64::from(self.bad) > limit * f64::from(self.calls))
    }

    /// A share that was learnt from few calls may be larger; one that is 0 is taken at its word.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn doubt(&self) -> f64 {
        if self.usual > 0.0 { 1.0 / self.seen.clamp(1, MEMORY) as f64 } else { 0.0 }
    }

    fn tell(&mut self, is_one: bool) -> Option<Excess> {
        if self.told || !is_one {
            return None;
        }
        self.told = true;
        Some(Excess { bad: self.bad, calls: self.calls, usual: self.usual })
    }

    fn count(&mut self, calls: u32, is_bad: bool) {
        self.calls = self.calls.saturating_add(calls);
        self.bad = self.bad.saturating_add(if is_bad { calls } else { 0 });
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn turn(&mut self, minute: i64) {
        if minute <= self.minute {
            return;
        }
        if self.calls > 0 {
            self.seen = self.seen.saturating_add(u64::from(self.calls));
            let weight = f64::from(self.calls) / self.seen.min(MEMORY) as f64;
            let weight = if self.seen < MEMORY { weight.min(1.0) } else { weight.min(MOST) };
            self.usual += weight * (f64::from(self.bad) / f64::from(self.calls) - self.usual);
        }
        (self.minute, self.calls, self.bad, self.told) = (minute, 0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of ten calls with so many bad ones each: which are told?
    #[track_caller]
    fn check(minutes: &[u32], told: &[usize]) {
        let mut share = Share::default();
        let mut said = Vec::new();
        for (number, bad) in minutes.iter().enumerate() {
            let at_us = i64::try_from(number + 1).unwrap() * MINUTE_US;
            let found = (0..10).filter_map(|call| share.take(at_us, 1, call < *bad, 14.0)).count();
            said.extend(std::iter::repeat_n(number, found));
        }
        assert_eq!(said, told);
    }

    #[test]
    fn a_burst_is_told_once_in_its_minute() {
        check(&[0, 0, 0, 9, 0], &[3]);
    }

    #[test]
    fn what_is_bad_now_and_then_is_not_told_for_being_so() {
        check(&[1, 0].repeat(100), &[]);
        check(&[2, 1].repeat(200), &[]);
    }

    #[test]
    fn a_share_that_is_given_asks_for_enough_calls() {
        let mut share = Share::default();
        let told = |share: &mut Share, calls| {
            (0..calls).filter_map(|_| share.beyond(MINUTE_US, 1, true, 0.5, 20)).count()
        };
        assert_eq!((told(&mut share, 19), told(&mut share, 30)), (0, 1));
    }
}
