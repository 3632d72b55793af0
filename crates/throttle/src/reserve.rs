//! What does this gateway have in hand of a limit that many share?
//!
//! Units that the authority has given away. Calls take them without asking anybody; the next portion is
//! asked for before they are gone, so that it is there in time. Its size follows the calls, and what they do
//! not need goes back. Of a pace that is used up the units in hand have their times, and a call before the
//! next of them is refused at once. Time is the gateway's own and only differences of it count: clocks of
//! others do not matter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::demand::{Demand, scaled};
use crate::planned::Planned;
use crate::{Granted, Limit, Measure};

/// How long a portion shall last; of a window no more than a twentieth of it.
const LASTS_US: u64 = 50_000;
/// Who needs so many meanwhile asks while there is one left, however small the portions are.
const BUSY_NEED: u64 = 4;
/// The smallest portion that is wished for.
const LEAST: u64 = 1;
/// Of a quota that is used slowly a portion may last longer, so that not every call asks: for so long, or
/// for a fiftieth of its window,
const SLOW_LASTS_US: u64 = 1_000_000;
/// and so many units of it at most.
const SLOW_UNITS: u64 = 8;
/// What calls have not needed for so long goes back. Where little is left for others: for a fiftieth of the
/// window, and not less than this.
const IDLE_US: u64 = 500_000;
const LEAST_IDLE_US: u64 = 20_000;
/// One unit stays for a fifth of the window after a call, and no longer than this.
const MOST_LINGERS_US: u64 = 2_000_000;
/// Who has not called for so long needs nothing of the window that begins.
const QUIET_US: u64 = 1_000_000;
/// After so long an authority that had nothing is asked again: others may have put something back.
const RECHECK_US: u64 = 100_000;
/// Of a pace of fifty a second and more a call that comes so shortly after the last unit in hand does not wait
/// for the next one, which is under way: it is refused.
const SHORTLY_US: u64 = 50_000;
const SHORTLY_STEP_NS: u64 = 20_000_000;
/// Low bits of the word that are units; above them stands the number of the portion's window.
const UNIT_BITS: u32 = 48;
const UNITS: u64 = (1 << UNIT_BITS) - 1;

/// Units in hand. Shared by the workers of a gateway.
#[derive(Debug)]
pub struct Reserve {
    terms: Terms,
    /// Which window of the authority they are of (its low bits), and how many.
    word: AtomicU64,
    /// Until when they may be used.
    ends_us: AtomicU64,
    /// Those of them that may not be used yet.
    planned: Planned,
    /// Until when the authority is not asked again, because it has nothing;
    ask_from_us: AtomicU64,
    /// until when whoever finds nothing in hand is refused without asking,
    none_until_us: AtomicU64,
    /// and when to come again by what it said.
    again_us: AtomicU64,
    /// When they were granted, and where; to give some of them back.
    granted_us: AtomicU64,
    place: AtomicU64,
    /// Whether somebody is asking.
    asking: AtomicBool,
    demand: Demand,
    /// How many units calls need while a portion lasts.
    need: AtomicU64,
    /// With so few in hand more are asked for.
    low: AtomicU64,
    /// Whether little is left for others.
    is_scarce: AtomicBool,
    /// When the window ends; 0: somebody has looked after that already.
    turns_us: AtomicU64,
}

/// What follows from the limit.
#[derive(Clone, Copy, Debug)]
struct Terms {
    amount: u64,
    lasts_us: u64,
    slow_lasts_us: u64,
    idle_us: u64,
    lingers_us: u64,
    scarce_idle_us: u64,
}

/// Units that go back to the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// Where they were counted.
    pub place: u64,
    /// When they were asked for, by the gateway's clock.
    pub granted_us: u64,
    /// How many.
    pub units: u64,
}

/// There are not enough units in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// More may be had: ask, or wait for who asks.
    Ask,
    /// The limit is used up for so many microseconds.
    UsedUp {
        /// When to come again.
        retry_after_us: u64,
    },
}

