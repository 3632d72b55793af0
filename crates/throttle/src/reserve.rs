//! What does this gateway have in hand of a limit that many share?
//!
//! Units that the authority has given away. Calls take them without asking anybody; the next portion is
//! asked for before they are gone, so that it is there in time. Its size follows the calls, and what they do
//! not need goes back. Of a pace that is used up the units in hand have their times, and a call before the
//! next of them is refused at once. Time is the gateway's own and only differences of it count: clocks of
//! others do not matter.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::demand::scaled;
use crate::stock::Stock;
use crate::terms::{BUSY_NEED, LEAST, Terms};
use crate::{Granted, Limit, Wanted};

/// After so long an authority that had nothing is asked again: others may have put something back.
const RECHECK_US: u64 = 100_000;
/// Of a pace of fifty a second and more a call that comes so shortly after the last unit in hand does not wait
/// for the next one, which is under way: it is refused.
const SHORTLY_US: u64 = 50_000;
const SHORTLY_STEP_NS: u64 = 20_000_000;
/// Low bits of the word that are units; above them stands their label.
pub(crate) const UNIT_BITS: u32 = 48;
pub(crate) const UNITS: u64 = (1 << UNIT_BITS) - 1;

/// Units in hand. Shared by the workers of a gateway.
#[derive(Debug)]
pub struct Reserve {
    pub(crate) terms: Terms,
    /// Between two units of a pace, in nanoseconds; 0: it is a quota.
    step_ns: u64,
    pub(crate) stock: Arc<Stock>,
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

impl Reserve {
    /// Nothing is in hand of this limit.
    pub fn new(limit: &Limit) -> Self {
        Self::of(limit, Arc::default())
    }

    fn of(limit: &Limit, stock: Arc<Stock>) -> Self {
        let (terms, step_ns) = Terms::of(limit);
        Self { terms, step_ns, stock }
    }

    /// What is in hand of this one from now on, which comes in the place of the limit that `self` is of. A pace goes
    /// on with what is in hand, and so does whoever still goes by the one before. Units of a quota
    /// belong to its windows, and stay with them.
    #[must_use]
    pub fn succeeded_by(&self, limit: &Limit) -> Self {
        if self.is_pace() && limit.is_rate() {
            Self::of(limit, Arc::clone(&self.stock))
        } else {
            Self::new(limit)
        }
    }

    /// Takes units, if so many are in hand: their label.
    pub fn take(&self, now_us: u64, units: u64) -> Result<u64, Short> {
        self.stock.demand.called(now_us, units);
        // Where another window has begun that is in hand now.
        self.is_good(now_us);
        let mut word = self.stock.word.load(Ordering::Acquire);
        while now_us < self.stock.ends_us.load(Ordering::Acquire)
            && (word & UNITS).saturating_sub(self.stock.planned.pending(now_us)) >= units
        {
            // A portion of another window has another number: no old unit is taken as a new one.
            let less = word - units;
            match self.stock.word.compare_exchange_weak(
                word,
                less,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(word >> UNIT_BITS),
                Err(now_there) => word = now_there,
            }
        }
        if self.is_changed() {
            // What was said about the pace before does not count.
            return Err(Short::Ask);
        }
        let until = |then_us: u64| then_us.saturating_sub(now_us).max(1);
        if let Some(behind) = self.in_hand(now_us).checked_sub(units) {
            // They are there, and their time comes.
            let due_us = self.stock.planned.due_us(now_us, behind);
            return Err(Short::UsedUp { retry_after_us: until(due_us) });
        }
        if now_us >= self.stock.none_until_us.load(Ordering::Acquire) {
            return Err(Short::Ask);
        }
        let again_us = self.stock.again_us.load(Ordering::Acquire);
        Err(Short::UsedUp { retry_after_us: until(again_us) })
    }

