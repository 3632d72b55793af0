//! How much fits into a window that ends at a stated moment?
//!
//! The number of the window and the count in it share one atomic word, so a window that turns while
//! threads count cannot lose or double anything.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::span::{Kind, LAST_US};
use crate::{Granted, LimitError, Span};

/// A window that starts further ahead was written by a clock that has been set back since.
const CLOCK_SET_BACK_US: u64 = 60_000_000;
/// Windows of these lengths are given away before they begin: in a shorter one an answer is too late, and in a
/// longer one it does not matter whether the first call waits.
const GIVEN_AHEAD_US: std::ops::Range<u64> = 50_000..60_000_000;
/// That early at most, and no earlier than a tenth of the window.
const MOST_AHEAD_US: u64 = 100_000;

/// An amount per stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    amount: u64,
    span: Span,
    /// How many low bits of a window's word are its count. Its number needs the fewer bits the longer
    /// the window is.
    bits: u32,
}

impl Quota {
    /// `amount` is at least 1, and at most what can be counted in such a stretch: 2^30 for a second,
    /// 2^47 for a day, 2^40 for a sixteenth of a rolling one.
    pub fn new(amount: u64, span: Span) -> Result<Self, LimitError> {
        if amount == 0 {
            return Err(LimitError::Nothing);
        }
        let bits = (span.number(LAST_US) + 1).leading_zeros();
        let quota = Self { amount, span, bits };
        if amount > quota.most() {
            return Err(LimitError::TooMuch);
        }
        Ok(quota)
    }

    /// Units per stretch.
    pub const fn amount(self) -> u64 {
        self.amount
    }

    /// The stretch.
    pub const fn span(self) -> Span {
        self.span
    }

    /// How long before a window begins units of it may be given away, in microseconds; 0: they are not.
    pub fn ahead_us(self) -> u64 {
        match self.span.kind() {
            Kind::Fixed { per_us } if GIVEN_AHEAD_US.contains(&per_us) => {
                (per_us / 10).min(MOST_AHEAD_US)
            }
            Kind::Fixed { .. } | Kind::Rolling { .. } | Kind::Calendar { .. } => 0,
        }
    }

    /// The same stretch with so many units; at least one, and no more than there were.
    pub(crate) fn of(self, amount: u64) -> Self {
        Self { amount: amount.clamp(1, self.amount), ..self }
    }

    /// The highest count.
    const fn most(self) -> u64 {
        match self.span.kind() {
            Kind::Rolling { .. } => crate::rolling::MOST,
            Kind::Fixed { .. } | Kind::Calendar { .. } => (1 << self.bits) - 1,
        }
    }
}

/// A quota at work whose windows follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a>(&'a AtomicU64);

#[derive(Clone, Copy)]
struct Count {
    window: u64,
    used: u64,
}

const fn unpack(word: u64, bits: u32) -> Count {
    Count { window: word >> bits, used: word & ((1 << bits) - 1) }
}

const fn pack(count: Count, bits: u32) -> u64 {
    (count.window << bits) | count.used
}

impl<'a> Window<'a> {
    pub(crate) const fn of(word: &'a AtomicU64) -> Self {
        Self(word)
    }

    /// What counts at `now`. A thread whose time is a little old stays in the newer window; a
    /// clock that was set back by more than that starts afresh.
    fn at(word: u64, quota: Quota, now_us: u64) -> Count {
        let there = unpack(word, quota.bits);
        let window = quota.span.number(now_us);
        let newest = || quota.span.number(now_us.saturating_add(CLOCK_SET_BACK_US)).max(window + 1);
        if there.window == window || (there.window > window && there.window <= newest()) {
            there
        } else {
            Count { window, used: 0 }
        }
    }

    /// Takes room for `units`, or says in how many microseconds the next window starts. What is not
    /// known yet (0) fits while one more would. With `beyond` they are counted although they do not
    /// fit, and the answer is `Ok(_, true)`.
    pub(crate) fn take(
        self,
        quota: Quota,
        now_us: u64,
        units: u64,
        beyond: bool,
    ) -> Result<(u64, bool), u64> {
        let bits = quota.bits;
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let count = Self::at(word, quota, now_us);
            let over = count.used.saturating_add(units.max(1)) > quota.amount;
            if over && !beyond {
                return Err(until(quota, count.window, now_us));
            }
            let used = count.used.saturating_add(units).min(quota.most());
            let next = pack(Count { window: count.window, used }, bits);
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok((count.window, over)),
                Err(now_there) => word = now_there,
            }
        }
    }

    /// Takes as many units as `share` says of what is left, and says when the window ends.
    pub(crate) fn grant(self, quota: Quota, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let count = Self::at(word, quota, now_us);
            let left = quota.amount.saturating_sub(count.used);
            let units = share(left).min(left);
            let next = pack(Count { window: count.window, used: count.used + units }, quota.bits);
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let ends_us = until(quota, count.window, now_us);
                    let again_us = if units == 0 { ends_us } else { 0 };
                    let (left, place) = (left - units, count.window);
                    return Granted { units, left, place, ends_us, again_us, ..Granted::NOTHING };
                }
                Err(now_there) => word = now_there,
            }
        }
    }

    /// What was taken as `units` in `window` came to `actual`. Nothing changes when the window is over.
    pub(crate) fn settle(self, quota: Quota, window: u64, units: u64, actual: u64) {
        if units == actual {
            return;
        }
        let bits = quota.bits;
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let count = unpack(word, bits);
            let used = count.used.saturating_sub(units).saturating_add(actual).min(quota.most());
            (count.window == window).then(|| pack(Count { window, used }, bits))
        });
    }

    /// Units that still fit, and the microseconds until the window ends.
    pub(crate) fn state(self, quota: Quota, now_us: u64) -> (u64, u64) {
        let count = Self::at(self.0.load(Ordering::Acquire), quota, now_us);
        (quota.amount.saturating_sub(count.used), until(quota, count.window, now_us))
    }

    /// As it is written down.
    pub(crate) fn word(self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// The number of the window and what was used in it, as `word` of a quota over the same stretch wrote
    /// it down.
    pub(crate) const fn read(word: u64, quota: Quota) -> (u64, u64) {
        let count = unpack(word, quota.bits);
        (count.window, count.used)
    }

    /// What `now` has used beyond `before`, in the form of `word`.
    pub(crate) const fn less(now: u64, before: u64, quota: Quota) -> u64 {
        let (now, before) = (unpack(now, quota.bits), unpack(before, quota.bits));
        let seen = if now.window == before.window { before.used } else { 0 };
        pack(Count { window: now.window, used: now.used.saturating_sub(seen) }, quota.bits)
    }

    /// Counts what was used elsewhere in a window; nothing changes where that is over already.
    pub(crate) fn add(self, quota: Quota, window: u64, used: u64) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let there = unpack(word, quota.bits);
            let before = if there.window == window { there.used } else { 0 };
            let used = before.saturating_add(used).min(quota.most());
            (there.window <= window).then(|| pack(Count { window, used }, quota.bits))
        });
    }

    /// Nothing is used any more.
    pub(crate) fn reset(self) {
        self.0.store(0, Ordering::Release);
    }

    /// What was used in the window that `now` lies in.
    pub(crate) fn used(self, quota: Quota, now_us: u64) -> u64 {
        Self::at(self.0.load(Ordering::Acquire), quota, now_us).used
    }
}

fn until(quota: Quota, window: u64, now_us: u64) -> u64 {
    quota.span.end_us(window).saturating_sub(now_us).max(1)
}
