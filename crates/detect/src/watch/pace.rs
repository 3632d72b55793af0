//! Is it more than it ever was: a time that something takes, or a number of calls in a minute?

/// What a new value weighs at least.
const WEIGHT: f64 = 0.002;
/// A time is slow from so many standard deviations of its logarithm on,
const SIGMAS: f64 = 4.0;
/// and at least by this factor
const FACTOR: f64 = 1.2;
/// and so many microseconds.
const LEAST_US: f64 = 5000.0;
/// In a minute so many slow ones are told,
const SLOW: u32 = 2;
/// if they are one of so many at least.
const SHARE: u32 = 5;
/// Minutes before a number of calls is unusual.
const MINUTES: u32 = 3;
const MINUTE_US: i64 = 60_000_000;

/// A mean and a variance that follow slowly.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    seen: u64,
    mean: f64,
    variance: f64,
}

impl Usual {
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn learn(&mut self, value: f64, least_weight: f64) {
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / self.seen as f64).max(least_weight);
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

/// How long one operation takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    usual: Usual,
    minute: i64,
    calls: u32,
    slow: u32,
}

impl Times {
    /// The next call; the limit, when it is one of several in this minute that go beyond it.
    #[expect(clippy::cast_precision_loss, reason = "a time")]
    pub(super) fn take(&mut self, at_us: i64, took_us: u64, learning: u64) -> Option<f64> {
        let minute = at_us.div_euclid(MINUTE_US);
        if minute != self.minute {
            (self.minute, self.calls, self.slow) = (minute, 0, 0);
        }
        let took = (took_us as f64).max(1.0);
        let limit = (self.usual.mean + SIGMAS * self.usual.variance.sqrt()).exp();
        let middle = self.usual.mean.exp();
        let limit = limit.max(middle * FACTOR).max(middle + LEAST_US);
        let is_slow = self.usual.seen >= learning && took > limit;
        self.calls = self.calls.saturating_add(1);
        self.slow = self.slow.saturating_add(u32::from(is_slow));
        self.usual.learn(took.ln(), WEIGHT);
        let enough = self.slow >= SLOW && self.slow.saturating_mul(SHARE) >= self.calls;
        (is_slow && enough).then_some(limit)
    }
}

/// How often something is called in a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    usual: Usual,
    minute: i64,
    calls: u64,
    told: bool,
}

impl Counts {
    /// The next call; how many are usual at most, when there are more in this minute. Told once a minute.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    pub(super) fn take(&mut self, at_us: i64, fixed: Option<u64>) -> Option<(u64, f64)> {
        let minute = at_us.div_euclid(MINUTE_US);
        if minute > self.minute {
            // Minutes without a call say nothing: a client that is away is no client that is slow.
            if self.calls > 0 {
                self.usual.learn(self.calls as f64, 10.0 * WEIGHT);
            }
            (self.minute, self.calls, self.told) = (minute, 0, false);
        }
        self.calls = self.calls.saturating_add(1);
        // Counts spread at least as those of calls that know nothing of each other.
        let spread = (self.usual.variance + self.usual.mean).sqrt();
        let learnt = self.usual.seen >= u64::from(MINUTES);
        let limit = match fixed {
            Some(fixed) => fixed as f64,
            None if learnt => (self.usual.mean + 6.0 * spread).max(2.0 * self.usual.mean),
            None => return None,
        };
        if self.told || self.calls as f64 <= limit {
            return None;
        }
        self.told = true;
        Some((self.calls, limit))
    }
}