    /// Takes as many of `units` as are in hand: they were used already. How many.
    pub fn pay(&self, now_us: u64, units: u64) -> u64 {
        self.is_good(now_us);
        let mut word = self.stock.word.load(Ordering::Acquire);
        while now_us < self.stock.ends_us.load(Ordering::Acquire) {
            let paid = units.min(word & UNITS);
            let less = word - paid;
            match self.stock.word.compare_exchange_weak(
                word,
                less,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    self.stock.demand.called(now_us, units);
                    return paid;
                }
                Err(now_there) => word = now_there,
            }
        }
        0
    }

    /// How many units are in hand.
    pub fn in_hand(&self, now_us: u64) -> u64 {
        if self.is_good(now_us) { self.stock.word.load(Ordering::Acquire) & UNITS } else { 0 }
    }

    /// Whether what is in hand may still be used, or that of the next window by now.
    fn is_good(&self, now_us: u64) -> bool {
        now_us < self.stock.ends_us.load(Ordering::Acquire) || self.turns(now_us)
    }

    /// How many of them may be used now.
    pub fn ready(&self, now_us: u64) -> u64 {
        self.in_hand(now_us).saturating_sub(self.stock.planned.pending(now_us))
    }

    /// For how long the limit is used up by what the authority has said just now.
    pub fn used_up(&self, now_us: u64) -> Option<u64> {
        let left_us = self.stock.again_us.load(Ordering::Acquire).saturating_sub(now_us);
        let is_soon = self.is_pace() && (1..=RECHECK_US).contains(&left_us);
        let is_said = is_soon || now_us < self.stock.ask_from_us.load(Ordering::Acquire);
        is_said.then_some(left_us.max(1))
    }

    /// Whether what is in hand is that of another pace.
    fn is_changed(&self) -> bool {
        self.is_pace() && self.stock.step_ns.load(Ordering::Relaxed) != self.step_ns
    }

    /// Whether more are to be asked for and nobody does.
    pub fn is_low(&self, now_us: u64) -> bool {
        let is_little = self.in_hand(now_us) <= self.stock.low.load(Ordering::Relaxed)
            && now_us >= self.stock.ask_from_us.load(Ordering::Acquire);
        (is_little || self.is_changed())
            && !self.stock.asking.load(Ordering::Relaxed)
            && self.stock.demand.is_news()
    }

    /// Forgets that there was nothing to be had.
    pub fn ask_again(&self) {
        self.stock.ask_from_us.store(0, Ordering::Release);
        self.stock.none_until_us.store(0, Ordering::Release);
    }

