//! What becomes of what is in hand when a window ends?
//!
//! Shortly before, units of the next one are asked for, and used from its beginning on: so nobody waits for
//! the first of them. Where none could be had they are asked for when the window has ended, without waiting for
//! a call.

use std::sync::atomic::Ordering;

use crate::coming::Portion;
use crate::reserve::{UNIT_BITS, UNITS};
use crate::terms::LEAST;
use crate::{Back, Granted, Reserve, Wanted};

/// Who has not called for so long needs nothing of the window that begins.
const QUIET_US: u64 = 1_000_000;
/// The label of a window that has come meanwhile is higher by less than this, though labels begin anew; one from long
/// ago is not.
const LATER: u64 = 1_024;

impl Reserve {
    /// When the window ends that calls go on in, or, where units of the next one are to be asked for first,
    /// when it is time to. None: there is none, or it has been looked after.
    pub fn turns_us(&self, now_us: u64) -> Option<u64> {
        let turns_us = self.stock.turns_us.load(Ordering::Relaxed);
        if turns_us == 0 || !self.stock.demand.is_going_on(now_us, QUIET_US) {
            return None;
        }
        let ahead_us = if self.is_next_asked(turns_us) { 0 } else { self.terms.ahead_us };
        Some(turns_us.saturating_sub(ahead_us))
    }

    /// Whether the window has ended and calls go on; said once.
    pub fn turned(&self, now_us: u64) -> bool {
        let turns_us = self.stock.turns_us.load(Ordering::Relaxed);
        turns_us > 0
            && now_us >= turns_us
            && self.stock.turns_us.swap(0, Ordering::Relaxed) == turns_us
            && self.stock.demand.is_going_on(now_us, QUIET_US)
    }

    /// What to ask for of the window that comes next, shortly before it begins; said once. Whoever gets an
    /// answer to this has to ask, and to say what came of it by [`granted`](Self::granted).
    pub fn asks_next(&self, now_us: u64) -> Option<Wanted> {
        let turns_us = self.stock.turns_us.load(Ordering::Relaxed);
        let from_us = turns_us.saturating_sub(self.terms.ahead_us);
        if !(from_us..turns_us).contains(&now_us)
            || self.is_next_asked(turns_us)
            || self.stock.next_for_us.swap(turns_us, Ordering::Relaxed) == turns_us
            || !self.stock.demand.is_going_on(now_us, QUIET_US)
        {
            return None;
        }
        // What calls need now is known: they have been asking.
        let units = self.stock.need.load(Ordering::Relaxed).clamp(LEAST, UNITS / 4);
        Some(Wanted { units, next: true, ..Wanted::default() })
    }

    /// Whether units of the window that follows have been asked for already. Of when it ends each answer says
    /// a little else.
    fn is_next_asked(&self, turns_us: u64) -> bool {
        turns_us.abs_diff(self.stock.next_for_us.load(Ordering::Relaxed)) <= self.terms.ahead_us
    }

    /// Takes in hand what was granted of the window that comes. What it displaces is to be put back.
    pub(crate) fn add_next(&self, asked_us: u64, now_us: u64, granted: &Granted) -> Option<Back> {
        let begins_us = now_us.saturating_add(granted.begins_us);
        let ends_us = asked_us.saturating_add(granted.ends_us);
        let Granted { units, place, .. } = *granted;
        if units == 0 {
            return None;
        }
        let displaced = self.stock.coming.put(Portion { units, place, begins_us, ends_us });
        displaced.map(Portion::back)
    }

    /// What was granted, and what is in hand besides of the same window, which has begun: the authority says so.
    pub(crate) fn with_next(&self, granted: Granted) -> Granted {
        let units = self.stock.coming.of(granted.place).map_or(0, |portion| portion.units);
        Granted { units: granted.units.saturating_add(units), ..granted }
    }

    /// Takes out what is in hand of the window that comes.
    pub(crate) fn all_next(&self) -> Option<Back> {
        self.stock.coming.all().map(Portion::back)
    }

    /// Goes on with the window that has begun, where the one in hand is over: whether there is something of it
    /// that may be used.
    pub(crate) fn turns(&self, now_us: u64) -> bool {
        let stock = &self.stock;
        let Some(begun) = stock.coming.begun(now_us).filter(|it| now_us < it.ends_us) else {
            return false;
        };
        let label = begun.place << UNIT_BITS;
        let next = stock.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            // What is in hand of a later window stays: this one is over.
            let later = (word & !UNITS).wrapping_sub(label) >> UNIT_BITS;
            let there = if later == 0 { word & UNITS } else { 0 };
            let is_later = word > 0 && (1..LATER).contains(&later);
            (!is_later).then(|| label | there.saturating_add(begun.units).min(UNITS))
        });
        if next.is_err() {
            return false;
        }
        stock.place.store(begun.place, Ordering::Release);
        stock.granted_us.store(begun.begins_us, Ordering::Release);
        // What is on the way takes as long as before.
        stock.low.fetch_max(begun.units / 2, Ordering::Relaxed);
        stock.is_scarce.store(false, Ordering::Relaxed);
        stock.turns_us.store(begun.ends_us, Ordering::Relaxed);
        // Last of all: from now on they may be used.
        stock.ends_us.store(begun.ends_us, Ordering::Release);
        true
    }
}

impl Portion {
    fn back(self) -> Back {
        Back { place: self.place, granted_us: self.begins_us, units: self.units }
    }
}
