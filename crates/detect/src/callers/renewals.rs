//! Does a client renew its tokens in its usual rhythm?
//!
//! The logarithm of the time between two renewals is close to a normal distribution: a client that asks
//! every hour is late by minutes, one that asks every second by milliseconds.

use serde::{Deserialize, Serialize};

/// What a new interval weighs at least.
const WEIGHT: f64 = 0.05;
/// So many standard deviations are within the usual: one interval of two thousand is not.
const USUAL: f64 = 3.5;
/// and at the beginning more, by this share of an interval.
const YOUNG: f64 = 6.0;
/// Who renews now and then has no rhythm, and is never early: from this deviation of the logarithm on.
const RHYTHM: f64 = 0.35;
/// An interval that was already seen to be so far off is usual up to this factor.
const AGAIN: f64 = 1.1;
/// What each renewal leaves of the farthest before.
const FADE: f64 = 0.99;
/// A client is never taken to be more regular: a factor of a half around its mean.
const LEAST_SPREAD: f64 = 0.25;

/// The rhythm of one client of one person.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Renewals {
    last_us: Option<i64>,
    seen: u32,
    mean: f64,
    variance: f64,
    /// The farthest that an interval was off.
    record: f64,
}

/// How a renewal came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interval {
    /// As ever, or too little is known.
    Usual,
    /// Sooner than is usual.
    Early {
        /// Since the one before, in microseconds.
        after_us: i64,
        /// Usually it is so long at least.
        usual_us: f64,
    },
    /// Later than is usual.
    Late {
        /// Since the one before, in microseconds.
        after_us: i64,
        /// Usually it is so long at most.
        usual_us: f64,
    },
}

impl Renewals {
    /// The next renewal; nothing is said before `learning` intervals. What is unusual is learnt all the same, so that a new rhythm becomes usual.
    #[expect(clippy::cast_precision_loss, reason = "an interval")]
    pub fn renew(&mut self, at_us: i64, learning: u32) -> Interval {
        let Some(last_us) = self.last_us.replace(at_us) else { return Interval::Usual };
        let after_us = at_us.saturating_sub(last_us).max(1);
        let length = (after_us as f64).ln();
        let deviation = self.variance.sqrt();
        let young = 1.0 + YOUNG / f64::from(self.seen.max(1));
        let spread = deviation.max(LEAST_SPREAD) * USUAL * young;
        let spread = spread.max(self.record * AGAIN);
        let verdict = if self.seen < learning.max(1) {
            Interval::Usual
        } else if length < self.mean - spread && deviation < RHYTHM {
            Interval::Early { after_us, usual_us: (self.mean - spread).exp() }
        } else if length > self.mean + spread {
            Interval::Late { after_us, usual_us: (self.mean + spread).exp() }
        } else {
            Interval::Usual
        };
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / f64::from(self.seen)).max(WEIGHT);
        let off = length - self.mean;
        if self.seen >= learning {
            self.record = off.abs().max(self.record * FADE);
        }
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renewals at these milliseconds: how is the last one?
    #[track_caller]
    fn check(at_ms: &[i64], expected: &str) {
        let mut renewals = Renewals::default();
        let last = at_ms.iter().map(|at| renewals.renew(at * 1000, 5)).last();
        let said = match last {
            Some(Interval::Usual) | None => "usual",
            Some(Interval::Early { .. }) => "early",
            Some(Interval::Late { .. }) => "late",
        };
        assert_eq!(said, expected);
    }

    /// The case of WSO2's own test of abnormal renewals.
    #[test]
    fn a_client_that_was_away_for_a_minute_is_late() {
        let issued = [90, 190, 295, 385, 400, 502];
        check(&issued, "usual");
        check(&[&issued[..], &[652]].concat(), "usual");
        check(&[&issued[..], &[652, 55_550]].concat(), "late");
    }

    #[test]
    fn a_client_that_asks_at_once_again_is_early() {
        let hourly: Vec<i64> = (0..20).map(|hour| hour * 3_600_000).collect();
        check(&[&hourly[..], &[20 * 3_600_000]].concat(), "usual");
        check(&[&hourly[..], &[19 * 3_600_000 + 1000]].concat(), "early");
    }

    #[test]
    fn a_new_rhythm_becomes_usual() {
        let hourly = (0..20).map(|hour| hour * 3_600_000);
        let faster = (1..60).map(|minute| 20 * 3_600_000 + minute * 60_000);
        check(&hourly.chain(faster).collect::<Vec<_>>(), "usual");
    }
}