    /// Puts back units of a call that did not happen. Those of a window that is over are gone, and so are
    /// those of a pace that the authority has been told of as used meanwhile.
    pub fn give_back(&self, label: u64, units: u64) {
        let _ = self.stock.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let fits = (word & UNITS).saturating_add(units) <= UNITS;
            (word >> UNIT_BITS == label && fits).then(|| word + units)
        });
    }

    /// What to ask for, if it is time to and nobody does; `needed` is what a call that waits needs. Whoever
    /// gets an answer to this has to ask, and to say what came of it by [`granted`](Self::granted) or
    /// [`failed`](Self::failed).
    pub fn asks(&self, now_us: u64, needed: u64) -> Option<Wanted> {
        let in_hand = self.in_hand(now_us);
        let is_enough = in_hand > self.stock.low.load(Ordering::Relaxed) && in_hand >= needed;
        if is_enough && !self.is_changed() {
            return None;
        }
        // Nobody has called: nothing is needed.
        let still = needed == 0 && !self.stock.demand.is_news();
        if still
            || (now_us < self.stock.ask_from_us.load(Ordering::Acquire) && !self.is_changed())
            || self.stock.asking.swap(true, Ordering::AcqRel)
        {
            return None;
        }
        let (called, in_us) = self.stock.demand.pace(now_us);
        let need = scaled(called, self.terms.lasts_us, in_us);
        self.stock.need.store(need, Ordering::Relaxed);
        let slow = scaled(called, self.terms.slow_lasts_us, in_us).min(self.terms.slow_units);
        let units = need.max(slow).max(LEAST).max(needed).min(UNITS / 4);
        Some(Wanted { units, in_hand: self.report(now_us), ..Wanted::default() })
    }

    /// What the authority is told is in hand. From then on no more than that and what it gives is used: what is
    /// too old is gone, and what calls have taken does not come back.
    fn report(&self, now_us: u64) -> u64 {
        if !self.is_pace() {
            return 0;
        }
        let good = now_us < self.stock.ends_us.load(Ordering::Acquire);
        self.stock.step_ns.store(self.step_ns, Ordering::Relaxed);
        // Of a pace that is narrower now less was given: with all gateways no more than it has at once.
        let amount = self.terms.amount;
        let before = self.stock.amount.swap(amount, Ordering::AcqRel);
        let kept = |units: u64| if before > amount { scaled(units, amount, before) } else { units };
        let left = |word: u64| if good { kept(word & UNITS) } else { 0 };
        let relabelled =
            self.stock.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                Some((((word >> UNIT_BITS) + 1) << UNIT_BITS) | left(word))
            });
        relabelled.map_or(0, left)
    }

    const fn is_pace(&self) -> bool {
        self.step_ns > 0
    }

    /// The answer to what was asked at `asked_us`. What it displaces is to be put back.
    pub fn granted(&self, asked_us: u64, now_us: u64, granted: Granted) -> Option<Back> {
        if granted.begins_us > 0 {
            return self.add_next(asked_us, now_us, &granted);
        }
        let granted = if self.is_pace() { granted } else { self.with_next(granted) };
        let after = |span_us: u64| asked_us.saturating_add(span_us);
        if self.is_pace() && self.in_hand(now_us) == 0 {
            // An answer that came late does not bring back what has been over since it was asked for.
            self.out(0);
        }
        let displaced = if granted.units == 0 {
            None
        } else if !self.is_pace() && now_us >= after(granted.ends_us) {
            // Their window is over, and those of the next one may be in hand.
            Some(Back { place: granted.place, granted_us: asked_us, units: granted.units })
        } else {
            self.add(asked_us, now_us, &granted)
        };
        if self.is_pace() && granted.ends_us > 0 {
            // The authority knows of all that is in hand, and that this was asked last.
            self.stock.granted_us.store(asked_us, Ordering::Release);
            self.stock.ends_us.store(after(granted.ends_us), Ordering::Release);
        }
        let step_ns = self.step_ns;
        let again_us = match granted {
            Granted { units: 0, again_us, .. } => after(again_us).max(now_us.saturating_add(1)),
            Granted { left: 0, .. } if step_ns > 0 => {
                self.stock.planned.last_us().max(now_us).saturating_add(step_ns.div_ceil(1_000))
            }
            Granted { left: 0, ends_us, .. } => after(ends_us),
            Granted { .. } => 0,
        };
        self.stock.again_us.store(again_us, Ordering::Release);
        // Of a pace there is something to be given long before the next unit's time.
        let share = if step_ns > 0 { 4 } else { 1 };
        let wait_us = (again_us.saturating_sub(now_us) / share).clamp(1, RECHECK_US);
        let recheck_us = now_us.saturating_add(wait_us);
        let ask_from_us = if granted.units == 0 { recheck_us } else { 0 };
        self.stock.ask_from_us.store(ask_from_us, Ordering::Release);
        self.stock.none_until_us.store(self.none_until(now_us, again_us), Ordering::Release);
        self.stock.is_scarce.store(granted.left <= self.terms.amount / 4, Ordering::Relaxed);
        if step_ns == 0 && granted.ends_us > 0 {
            self.stock.turns_us.store(after(granted.ends_us), Ordering::Relaxed);
        }
        // What is asked for comes in so long: so much is needed until then, and as much to be safe.
        let way_us = now_us.saturating_sub(asked_us).saturating_mul(2);
        let on_the_way =
            scaled(self.stock.need.load(Ordering::Relaxed), way_us, self.terms.lasts_us);
        let one = u64::from(self.stock.need.load(Ordering::Relaxed) >= BUSY_NEED);
        self.stock.low.store((granted.units / 2).max(on_the_way).max(one), Ordering::Relaxed);
        self.stock.asking.store(false, Ordering::Release);
        displaced
    }

    /// Until when who finds nothing in hand is refused without asking, where there is something again at
    /// `again_us`; 0: that is not known.
    fn none_until(&self, now_us: u64, again_us: u64) -> u64 {
        let is_quick = (1..=SHORTLY_STEP_NS).contains(&self.step_ns);
        if again_us > 0 && is_quick {
            return again_us.max(now_us).saturating_add(SHORTLY_US);
        }
        again_us
    }

    /// Takes in hand what was granted.
    fn add(&self, asked_us: u64, now_us: u64, granted: &Granted) -> Option<Back> {
        // Before they are there, so that nobody uses them before their time.
        let last_us = now_us.saturating_add(granted.last_us);
        self.stock.planned.add(now_us, granted.units, last_us, self.step_ns);

        let mut word = self.stock.word.load(Ordering::Acquire);
        let displaced = loop {
            let old = word & UNITS;
            let label = if self.is_pace() { word & !UNITS } else { granted.place << UNIT_BITS };
            let same = word & !UNITS == label;
            let in_hand = if same { old } else { 0 };
            let next = label | in_hand.saturating_add(granted.units).min(UNITS);
            match self.stock.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => break (!same && old > 0).then(|| self.back(old)),
                Err(now_there) => word = now_there,
            }
        };
        self.stock.place.store(granted.place, Ordering::Release);
        self.stock.granted_us.store(asked_us, Ordering::Release);
        self.stock.ends_us.store(asked_us.saturating_add(granted.ends_us), Ordering::Release);
        displaced
    }

    /// There was no answer.
    pub fn failed(&self) {
        self.stock.none_until_us.store(0, Ordering::Release);
        self.stock.asking.store(false, Ordering::Release);
    }

    /// Takes out what calls of late would not use for a while, to be put back.
    pub fn idle(&self, now_us: u64) -> Option<Back> {
        let scarce = self.stock.is_scarce.load(Ordering::Relaxed);
        let idle_us = if scarce { self.terms.scarce_idle_us } else { self.terms.idle_us };
        let of_late = self.stock.demand.of_late(now_us, idle_us)?;
        // Who has just been given something asks for what it needs, and what waits for its time is waited for.
        let since_us = self.stock.granted_us.load(Ordering::Acquire);
        let since_us = since_us.max(self.stock.planned.last_us());
        if now_us.saturating_sub(since_us) < idle_us || !self.is_good(now_us) {
            return None;
        }
        // The next call of those that go on finds one.
        let least = u64::from(self.stock.demand.is_going_on(now_us, self.terms.lingers_us));
        self.out(of_late.saturating_mul(2).max(least))
    }

    /// Takes out everything, as `idle` does: at the end of the gateway.
    pub fn all(&self) -> impl Iterator<Item = Back> {
        self.out(0).into_iter().chain(self.all_next())
    }

    /// Takes out all but so many.
    fn out(&self, keep: u64) -> Option<Back> {
        let back = self.back(0);
        let less = |word: u64| word - (word & UNITS).saturating_sub(keep);
        let word = self.stock.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & UNITS > keep).then(|| less(word))
        });
        let is_of = |word: &u64| self.is_pace() || word & !UNITS == back.place << UNIT_BITS;
        let word = word.ok().filter(is_of)?;
        Some(Back { units: word - less(word), ..back })
    }

    fn back(&self, units: u64) -> Back {
        Back {
            place: self.stock.place.load(Ordering::Acquire),
            granted_us: self.stock.granted_us.load(Ordering::Acquire),
            units,
        }
    }
}

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod tests;
