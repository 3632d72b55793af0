//! How many units of a limit do calls ask for?
//!
//! Counted for each call, whether it is let in or not, and looked at over the time since somebody looked
//! last: once for what is asked of the authority, once for what goes back to it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Over less time than this calls that came together by chance would look like many.
const LEAST_SPAN_US: u64 = 10_000;

/// What calls have asked for.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Units so far.
    called: AtomicU64,
    latest_us: AtomicU64,
    asked: Look,
    kept: Look,
}

/// When somebody looked, and how many units there had been.
#[derive(Debug, Default)]
struct Look {
    called: AtomicU64,
    at_us: AtomicU64,
}

impl Look {
    /// Units since the look before, and in which time.
    fn next(&self, called: u64, now_us: u64) -> (u64, u64) {
        let before = self.called.swap(called, Ordering::AcqRel);
        let span_us = now_us.saturating_sub(self.at_us.swap(now_us, Ordering::AcqRel));
        (called.wrapping_sub(before), span_us.max(LEAST_SPAN_US))
    }
}

impl Demand {
    /// A call asks for so many.
    pub(crate) fn called(&self, now_us: u64, units: u64) {
        self.called.fetch_add(units, Ordering::Relaxed);
        self.latest_us.store(now_us, Ordering::Relaxed);
    }

    /// Whether there was a call since somebody asked for units.
    pub(crate) fn is_news(&self) -> bool {
        self.called.load(Ordering::Relaxed) != self.asked.called.load(Ordering::Relaxed)
    }

    /// Whether there was a call within the latest `span_us`.
    pub(crate) fn is_going_on(&self, now_us: u64, span_us: u64) -> bool {
        now_us.saturating_sub(self.latest_us.load(Ordering::Relaxed)) < span_us
    }

    /// How many units they ask for, and in how many microseconds: since this was said last.
    pub(crate) fn pace(&self, now_us: u64) -> (u64, u64) {
        self.asked.next(self.called.load(Ordering::Relaxed), now_us)
    }

    /// As many as they asked for lately in `span_us`; `None`: so long ago somebody looked already.
    pub(crate) fn of_late(&self, now_us: u64, span_us: u64) -> Option<u64> {
        if now_us.saturating_sub(self.kept.at_us.load(Ordering::Relaxed)) < span_us {
            return None;
        }
        let (units, in_us) = self.kept.next(self.called.load(Ordering::Relaxed), now_us);
        Some(scaled(units, span_us, in_us))
    }
}

/// What `units` in `in_us` come to in `span_us`.
pub(crate) fn scaled(units: u64, span_us: u64, in_us: u64) -> u64 {
    let scaled = u128::from(units) * u128::from(span_us) / u128::from(in_us.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
