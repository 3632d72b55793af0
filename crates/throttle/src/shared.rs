//! What does a gateway know of the limits that it shares with others?
//!
//! For each limit what it has in hand (lease, strict) or which part is its own (split), and what the
//! authority has said last. Whoever waits for an answer is woken by it; that takes a lock, which only
//! those who wait and those who answer meet at.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::reserve::Back;
use crate::{Granted, Limit, Measure, Meter, Reserve, Short, Subject};

/// Corrections that wait to be told; what is beyond stays counted as it was taken.
const MOST_CORRECTIONS: usize = 4096;
/// Nobody has said yet which part is this gateway's.
const UNTOLD: u64 = u64::MAX;

/// The shared side of a meter.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Subject,
    sides: Box<[Side]>,
    /// Calls since the last look, let in or not.
    demand: AtomicU64,
    /// Whether who divides the limits knows of this meter.
    is_known: AtomicBool,
    /// Answers so far, and those that were failures.
    answers: AtomicU64,
    failures: AtomicU64,
    /// The answers at the time when the stand-in let in the latest call.
    lent_at: AtomicU64,
    waiting: Mutex<VecDeque<Waker>>,
    /// Strict: what the authority has still to be told.
    corrections: Mutex<Vec<Correction>>,
    stand_in: OnceLock<Arc<Meter>>,
}

/// One limit's.
#[derive(Debug)]
struct Side {
    reserve: Reserve,
    /// Split: this gateway's part.
    part: AtomicU64,
    /// What was used beyond what was in hand, to be told.
    owed: AtomicU64,
    /// What the stand-in has let in, to be told when the authority is there again.
    lent: AtomicU64,
    /// What was left for others at the last answer, and until when that counts.
    left: AtomicU64,
    told_until_us: AtomicU64,
}

/// What to ask the authority for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Units to be used from now on; 0: only `owed` is told.
    pub units: u64,
    /// Units that were used already, beyond what was in hand: they count in any case.
    pub owed: u64,
}

/// What an authority that lets calls in one by one has to be told: something came to another number of
/// units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Of which of the meter's limits.
    pub index: usize,
    /// Where it was counted.
    pub place: u64,
    /// When, by the authority's clock.
    pub taken_us: u64,
    /// As how many units.
    pub units: u64,
    /// What it came to.
    pub actual: u64,
}

/// Which answer somebody waits beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    answers: u64,
    failures: u64,
}

impl Shared {
    pub(crate) fn new(name: Subject, limits: &[Limit]) -> Self {
        let side = |limit: &Limit| Side {
            reserve: Reserve::new(limit),
            part: AtomicU64::new(UNTOLD),
            owed: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            left: AtomicU64::new(limit.amount()),
            told_until_us: AtomicU64::new(0),
        };
        Self {
            name,
            sides: limits.iter().map(side).collect(),
            demand: AtomicU64::new(0),
            is_known: AtomicBool::new(false),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lent_at: AtomicU64::new(0),
            waiting: Mutex::default(),
            corrections: Mutex::default(),
            stand_in: OnceLock::new(),
        }
    }

    fn side(&self, index: usize) -> Option<&Side> {
        self.sides.get(index)
    }

    /// Takes units out of what is in hand; of what is not known yet (0) one has to be there.
    pub(crate) fn take(&self, index: usize, now_us: u64, units: u64) -> Result<(), Short> {
        let Some(side) = self.side(index) else { return Ok(()) };
        side.reserve.take(now_us, units.max(1))?;
        if units == 0 {
            side.reserve.give_back(now_us, 1);
        }
        Ok(())
    }

    /// For how long a limit is used up by what the authority has said just now; none: it has to be asked.
    pub(crate) fn used_up(&self, index: usize, now_us: u64) -> Option<u64> {
        self.side(index)?.reserve.used_up(now_us)
    }

    /// When the window ends of a limit that calls go on to ask for.
    pub(crate) fn turns_us(&self, index: usize, now_us: u64) -> Option<u64> {
        self.side(index)?.reserve.turns_us(now_us)
    }

