//! What does this gateway have in hand of a limit that many share?
//!
//! Units that the authority has given away. Calls take them without asking anybody; half of them gone,
//! the next portion is asked for, so that it is there in time. The size of a portion follows the pace of
//! the calls. Time is the gateway's own and only differences of it count: clocks of others do not matter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Granted;

/// How long a portion shall last.
const LASTS_US: u64 = 50_000;
/// The smallest portion that is wished for.
const LEAST: u64 = 1;
/// Of a quota that is used slowly a portion may last longer, so that not every call asks: for so long,
const SLOW_LASTS_US: u64 = 1_000_000;
/// and so many units of it at most.
const SLOW_UNITS: u64 = 8;
/// What nobody has taken for so long goes back.
const IDLE_US: u64 = 500_000;
/// After so long an authority that had nothing is asked again: others may have put something back.
const RECHECK_US: u64 = 100_000;
/// Low bits of the word that are units; above them stands the number of the portion's window.
const UNIT_BITS: u32 = 48;
const UNITS: u64 = (1 << UNIT_BITS) - 1;

/// Units in hand. Shared by the workers of a gateway.
#[derive(Debug, Default)]
pub struct Reserve {
    /// Which window of the authority they are of (its low bits), and how many.
    word: AtomicU64,
    /// Until when they may be used.
    ends_us: AtomicU64,
    /// Until when the authority is not asked again, because it has nothing,
    empty_until_us: AtomicU64,
    /// and when it will have something by what it said.
    again_us: AtomicU64,
    /// When they were granted, and where; to give some of them back.
    granted_us: AtomicU64,
    place: AtomicU64,
    /// Whether somebody is asking.
    asking: AtomicBool,
    /// How many were taken since `since_us`, for the pace.
    taken: AtomicU64,
    since_us: AtomicU64,
    latest_us: AtomicU64,
    /// The size of the latest portion.
    portion: AtomicU64,
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
    /// Takes units, if so many are in hand.
    pub fn take(&self, now_us: u64, units: u64) -> Result<(), Short> {
        let mut word = self.word.load(Ordering::Acquire);
        while now_us < self.ends_us.load(Ordering::Acquire) && word & UNITS >= units {
            // A portion of another window has another number: no old unit is taken as a new one.
            let less = word - units;
            match self.word.compare_exchange_weak(word, less, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.taken.fetch_add(units, Ordering::Relaxed);
                    self.latest_us.store(now_us, Ordering::Relaxed);
                    return Ok(());
                }
                Err(now_there) => word = now_there,
            }
        }
        if now_us >= self.empty_until_us.load(Ordering::Acquire) {
            return Err(Short::Ask);
        }
        let again_us = self.again_us.load(Ordering::Acquire);
        Err(Short::UsedUp { retry_after_us: again_us.saturating_sub(now_us).max(1) })
    }

    /// Takes as many of `units` as are in hand: they were used already. How many.
    pub fn pay(&self, now_us: u64, units: u64) -> u64 {
        let mut word = self.word.load(Ordering::Acquire);
        while now_us < self.ends_us.load(Ordering::Acquire) {
            let paid = units.min(word & UNITS);
            let less = word - paid;
            match self.word.compare_exchange_weak(word, less, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.taken.fetch_add(units, Ordering::Relaxed);
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

    /// Whether half of the latest portion is gone and nobody asks for the next one.
    pub fn is_low(&self, now_us: u64) -> bool {
        self.in_hand(now_us) <= self.portion.load(Ordering::Relaxed) / 2
            && now_us >= self.empty_until_us.load(Ordering::Acquire)
            && !self.asking.load(Ordering::Relaxed)
    }

    /// Forgets that there was nothing to be had.
    pub fn ask_again(&self) {
        self.empty_until_us.store(0, Ordering::Release);
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
        let enough = self.portion.load(Ordering::Relaxed) / 2;
        if in_hand > enough && in_hand >= needed {
            return None;
        }
        // Nobody has called: nothing is needed.
        let still = needed == 0 && self.taken.load(Ordering::Relaxed) == 0;
        if still
            || now_us < self.empty_until_us.load(Ordering::Acquire)
            || self.asking.swap(true, Ordering::AcqRel)
        {
            return None;
        }
        let since_us = now_us.saturating_sub(self.since_us.swap(now_us, Ordering::AcqRel)).max(1);
        let taken = self.taken.swap(0, Ordering::AcqRel);
        let lasting = |lasts_us: u64| {
            let units = u128::from(taken) * u128::from(lasts_us) / u128::from(since_us);
            u64::try_from(units).unwrap_or(UNITS)
        };
        // Units of a pace are not kept: what is used long after it was given comes on top of the pace.
        let keeps = self.ends_us.load(Ordering::Acquire) != u64::MAX;
        let slow = if keeps { lasting(SLOW_LASTS_US).min(SLOW_UNITS) } else { 0 };
        let pace = lasting(LASTS_US).max(slow);
        // What was short grows quickly; what lies about shrinks.
        let portion = self.portion.load(Ordering::Relaxed);
        let grown = if in_hand == 0 && taken > 0 { portion.saturating_mul(2) } else { 0 };
        let wanted =
            pace.max(grown.min(pace.saturating_mul(4))).max(LEAST).max(needed).min(UNITS / 4);
        Some(wanted)
    }

    /// The answer to what was asked at `asked_us`. What it displaces is to be put back.
    pub fn granted(&self, asked_us: u64, now_us: u64, granted: Granted) -> Option<Back> {
        let mut displaced = None;
        let ends_us = asked_us.saturating_add(granted.ends_us);
        if granted.units == 0 {
            let again_us = asked_us.saturating_add(granted.again_us).max(now_us.saturating_add(1));
            self.again_us.store(again_us, Ordering::Release);
            let recheck_us = again_us.min(now_us.saturating_add(RECHECK_US));
            self.empty_until_us.store(recheck_us, Ordering::Release);
        } else {
            let window = granted.place << UNIT_BITS;
            let mut word = self.word.load(Ordering::Acquire);
            loop {
                let (old, same) = (word & UNITS, word & !UNITS == window);
                let in_hand = if same { old } else { 0 };
                let next = window | in_hand.saturating_add(granted.units).min(UNITS);
                match self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        displaced = (!same && old > 0).then(|| self.back(old));
                        break;
                    }
                    Err(now_there) => word = now_there,
                }
            }
            self.place.store(granted.place, Ordering::Release);
            self.granted_us.store(asked_us, Ordering::Release);
            self.ends_us.store(ends_us, Ordering::Release);
            self.empty_until_us.store(0, Ordering::Release);
        }
        self.portion.store(granted.units, Ordering::Relaxed);
        self.asking.store(false, Ordering::Release);
        displaced
    }

    /// There was no answer.
    pub fn failed(&self) {
        self.asking.store(false, Ordering::Release);
    }

    /// Takes out what nobody has used for a while, to be put back.
    pub fn idle(&self, now_us: u64) -> Option<Back> {
        let still = now_us.saturating_sub(self.latest_us.load(Ordering::Relaxed)) >= IDLE_US;
        if still && now_us < self.ends_us.load(Ordering::Acquire) { self.all() } else { None }
    }

    /// Takes out everything, as `idle` does: at the end of the gateway.
    pub fn all(&self) -> Option<Back> {
        let back = self.back(0);
        let word = self.word.fetch_and(!UNITS, Ordering::AcqRel);
        let units = if word & !UNITS == back.place << UNIT_BITS { word & UNITS } else { 0 };
        (units > 0).then_some(Back { units, ..back })
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
