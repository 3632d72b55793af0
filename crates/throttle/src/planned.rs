//! When may units be used that were given ahead of their times?
//!
//! Units of a pace that come one step after another: the last of a batch at a stated moment, those before it
//! a step earlier each. Two batches are told apart, the one that is being used and the one that was given
//! last; where a third comes, what is left of the first is taken as if it were the next before the second,
//! which is never too early.

use std::sync::atomic::{AtomicU64, Ordering};

/// No unit waits longer than this for its time: what seems to was written by a clock that has been set back.
const MOST_WAIT_US: u64 = 2_000_000;

/// Units in hand whose times may be still to come.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Between two units, in nanoseconds; 0: none ever waits.
    step_ns: u64,
    early: Batch,
    late: Batch,
}

#[derive(Debug, Default)]
struct Batch {
    units: AtomicU64,
    last_us: AtomicU64,
}

impl Batch {
    /// How many of them have to wait.
    fn pending(&self, now_us: u64, step_ns: u64) -> u64 {
        let wait_us = self.last_us.load(Ordering::Acquire).saturating_sub(now_us);
        if !(1..=MOST_WAIT_US).contains(&wait_us) {
            return 0;
        }
        let steps = wait_us.saturating_mul(1_000).div_ceil(step_ns.max(1));
        steps.min(self.units.load(Ordering::Acquire))
    }

    /// When no more than `behind` of them wait any longer.
    fn due_us(&self, behind: u64, step_ns: u64) -> u64 {
        let earlier_us = behind.saturating_mul(step_ns) / 1_000;
        self.last_us.load(Ordering::Acquire).saturating_sub(earlier_us)
    }
}

impl Planned {
    pub(crate) fn new(step_ns: u64) -> Self {
        Self { step_ns, early: Batch::default(), late: Batch::default() }
    }

    /// Between two units, in nanoseconds.
    pub(crate) const fn step_ns(&self) -> u64 {
        self.step_ns
    }

    /// How many units have to wait for their time.
    pub(crate) fn pending(&self, now_us: u64) -> u64 {
        if self.step_ns == 0 {
            return 0;
        }
        // What moves from the one to the other meanwhile is seen twice, and not never.
        let late = self.late.pending(now_us, self.step_ns);
        late.saturating_add(self.early.pending(now_us, self.step_ns))
    }

    /// When no more than `behind` units wait any longer.
    pub(crate) fn due_us(&self, now_us: u64, behind: u64) -> u64 {
        let late = self.late.pending(now_us, self.step_ns);
        match behind.checked_sub(late) {
            Some(behind) => self.early.due_us(behind, self.step_ns),
            None => self.late.due_us(behind, self.step_ns),
        }
    }

    /// When the last of them may be used.
    pub(crate) fn last_us(&self) -> u64 {
        self.late.last_us.load(Ordering::Acquire).max(self.early.last_us.load(Ordering::Acquire))
    }

    /// So many more are given, the last of them to be used then. To be said before anybody may take them, and
    /// by one at a time.
    pub(crate) fn add(&self, now_us: u64, units: u64, last_us: u64) {
        if self.step_ns == 0 || last_us <= now_us {
            return;
        }
        // In this order, so that nobody who looks meanwhile sees too few of them wait.
        self.early.units.store(self.pending(now_us), Ordering::Release);
        self.early.last_us.store(self.late.last_us.load(Ordering::Acquire), Ordering::Release);
        self.late.units.store(units, Ordering::Release);
        self.late.last_us.store(last_us, Ordering::Release);
    }
}