    /// Whether that window has ended; said once.
    pub(crate) fn turned(&self, index: usize, now_us: u64) -> bool {
        self.side(index).is_some_and(|side| side.reserve.turned(now_us))
    }

    /// What was taken as `units` came to `actual`.
    pub(crate) fn settle(&self, index: usize, now_us: u64, units: u64, actual: u64) {
        let Some(side) = self.side(index) else { return };
        if actual < units {
            side.reserve.give_back(now_us, units - actual);
        } else if actual > units {
            // Nothing stays in hand while something is owed, or calls would go on passing.
            let more = actual - units;
            self.owe(index, more - side.reserve.pay(now_us, more));
        }
    }

    /// Counts what nobody was asked for.
    pub(crate) fn owe(&self, index: usize, units: u64) {
        if let Some(side) = self.side(index) {
            // Wrapping would take 2^64 units.
            side.owed.fetch_add(units, Ordering::AcqRel);
        }
    }

    pub(crate) fn asks(&self, index: usize, now_us: u64, needed: u64) -> Option<Wanted> {
        let side = self.side(index)?;
        let units = side.reserve.asks(now_us, needed)?;
        Some(Wanted { units, owed: side.owed.swap(0, Ordering::AcqRel) })
    }

    /// What is owed, if anything: told without asking for more.
    pub(crate) fn owes(&self, index: usize, now_us: u64) -> Option<Wanted> {
        let side = self.side(index)?;
        let owed = side.owed.swap(0, Ordering::AcqRel);
        let owed = owed.saturating_add(self.owes_lent(index, side, now_us));
        (owed > 0).then_some(Wanted { units: 0, owed })
    }

    /// The stand-in has let in a call.
    pub(crate) fn lend(&self, units: impl Iterator<Item = u64>) {
        for (side, units) in self.sides.iter().zip(units) {
            side.lent.fetch_add(units, Ordering::AcqRel);
        }
        self.lent_at.store(self.answers.load(Ordering::Acquire), Ordering::Release);
    }

    /// What the stand-in has let in, once the authority has answered since; of windows that are over
    /// nothing, so no more than what is used of the stand-in's own.
    fn owes_lent(&self, index: usize, side: &Side, now_us: u64) -> u64 {
        let heard = self.answers.load(Ordering::Acquire) != self.lent_at.load(Ordering::Acquire);
        if !heard || side.lent.load(Ordering::Acquire) == 0 {
            return 0;
        }
        let state = self.stand_in.get().and_then(|it| it.state(now_us).nth(index));
        let used = state.map_or(0, |it| it.limit.amount().saturating_sub(it.remaining));
        side.lent.swap(0, Ordering::AcqRel).min(used)
    }

    pub(crate) fn is_low(&self, index: usize, now_us: u64) -> bool {
        self.side(index).is_some_and(|side| side.reserve.is_low(now_us))
    }

    pub(crate) fn granted(
        &self,
        index: usize,
        asked_us: u64,
        now_us: u64,
        granted: Granted,
    ) -> Option<Back> {
        let side = self.side(index)?;
        side.left.store(granted.left, Ordering::Relaxed);
        let until = if granted.units == 0 { granted.again_us } else { granted.ends_us };
        side.told_until_us.store(asked_us.saturating_add(until), Ordering::Relaxed);
        let displaced = side.reserve.granted(asked_us, now_us, granted);
        self.answers.fetch_add(1, Ordering::AcqRel);
        self.wake();
        displaced
    }