impl Terms {
    /// And between two units of a pace, in nanoseconds; 0: it is a quota.
    fn of(limit: &Limit) -> (Self, u64) {
        let period_us = limit.period_us();
        let lasts_us = LASTS_US.min(period_us / 20).max(1);
        let (amount, idle_us) = (limit.amount(), IDLE_US);
        match limit.measure {
            // Units of a pace are not kept: what is used long after it was given comes on top of the pace. And
            // what goes back late is lost.
            Measure::Rate(rate) => {
                let (lingers_us, scarce_idle_us) = (MOST_LINGERS_US, IDLE_US);
                let slow_lasts_us = 0;
                let terms =
                    Self { amount, lasts_us, slow_lasts_us, idle_us, lingers_us, scarce_idle_us };
                (terms, rate.increment_ns())
            }
            Measure::Quota(_) => {
                let scarce_idle_us = (period_us / 50).clamp(LEAST_IDLE_US, IDLE_US);
                let lingers_us = (period_us / 5).clamp(IDLE_US, MOST_LINGERS_US);
                let slow_lasts_us = SLOW_LASTS_US.min(period_us / 50);
                let terms =
                    Self { amount, lasts_us, slow_lasts_us, idle_us, lingers_us, scarce_idle_us };
                (terms, 0)
            }
        }
    }
}

impl Reserve {
    /// Nothing is in hand of this limit.
    pub fn new(limit: &Limit) -> Self {
        let zero = || AtomicU64::new(0);
        let (terms, step_ns) = Terms::of(limit);
        Self {
            terms,
            word: zero(),
            ends_us: zero(),
            planned: Planned::new(step_ns),
            ask_from_us: zero(),
            none_until_us: zero(),
            again_us: zero(),
            granted_us: zero(),
            place: zero(),
            asking: AtomicBool::new(false),
            demand: Demand::default(),
            need: zero(),
            low: zero(),
            is_scarce: AtomicBool::new(false),
            turns_us: zero(),
        }
    }

