//! How fast may calls come?
//!
//! The generic cell rate algorithm: one number, the theoretical arrival time (TAT) of the next
//! call if all came evenly. A call is admitted while the TAT is not too far ahead, and moves it by
//! one increment. `requests` may come at once; the room returns evenly over `per`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{LimitError, check};

/// A TAT further ahead than a full meter, and by more than this, was written by a clock that has
/// been set back since. A thread that was paused between reading the clock and asking is no such
/// clock, hence the minute.
const CLOCK_SET_BACK_NS: u64 = 60_000_000_000;

/// A pace: `requests` spread evenly over `per`, where up to `requests` may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    requests: u64,
    per_us: u64,
}

impl Rate {
    /// `requests` is at least 1; `per` is 1 ms to 400 days.
    pub fn new(requests: u64, per: Duration) -> Result<Self, LimitError> {
        Ok(Self { requests, per_us: check(requests, per)? })
    }

    /// Calls per period, and at once.
    pub const fn requests(self) -> u64 {
        self.requests
    }

    /// The period, in microseconds.
    pub const fn per_us(self) -> u64 {
        self.per_us
    }

    /// Nanoseconds per call, rounded up so that rounding never admits more.
    const fn increment_ns(self) -> u64 {
        self.per_us.saturating_mul(1_000).div_ceil(self.requests)
    }

    /// How far ahead the TAT is when nothing fits any more.
    const fn full_ns(self) -> u64 {
        self.increment_ns().saturating_mul(self.requests)
    }
}

/// A rate at work.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// In nanoseconds, so that rates of thousands per second are not rounded away.
    tat_ns: AtomicU64,
    /// The time of the latest admission, in nanoseconds. INVARIANT: raised before the TAT moves.
    latest_ns: AtomicU64,
}

impl Pace {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self { rate, tat_ns: AtomicU64::new(0), latest_ns: AtomicU64::new(0) }
    }

    pub(crate) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one call's room, or says in how many microseconds there will be some.
    pub(crate) fn take(&self, now_us: u64) -> Result<(), u64> {
        let now = now_us.saturating_mul(1_000);
        let (increment, full) = (self.rate.increment_ns(), self.rate.full_ns());
        let mut seen = self.tat_ns.load(Ordering::Acquire);
        loop {
            let tat = seen.max(now);
            let next = tat.saturating_add(increment);
            let over = (next - now).saturating_sub(full);
            if over > CLOCK_SET_BACK_NS.saturating_add(increment) {
                self.heal(seen, now, full);
                return Err(increment.div_ceil(1_000));
            }
            if over > 0 {
                return Err(over.div_ceil(1_000));
            }
            self.latest_ns.fetch_max(now, Ordering::AcqRel);
            match self.tat_ns.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(()),
                Err(now_there) => seen = now_there,
            }
        }
    }

    /// The clock was set back: the meter is as full as it can be, and not for as long as the
    /// clock was wrong.
    fn heal(&self, seen: u64, now: u64, full: u64) {
        let healed = now.saturating_add(full);
        // Losing the race means that somebody else healed it.
        let _ = self.tat_ns.compare_exchange(seen, healed, Ordering::AcqRel, Ordering::Acquire);
        self.latest_ns.store(now, Ordering::Release);
    }

    /// Gives back the room of a call that was admitted at `taken_us` and did not happen.
    ///
    /// Without that call the TAT would be one increment lower, less the time that the meter would
    /// have been idle. That time is at most what lies between that call and the latest admission,
    /// so giving back the increment less that time never admits more than the rate.
    pub(crate) fn give_back(&self, taken_us: u64) {
        let taken = taken_us.saturating_mul(1_000);
        let increment = self.rate.increment_ns();
        // A failed exchange means another admission or return: the latest time is read anew.
        let _ = self.tat_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tat| {
            let since = self.latest_ns.load(Ordering::Acquire).saturating_sub(taken);
            let room = increment.saturating_sub(since);
            (room > 0).then(|| tat.saturating_sub(room))
        });
    }

    /// Calls that fit now, and the microseconds until all `requests` fit.
    pub(crate) fn state(&self, now_us: u64) -> (u64, u64) {
        let now = now_us.saturating_mul(1_000);
        let ahead =
            self.tat_ns.load(Ordering::Acquire).saturating_sub(now).min(self.rate.full_ns());
        let remaining = (self.rate.full_ns() - ahead) / self.rate.increment_ns();
        (remaining, ahead.div_ceil(1_000))
    }

    /// The same use under another rate: as many calls are open as were at the latest admission.
    pub(crate) fn reconfigured(&self, rate: Rate) -> Self {
        let latest = self.latest_ns.load(Ordering::Acquire);
        let ahead = self.tat_ns.load(Ordering::Acquire).saturating_sub(latest);
        let scaled = u128::from(ahead) * u128::from(rate.increment_ns())
            / u128::from(self.rate.increment_ns());
        let ahead = u64::try_from(scaled).unwrap_or(u64::MAX).min(rate.full_ns());
        Self {
            rate,
            tat_ns: AtomicU64::new(latest.saturating_add(ahead)),
            latest_ns: AtomicU64::new(latest),
        }
    }
}
