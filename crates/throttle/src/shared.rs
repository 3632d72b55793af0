//! What does a gateway know of the limits that it shares with others?
//!
//! For each limit what it has in hand (lease, strict) or which part is its own (split), and what the
//! authority has said last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::answers::Answers;
use crate::reserve::Back;
use crate::{Asked, Granted, Limit, Measure, Meter, Reserve, Short, Subject};

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
    pub(crate) answers: Arc<Answers>,
    /// The answers at the time when the stand-in let in the latest call.
    lent_at: AtomicU64,
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
    /// Units of a pace that are in hand.
    pub in_hand: u64,
    /// Whether they are wanted of the window that comes next.
    pub next: bool,
}

impl Wanted {
    /// The question that gateway `who` asks, which shares the limit with `gateways`.
    pub const fn asked_by(self, who: u64, gateways: u64) -> Asked {
        let Self { units: wanted, in_hand, next, .. } = self;
        Asked { who, wanted, in_hand, gateways, ahead: true, next }
    }
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
            answers: Arc::default(),
            lent_at: AtomicU64::new(0),
            corrections: Mutex::default(),
            stand_in: OnceLock::new(),
        }
    }

    /// The same under `limits`, where it was `before` under `old` until now: of a pace that stands in the same place
    /// it goes on with what is in hand. Whoever waits there is woken by what is heard here.
    pub(crate) fn succeeding(mut self, limits: &[Limit], before: &Self, old: &[Limit]) -> Self {
        let places = limits.iter().zip(old).zip(before.sides.iter().zip(&mut self.sides));
        for ((limit, old), (before, side)) in places {
            if limit.unit == old.unit {
                side.reserve = before.reserve.succeeded_by(limit);
            }
        }
        self.answers = Arc::clone(&before.answers);
        self
    }

    fn side(&self, index: usize) -> Option<&Side> {
        self.sides.get(index)
    }

    /// Takes units out of what is in hand; of what is not known yet (0) one has to be there.
    /// The label that they had.
    pub(crate) fn take(&self, index: usize, now_us: u64, units: u64) -> Result<u64, Short> {
        let Some(side) = self.side(index) else { return Ok(0) };
        let label = side.reserve.take(now_us, units.max(1))?;
        if units == 0 {
            side.reserve.give_back(label, 1);
        }
        Ok(label)
    }

    /// For how long a limit is used up by what the authority has said just now; none: it has to be asked.
    pub(crate) fn used_up(&self, index: usize, now_us: u64) -> Option<u64> {
        self.side(index)?.reserve.used_up(now_us)
    }

    /// When the window ends of a limit that calls go on to ask for.
    pub(crate) fn turns_us(&self, index: usize, now_us: u64) -> Option<u64> {
        self.side(index)?.reserve.turns_us(now_us)
    }

    /// What to ask for because that window ends, or has ended; said once each.
    pub(crate) fn turned(&self, index: usize, now_us: u64) -> Option<Wanted> {
        let reserve = &self.side(index)?.reserve;
        reserve
            .asks_next(now_us)
            .or_else(|| reserve.turned(now_us).then(|| self.asks(index, now_us, 0)).flatten())
    }

    /// What was owed as `units` came to `actual`.
    pub(crate) fn settle_owed(&self, index: usize, units: u64, actual: u64) {
        self.owe(index, actual.saturating_sub(units));
        if let Some(side) = self.side(index) {
            let less = units.saturating_sub(actual);
            // What was told meanwhile stays told.
            let _ = side.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| {
                (less > 0).then(|| owed.saturating_sub(less))
            });
        }
    }

    /// What was taken as `units` under `label` came to `actual`.
    pub(crate) fn settle(&self, index: usize, now_us: u64, label: u64, units: u64, actual: u64) {
        let Some(side) = self.side(index) else { return };
        if actual < units {
            side.reserve.give_back(label, units - actual);
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
        let wanted = side.reserve.asks(now_us, needed)?;
        Some(Wanted { owed: side.owed.swap(0, Ordering::AcqRel), ..wanted })
    }

    /// What is owed, if anything: told without asking for more.
    pub(crate) fn owes(&self, index: usize, now_us: u64) -> Option<Wanted> {
        let side = self.side(index)?;
        let owed = side.owed.swap(0, Ordering::AcqRel);
        let owed = owed.saturating_add(self.owes_lent(index, side, now_us));
        (owed > 0).then_some(Wanted { owed, ..Wanted::default() })
    }

    /// The stand-in has let in a call.
    pub(crate) fn lend(&self, units: impl Iterator<Item = u64>) {
        for (side, units) in self.sides.iter().zip(units) {
            side.lent.fetch_add(units, Ordering::AcqRel);
        }
        self.lent_at.store(self.answers.heard(), Ordering::Release);
    }

    /// What the stand-in has let in, once the authority has answered since; of windows that are over
    /// nothing, so no more than what is used of the stand-in's own.
    fn owes_lent(&self, index: usize, side: &Side, now_us: u64) -> u64 {
        let heard = self.answers.heard() != self.lent_at.load(Ordering::Acquire);
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
        limit: &Limit,
        asked_us: u64,
        now_us: u64,
        granted: Granted,
    ) -> Option<Back> {
        let side = self.side(index)?;
        if granted.begins_us > 0 {
            // It says nothing of the window that calls are in.
            return side.reserve.granted(asked_us, now_us, granted);
        }
        side.left.store(granted.left, Ordering::Relaxed);
        let until = match limit.measure {
            _ if granted.units == 0 => granted.again_us,
            Measure::Rate(rate) => rate.until_whole_us(granted.left),
            Measure::Quota(_) => granted.ends_us,
        };
        side.told_until_us.store(asked_us.saturating_add(until), Ordering::Relaxed);
        let displaced = side.reserve.granted(asked_us, now_us, granted);
        self.answers.answered();
        displaced
    }

    /// There was no answer: what was owed still is.
    pub(crate) fn failed(&self, index: usize, wanted: Wanted) {
        if let Some(side) = self.side(index) {
            side.owed.fetch_add(wanted.owed, Ordering::AcqRel);
            if wanted.next {
                // Nobody waits for it.
                return;
            }
            side.reserve.failed();
        }
        self.answers.failed();
    }

    pub(crate) fn back(&self, index: usize, now_us: u64, all: bool) -> impl Iterator<Item = Back> {
        let reserve = self.side(index).map(|side| &side.reserve);
        let idle = reserve.filter(|_| !all).and_then(|reserve| reserve.idle(now_us));
        idle.into_iter().chain(reserve.filter(|_| all).into_iter().flat_map(Reserve::all))
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
            side.reserve.all().for_each(drop);
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
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
