//! How long to wait before the next try?
//!
//! From 10 ms to 15 s, doubling, with full jitter above the first step, so that many clients that
//! lost the same server do not come back in the same moment.

use std::time::Duration;

use crate::random;

const FIRST: Duration = Duration::from_millis(10);
const LAST: Duration = Duration::from_secs(15);

/// The waiting times of one series of tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    step: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between(FIRST, LAST)
    }
}

impl Backoff {
    /// 10 ms to 15 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// Other bounds than the usual ones.
    pub const fn between(first: Duration, last: Duration) -> Self {
        Self { first, last, step: 0 }
    }

    /// The next waiting time: between half and the whole of a span that doubles from try to try.
    #[expect(clippy::should_implement_trait, reason = "a waiting time is no item of a collection")]
    pub fn next(&mut self) -> Duration {
        let span = self.first.saturating_mul(1 << self.step.min(30)).min(self.last);
        self.step = self.step.saturating_add(1);
        let half = span / 2;
        let jitter = random::below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX));
        half + Duration::from_micros(jitter)
    }

    /// A try succeeded: the next series starts from the beginning.
    pub const fn reset(&mut self) {
        self.step = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new();
        for step in 0..40 {
            let span = (FIRST * (1 << step.min(12))).min(LAST);
            let wait = backoff.next();
            assert!(wait >= span / 2 && wait <= span, "try {step} waits {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
