//! Does it take longer than it did?
//!
//! Times are judged by their logarithm. Two things are told: a minute in which more calls than usual are
//! far beyond everything, and a mean that has moved for good.

use serde::{Deserialize, Serialize};

use super::share::Share;
use super::usual::Usual;

/// What a new call weighs at least in what is usual,
const WEIGHT: f64 = 0.002;
/// and in what was of late.
const LATE: f64 = 1.0 / 60.0;
/// A call is slow from so many standard deviations on,
const SIGMAS: f64 = 4.0;
/// and at least by this factor
const FACTOR: f64 = 1.2;
/// and so many microseconds.
const LEAST_US: f64 = 5000.0;
/// No rounding of a logarithm is larger.
const NEARLY: f64 = 1e-9;
/// How unlikely a minute has to be, as an exponent.
const SURPRISE: f64 = 12.0;
/// The mean has moved from this factor on,
const MOVED: f64 = 1.5;
/// and by so many of its own standard deviations (of one call: the share that is left of late).
const MOVED_SIGMAS: f64 = 0.75;
/// Calls before anything is said of the mean.
const SETTLED: u64 = 300;

/// How long one thing takes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Times {
    usual: Usual,
    late: f64,
    slow: Share,
}

/// It takes longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slow {
    /// What it usually does not reach, in microseconds.
    pub(super) limit_us: f64,
    /// Slow calls of this minute, and all; none: the mean has moved.
    pub(super) of: Option<(u32, u32)>,
}

impl Times {
    /// The next call. `sensitivity` 2 tells what is half as far from the usual.
    #[expect(clippy::cast_precision_loss, reason = "a time")]
    pub(super) fn take(
        &mut self,
        at_us: i64,
        took_us: u64,
        learning: u64,
        sensitivity: f64,
    ) -> Option<Slow> {
        let took = (took_us as f64).max(1.0);
        let (length, sigma) = (took.ln(), self.usual.deviation());
        let far = self.usual.mean + SIGMAS / sensitivity * sigma;
        let learnt = self.usual.seen >= learning;
        // Mostly the logarithm alone says that it is not slow.
        let limit_us = (learnt && length > far - NEARLY).then(|| self.limit_us(far));
        let is_slow = limit_us.is_some_and(|limit_us| took > limit_us);
        // A time is a sample, for however many calls it stands.
        let slow = self.slow.take(at_us, 1, is_slow, SURPRISE / sensitivity);
        let moved = learnt && self.has_moved(sigma, sensitivity);
        let moved_us = moved.then(|| self.middle_us() * MOVED);
        self.learn(length, sigma);
        if let (Some(slow), Some(limit_us)) = (slow, limit_us) {
            return Some(Slow { limit_us, of: Some((slow.bad, slow.calls)) });
        }
        let limit_us = moved_us?;
        // What is so now is usual from now on, and told once.
        self.usual.mean = self.late;
        Some(Slow { limit_us, of: None })
    }

    fn middle_us(&self) -> f64 {
        self.usual.mean.exp()
    }

    /// What is slow from `far` on, as a logarithm, has to be longer than the usual by something, too.
    fn limit_us(&self, far: f64) -> f64 {
        let middle_us = self.middle_us();
        far.exp().max(middle_us * FACTOR).max(middle_us + LEAST_US)
    }

    fn has_moved(&self, sigma: f64, sensitivity: f64) -> bool {
        let by = self.late - self.usual.mean;
        self.usual.seen >= SETTLED
            && by > MOVED.ln()
            && by > MOVED_SIGMAS / sensitivity * sigma
            && self.middle_us() * (by.exp() - 1.0) > LEAST_US
    }

    fn learn(&mut self, length: f64, sigma: f64) {
        // One value that is far off must not make all others usual.
        let far = 6.0 * sigma + 0.5;
        let (low, high) = (self.usual.mean - far, self.usual.mean + far);
        let length = if self.usual.seen < 20 { length } else { length.clamp(low, high) };
        self.late =
            if self.usual.seen == 0 { length } else { self.late + LATE * (length - self.late) };
        self.usual.learn(length, WEIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call each five seconds, so many with so many milliseconds each; in which parts was it told?
    #[track_caller]
    fn check(parts: &[(usize, u64)], told: &[usize]) {
        let mut times = Times::default();
        let mut at_us = 0;
        let mut said = Vec::new();
        for (number, (calls, ms)) in parts.iter().enumerate() {
            for call in 0..*calls {
                at_us += 5_000_000;
                // It spreads by a tenth to both sides.
                let took_us = ms * (900 + 100 * (call as u64 % 3));
                if times.take(at_us, took_us, 20, 1.0).is_some() && said.last() != Some(&number) {
                    said.push(number);
                }
            }
        }
        assert_eq!(said, told);
    }

    #[test]
    fn a_slow_backend_is_told_at_once() {
        check(&[(1000, 100), (10, 400)], &[1]);
    }

    #[test]
    fn a_single_slow_call_is_not_told() {
        check(&[(1000, 100), (1, 9000), (1000, 100)], &[]);
    }

    #[test]
    fn who_takes_twice_as_long_for_good_is_told_and_then_left_alone() {
        check(&[(1000, 100), (200, 200), (1000, 200)], &[1]);
    }

    #[test]
    fn a_little_slower_is_nothing() {
        check(&[(1000, 100), (1000, 110)], &[]);
    }
}