    /// There was no answer: what was owed still is.
    pub(crate) fn failed(&self, index: usize, wanted: Wanted) {
        if let Some(side) = self.side(index) {
            side.owed.fetch_add(wanted.owed, Ordering::AcqRel);
            side.reserve.failed();
        }
        self.failures.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    pub(crate) fn back(&self, index: usize, now_us: u64, all: bool) -> Option<Back> {
        let reserve = &self.side(index)?.reserve;
        if all { reserve.all() } else { reserve.idle(now_us) }
    }

    /// How many units of a limit are left, as far as it is known here, and until when.
    pub(crate) fn state(&self, index: usize, limit: &Limit, now_us: u64) -> (u64, u64) {
        let Some(side) = self.side(index) else { return (limit.amount(), 0) };
        let until = side.told_until_us.load(Ordering::Relaxed).saturating_sub(now_us);
        let left = if until == 0 { limit.amount() } else { side.left.load(Ordering::Relaxed) };
        let remaining = left.saturating_add(side.reserve.ready(now_us)).min(limit.amount());
        match limit.measure {
            Measure::Rate(rate) => (remaining, rate.until_whole_us(remaining)),
            Measure::Quota(_) => (remaining, until),
        }
    }

    /// The authority says how full a limit is.
    pub(crate) fn told(&self, index: usize, remaining: u64, until_us: u64) {
        if let Some(side) = self.side(index) {
            side.left.store(remaining, Ordering::Relaxed);
            side.told_until_us.store(until_us, Ordering::Relaxed);
        }
    }

    pub(crate) fn correct(&self, correction: Correction) {
        if correction.units == correction.actual {
            return;
        }
        let mut corrections = self.to_tell();
        if corrections.len() < MOST_CORRECTIONS {
            corrections.push(correction);
        }
    }

    pub(crate) fn corrections(&self) -> Vec<Correction> {
        std::mem::take(&mut *self.to_tell())
    }

    fn to_tell(&self) -> MutexGuard<'_, Vec<Correction>> {
        self.corrections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reset(&self) {
        for side in &self.sides {
            // It was given away before: the authority forgets that, too.
            let _ = side.reserve.all();
            side.reserve.ask_again();
            side.owed.store(0, Ordering::Release);
            side.lent.store(0, Ordering::Release);
            side.told_until_us.store(0, Ordering::Relaxed);
        }
        self.to_tell().clear();
    }

    pub(crate) fn set_part(&self, index: usize, units: u64) {
        if let Some(side) = self.side(index) {
            side.part.store(units.min(UNTOLD - 1), Ordering::Release);
        }
    }

    /// This gateway's part of a limit; `None`: nobody has said.
    pub(crate) fn part(&self, index: usize) -> Option<u64> {
        let part = self.side(index)?.part.load(Ordering::Acquire);
        (part != UNTOLD).then_some(part)
    }

    /// Whether it is time to tell who divides the limits of this meter; said once.
    pub(crate) fn joins(&self) -> bool {
        // Read first: nearly always it is known, and nobody writes.
        !self.is_known.load(Ordering::Relaxed) && !self.is_known.swap(true, Ordering::AcqRel)
    }

    /// Nobody divides the limits any more: the next call tells of it again.
    pub(crate) fn leaves(&self) {
        self.sides.iter().for_each(|side| side.part.store(UNTOLD, Ordering::Release));
        self.is_known.store(false, Ordering::Release);
    }

    pub(crate) fn demanded(&self) {
        self.demand.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn demand(&self) -> u64 {
        self.demand.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn stand_in(&self, make: impl FnOnce() -> Meter) -> &Arc<Meter> {
        self.stand_in.get_or_init(|| Arc::new(make()))
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            answers: self.answers.load(Ordering::Acquire),
            failures: self.failures.load(Ordering::Acquire),
        }
    }

    /// Ready when there was an answer since `seen`, and whether it was one: `false` is a failure.
    pub(crate) fn poll_answer(&self, seen: Seen, cx: &Context<'_>) -> Poll<bool> {
        let ready = || {
            let now = self.seen();
            if now.answers != seen.answers {
                Poll::Ready(true)
            } else if now.failures != seen.failures {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        };
        if ready().is_pending() {
            let mut waiting = self.waiting();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push_back(cx.waker().clone());
            }
        }
        // An answer may have come before the waker stood there.
        ready()
    }

    /// Each looks for itself whether there is something for it.
    fn wake(&self) {
        let woken = std::mem::take(&mut *self.waiting());
        woken.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
