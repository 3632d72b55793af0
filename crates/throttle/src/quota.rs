//! How many calls fit into a window?
//!
//! Fixed windows aligned to the Unix epoch. The number of the window and the count in it share one
//! atomic word, so a window that turns while threads count cannot lose or double a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{LimitError, check};

/// Windows have to be numbered until here: 2242, in microseconds.
const LAST_US: u64 = 1 << 53;

/// A window that starts further ahead was written by a clock that has been set back since.
const CLOCK_SET_BACK_US: u64 = 60_000_000;

/// A number of calls per fixed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    requests: u64,
    per_us: u64,
}

impl Quota {
    /// `requests` is at least 1; `per` is 1 ms to 400 days.
    pub fn new(requests: u64, per: Duration) -> Result<Self, LimitError> {
        Ok(Self { requests, per_us: check(requests, per)? })
    }

    /// Calls per window.
    pub const fn requests(self) -> u64 {
        self.requests
    }

    /// The window, in microseconds.
    pub const fn per_us(self) -> u64 {
        self.per_us
    }

    /// How many low bits of the word are the count. The window's number needs the fewer bits the
    /// longer the window is; what is left counts beyond any number of calls that fit into it.
    const fn count_bits(self) -> u32 {
        (LAST_US / self.per_us + 1).leading_zeros()
    }
}

/// A quota at work.
#[derive(Debug)]
pub(crate) struct Window {
    quota: Quota,
    word: AtomicU64,
}

#[derive(Clone, Copy)]
struct Count {
    window: u64,
    used: u64,
}

impl Window {
    pub(crate) const fn new(quota: Quota) -> Self {
        Self { quota, word: AtomicU64::new(0) }
    }

    pub(crate) const fn quota(&self) -> Quota {
        self.quota
    }

    const fn max_count(&self) -> u64 {
        (1 << self.quota.count_bits()) - 1
    }

    const fn unpack(&self, word: u64) -> Count {
        Count { window: word >> self.quota.count_bits(), used: word & self.max_count() }
    }

    const fn pack(&self, count: Count) -> u64 {
        (count.window << self.quota.count_bits()) | count.used
    }

    /// What counts at `now`. A thread whose time is a little old stays in the newer window; a
    /// clock that was set back by more than that starts afresh.
    fn at(&self, word: u64, now_us: u64) -> Count {
        let there = self.unpack(word);
        let window = now_us.min(LAST_US) / self.quota.per_us;
        let newest = now_us.saturating_add(CLOCK_SET_BACK_US).min(LAST_US) / self.quota.per_us;
        if (window..=newest.max(window + 1)).contains(&there.window) {
            there
        } else {
            Count { window, used: 0 }
        }
    }

    /// Takes one call's room, or says in how many microseconds the next window starts. With
    /// `beyond` the call is counted although the quota is used up, and the answer is `Ok(true)`.
    pub(crate) fn take(&self, now_us: u64, beyond: bool) -> Result<(u64, bool), u64> {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let count = self.at(word, now_us);
            let over = count.used >= self.quota.requests.min(self.max_count());
            if over && !beyond {
                return Err(self.until_next(count.window, now_us));
            }
            let used = (count.used + 1).min(self.max_count());
            let next = self.pack(Count { window: count.window, used });
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok((count.window, over)),
                Err(now_there) => word = now_there,
            }
        }
    }

    /// Gives back the room of a call that was counted in `window` and did not happen. Nothing to
    /// give when the window is over.
    pub(crate) fn give_back(&self, window: u64) {
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let count = self.unpack(word);
            (count.window == window && count.used > 0)
                .then(|| self.pack(Count { window, used: count.used - 1 }))
        });
    }

    /// Calls that still fit, and the microseconds until the window ends.
    pub(crate) fn state(&self, now_us: u64) -> (u64, u64) {
        let count = self.at(self.word.load(Ordering::Acquire), now_us);
        let remaining = self.quota.requests.saturating_sub(count.used);
        (remaining, self.until_next(count.window, now_us))
    }

    fn until_next(&self, window: u64, now_us: u64) -> u64 {
        ((window + 1) * self.quota.per_us).saturating_sub(now_us).max(1)
    }

    /// The same use under another quota: what was used in the window that was counted last counts
    /// in the new window that holds its start.
    pub(crate) fn reconfigured(&self, quota: Quota, latest_us: u64) -> Self {
        let count = self.at(self.word.load(Ordering::Acquire), latest_us);
        let next = Self::new(quota);
        let window = if quota.per_us == self.quota.per_us {
            count.window
        } else {
            latest_us.min(LAST_US) / quota.per_us
        };
        let used = count.used.min(next.max_count());
        next.word.store(next.pack(Count { window, used }), Ordering::Release);
        next
    }
}