    /// Takes units, if so many are in hand.
    pub fn take(&self, now_us: u64, units: u64) -> Result<(), Short> {
        self.demand.called(now_us, units);
        let mut word = self.word.load(Ordering::Acquire);
        while now_us < self.ends_us.load(Ordering::Acquire)
            && (word & UNITS).saturating_sub(self.planned.pending(now_us)) >= units
        {
            // A portion of another window has another number: no old unit is taken as a new one.
            let less = word - units;
            match self.word.compare_exchange_weak(word, less, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now_there) => word = now_there,
            }
        }
        let until = |then_us: u64| then_us.saturating_sub(now_us).max(1);
        if let Some(behind) = self.in_hand(now_us).checked_sub(units) {
            // They are there, and their time comes.
            let due_us = self.planned.due_us(now_us, behind);
            return Err(Short::UsedUp { retry_after_us: until(due_us) });
        }
        if now_us >= self.none_until_us.load(Ordering::Acquire) {
            return Err(Short::Ask);
        }
        let again_us = self.again_us.load(Ordering::Acquire);
        Err(Short::UsedUp { retry_after_us: until(again_us) })
    }

    /// Takes as many of `units` as are in hand: they were used already. How many.
    pub fn pay(&self, now_us: u64, units: u64) -> u64 {
        let mut word = self.word.load(Ordering::Acquire);
        while now_us < self.ends_us.load(Ordering::Acquire) {
            let paid = units.min(word & UNITS);
            let less = word - paid;
            match self.word.compare_exchange_weak(word, less, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.demand.called(now_us, units);
                    return paid;
                }
                Err(now_there) => word = now_there,
            }
        }
        0
    }

    /// How many units are in hand.
    pub fn in_hand(&self, now_us: u64) -> u64 {
        let good = now_us < self.ends_us.load(Ordering::Acquire);
        if good { self.word.load(Ordering::Acquire) & UNITS } else { 0 }
    }

    /// How many of them may be used now.
    pub fn ready(&self, now_us: u64) -> u64 {
        self.in_hand(now_us).saturating_sub(self.planned.pending(now_us))
    }

    /// For how long the limit is used up by what the authority has said just now.
    pub fn used_up(&self, now_us: u64) -> Option<u64> {
        let left_us = self.again_us.load(Ordering::Acquire).saturating_sub(now_us);
        let is_soon = self.planned.step_ns() > 0 && (1..=RECHECK_US).contains(&left_us);
        let is_said = is_soon || now_us < self.ask_from_us.load(Ordering::Acquire);
        is_said.then_some(left_us.max(1))
    }

    /// Whether more are to be asked for and nobody does.
    pub fn is_low(&self, now_us: u64) -> bool {
        self.in_hand(now_us) <= self.low.load(Ordering::Relaxed)
            && now_us >= self.ask_from_us.load(Ordering::Acquire)
            && !self.asking.load(Ordering::Relaxed)
            && self.demand.is_news()
    }

    /// Forgets that there was nothing to be had.
    pub fn ask_again(&self) {
        self.ask_from_us.store(0, Ordering::Release);
        self.none_until_us.store(0, Ordering::Release);
    }

    /// Puts back units of a call that did not happen, if they may still be used.
    pub fn give_back(&self, now_us: u64, units: u64) {
        if now_us < self.ends_us.load(Ordering::Acquire) {
            let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                ((word & UNITS).saturating_add(units) <= UNITS).then(|| word + units)
            });
        }
    }

    /// How many units to ask for, if it is time to and nobody does; `needed` is what a call that waits
    /// needs. Whoever gets a number has to ask, and to say what came of it by [`granted`](Self::granted)
    /// or [`failed`](Self::failed).
    pub fn asks(&self, now_us: u64, needed: u64) -> Option<u64> {
        let in_hand = self.in_hand(now_us);
        if in_hand > self.low.load(Ordering::Relaxed) && in_hand >= needed {
            return None;
        }
        // Nobody has called: nothing is needed.
        let still = needed == 0 && !self.demand.is_news();
        if still
            || now_us < self.ask_from_us.load(Ordering::Acquire)
            || self.asking.swap(true, Ordering::AcqRel)
        {
            return None;
        }
        let (called, in_us) = self.demand.pace(now_us);
        let need = scaled(called, self.terms.lasts_us, in_us);
        self.need.store(need, Ordering::Relaxed);
        let slow = scaled(called, self.terms.slow_lasts_us, in_us).min(SLOW_UNITS);
        Some(need.max(slow).max(LEAST).max(needed).min(UNITS / 4))
    }

    /// The answer to what was asked at `asked_us`. What it displaces is to be put back.
    pub fn granted(&self, asked_us: u64, now_us: u64, granted: Granted) -> Option<Back> {
        let displaced =
            if granted.units == 0 { None } else { self.add(asked_us, now_us, &granted) };
        let after = |span_us: u64| asked_us.saturating_add(span_us);
        let step_ns = self.planned.step_ns();
        let again_us = match granted {
            Granted { units: 0, again_us, .. } => after(again_us).max(now_us.saturating_add(1)),
            Granted { left: 0, .. } if step_ns > 0 => {
                self.planned.last_us().max(now_us).saturating_add(step_ns.div_ceil(1_000))
            }
            Granted { left: 0, ends_us, .. } => after(ends_us),
            Granted { .. } => 0,
        };
        self.again_us.store(again_us, Ordering::Release);
        // Of a pace there is something to be given long before the next unit's time.
        let share = if step_ns > 0 { 4 } else { 1 };
        let wait_us = (again_us.saturating_sub(now_us) / share).clamp(1, RECHECK_US);
        let recheck_us = now_us.saturating_add(wait_us);
        let ask_from_us = if granted.units == 0 { recheck_us } else { 0 };
        self.ask_from_us.store(ask_from_us, Ordering::Release);
        self.none_until_us.store(self.none_until(now_us, again_us), Ordering::Release);
        self.is_scarce.store(granted.left <= self.terms.amount / 4, Ordering::Relaxed);
        if step_ns == 0 && granted.ends_us > 0 {
            self.turns_us.store(after(granted.ends_us), Ordering::Relaxed);
        }
        // What is asked for comes in so long: so much is needed until then, and as much to be safe.
        let way_us = now_us.saturating_sub(asked_us).saturating_mul(2);
        let on_the_way = scaled(self.need.load(Ordering::Relaxed), way_us, self.terms.lasts_us);
        let one = u64::from(self.need.load(Ordering::Relaxed) >= BUSY_NEED);
        self.low.store((granted.units / 2).max(on_the_way).max(one), Ordering::Relaxed);
        self.asking.store(false, Ordering::Release);
        displaced
    }

    /// Until when who finds nothing in hand is refused without asking, where there is something again at
    /// `again_us`; 0: that is not known.
    fn none_until(&self, now_us: u64, again_us: u64) -> u64 {
        let is_quick = (1..=SHORTLY_STEP_NS).contains(&self.planned.step_ns());
        if again_us > 0 && is_quick {
            return again_us.max(now_us).saturating_add(SHORTLY_US);
        }
        again_us
    }

    /// Takes in hand what was granted.
    fn add(&self, asked_us: u64, now_us: u64, granted: &Granted) -> Option<Back> {
        // Before they are there, so that nobody uses them before their time.
        self.planned.add(now_us, granted.units, now_us.saturating_add(granted.last_us));

        let window = granted.place << UNIT_BITS;
        let mut word = self.word.load(Ordering::Acquire);
        let displaced = loop {
            let (old, same) = (word & UNITS, word & !UNITS == window);
            let in_hand = if same { old } else { 0 };
            let next = window | in_hand.saturating_add(granted.units).min(UNITS);
            match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break (!same && old > 0).then(|| self.back(old)),
                Err(now_there) => word = now_there,
            }
        };
        self.place.store(granted.place, Ordering::Release);
        self.granted_us.store(asked_us, Ordering::Release);
        self.ends_us.store(asked_us.saturating_add(granted.ends_us), Ordering::Release);
        displaced
    }

    /// There was no answer.
    pub fn failed(&self) {
        self.none_until_us.store(0, Ordering::Release);
        self.asking.store(false, Ordering::Release);
    }

    /// When the window ends that calls go on in; none: there is none, or it has been looked after.
    pub fn turns_us(&self, now_us: u64) -> Option<u64> {
        let turns_us = self.turns_us.load(Ordering::Relaxed);
        (turns_us > 0 && self.demand.is_going_on(now_us, QUIET_US)).then_some(turns_us)
    }

    /// Whether the window has ended and calls go on; said once.
    pub fn turned(&self, now_us: u64) -> bool {
        let turns_us = self.turns_us.load(Ordering::Relaxed);
        turns_us > 0
            && now_us >= turns_us
            && self.turns_us.swap(0, Ordering::Relaxed) == turns_us
            && self.demand.is_going_on(now_us, QUIET_US)
    }

    /// Takes out what calls of late would not use for a while, to be put back.
    pub fn idle(&self, now_us: u64) -> Option<Back> {
        let scarce = self.is_scarce.load(Ordering::Relaxed);
        let idle_us = if scarce { self.terms.scarce_idle_us } else { self.terms.idle_us };
        let of_late = self.demand.of_late(now_us, idle_us)?;
        // Who has just been given something asks for what it needs, and what waits for its time is waited for.
        let since_us = self.granted_us.load(Ordering::Acquire);
        let since_us = since_us.max(self.planned.last_us());
        if now_us.saturating_sub(since_us) < idle_us
            || now_us >= self.ends_us.load(Ordering::Acquire)
        {
            return None;
        }
        // The next call of those that go on finds one.
        let least = u64::from(self.demand.is_going_on(now_us, self.terms.lingers_us));
        self.out(of_late.saturating_mul(2).max(least))
    }

    /// Takes out everything, as `idle` does: at the end of the gateway.
    pub fn all(&self) -> Option<Back> {
        self.out(0)
    }

    /// Takes out all but so many.
    fn out(&self, keep: u64) -> Option<Back> {
        let back = self.back(0);
        let less = |word: u64| word - (word & UNITS).saturating_sub(keep);
        let word = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & UNITS > keep).then(|| less(word))
        });
        let word = word.ok().filter(|word| word & !UNITS == back.place << UNIT_BITS)?;
        Some(Back { units: word - less(word), ..back })
    }

    fn back(&self, units: u64) -> Back {
        Back {
            place: self.place.load(Ordering::Acquire),
            granted_us: self.granted_us.load(Ordering::Acquire),
            units,
        }
    }
}

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod tests;
