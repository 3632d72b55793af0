//! When may units be used that were given ahead of their times?
//!
//! Units of a pace that come one step after another: the last of a batch at a stated moment, those before it
//! a step earlier each. Two batches are told apart, the one that is being used and the one that was given
//! last; where a third comes, what is left of the first is taken as if it were the next before the second,
//! which is never too early. Each batch has the step of the pace that it was given by.

use std::sync::atomic::{AtomicU64, Ordering};

/// No unit waits longer than this for its time: what seems to was written by a clock that has been set back.
const MOST_WAIT_US: u64 = 2_000_000;

/// Units in hand whose times may be still to come.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    early: Batch,
    late: Batch,
}

#[derive(Debug, Default)]
struct Batch {
    units: AtomicU64,
    last_us: AtomicU64,
    /// Between two of them, in nanoseconds.
    step_ns: AtomicU64,
}

impl Batch {
    /// How many of them have to wait.
    fn pending(&self, now_us: u64) -> u64 {
        let wait_us = self.last_us.load(Ordering::Acquire).saturating_sub(now_us);
        if !(1..=MOST_WAIT_US).contains(&wait_us) {
            return 0;
        }
        let step_ns = self.step_ns.load(Ordering::Acquire).max(1);
        let steps = wait_us.saturating_mul(1_000).div_ceil(step_ns);
        steps.min(self.units.load(Ordering::Acquire))
    }

    /// When no more than `behind` of them wait any longer.
    fn due_us(&self, behind: u64) -> u64 {
        let earlier_us = behind.saturating_mul(self.step_ns.load(Ordering::Acquire)) / 1_000;
        self.last_us.load(Ordering::Acquire).saturating_sub(earlier_us)
    }
}

impl Planned {
    /// How many units have to wait for their time.
    pub(crate) fn pending(&self, now_us: u64) -> u64 {
        // What moves from the one to the other meanwhile is seen twice, and not never.
        let late = self.late.pending(now_us);
        late.saturating_add(self.early.pending(now_us))
    }

    /// When no more than `behind` units wait any longer.
    pub(crate) fn due_us(&self, now_us: u64, behind: u64) -> u64 {
        let late = self.late.pending(now_us);
        match behind.checked_sub(late) {
            Some(behind) => self.early.due_us(behind),
            None => self.late.due_us(behind),
        }
    }

    /// When the last of them may be used.
    pub(crate) fn last_us(&self) -> u64 {
        self.late.last_us.load(Ordering::Acquire).max(self.early.last_us.load(Ordering::Acquire))
    }

    /// So many more are given, the last of them to be used then, a step after the one before it. To be said
    /// before anybody may take them, and by one at a time.
    pub(crate) fn add(&self, now_us: u64, units: u64, last_us: u64, step_ns: u64) {
        if step_ns == 0 || last_us <= now_us {
            return;
        }
        // In this order, so that nobody who looks meanwhile sees too few of them wait. Of two steps the
        // shorter one makes more of them wait.
        let before_ns = self.late.step_ns.load(Ordering::Acquire);
        let joined_ns = match self.early.pending(now_us) {
            0 => before_ns,
            _ => self.early.step_ns.load(Ordering::Acquire).min(before_ns),
        };
        self.early.step_ns.fetch_min(joined_ns, Ordering::AcqRel);
        self.early.units.store(self.pending(now_us), Ordering::Release);
        self.early.last_us.store(self.late.last_us.load(Ordering::Acquire), Ordering::Release);
        self.early.step_ns.store(joined_ns, Ordering::Release);
        self.late.step_ns.fetch_min(step_ns, Ordering::AcqRel);
        self.late.units.store(units, Ordering::Release);
        self.late.last_us.store(last_us, Ordering::Release);
        self.late.step_ns.store(step_ns, Ordering::Release);
    }
}
