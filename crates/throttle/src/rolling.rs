//! How much fits into the stretch before each moment?
//!
//! Sixteen slots of a sixteenth each, and one for the sixteenth that has begun: what lies in a slot
//! counts until all of the slot is too old, so never more is admitted in any stretch than the quota says.
//! Whoever takes adds first and looks then: of two that ask at once, at least one sees the other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Granted, Quota};

/// Slots: the sixteenths that a stretch touches.
const PLACES: usize = 17;
const SLOTS: u64 = PLACES as u64;
/// Low bits of a slot's word that are its count; above them stand the low bits of its number.
const COUNT_BITS: u32 = 40;
/// The highest count of a slot.
pub(crate) const MOST: u64 = (1 << COUNT_BITS) - 1;
const NUMBERS: u64 = (1 << (64 - COUNT_BITS)) - 1;

/// A rolling quota at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring<'a>(&'a [AtomicU64; PLACES]);

/// What the slots say.
struct Seen {
    used: u64,
    /// Numbers of the slots that count, with what they hold.
    slots: [(u64, u64); PLACES],
}

impl<'a> Ring<'a> {
    pub(crate) const WORDS: usize = PLACES;

    pub(crate) const fn of(words: &'a [AtomicU64; PLACES]) -> Self {
        Self(words)
    }

    fn slot(self, number: u64) -> Option<&'a AtomicU64> {
        self.0.get(usize::try_from(number % SLOTS).ok()?)
    }

    /// Adds to a slot what is counted under `number`; what it holds of an older one is forgotten. The
    /// answer is what the slot holds now.
    fn add(self, number: u64, units: u64) -> u64 {
        let Some(slot) = self.slot(number) else { return MOST };
        let mut word = slot.load(Ordering::SeqCst);
        loop {
            let held = if word >> COUNT_BITS == number & NUMBERS { word & MOST } else { 0 };
            let count = held.saturating_add(units).min(MOST);
            let next = ((number & NUMBERS) << COUNT_BITS) | count;
            match slot.compare_exchange_weak(word, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return count,
                Err(now_there) => word = now_there,
            }
        }
    }

    /// What counts at the slot of `number`. Slots that are ahead count, too: another thread has read
    /// the clock later.
    fn seen(self, number: u64) -> Seen {
        let mut seen = Seen { used: 0, slots: [(0, 0); PLACES] };
        for (slot, shown) in self.0.iter().zip(&mut seen.slots) {
            let word = slot.load(Ordering::SeqCst);
            let (named, count) = (word >> COUNT_BITS, word & MOST);
            let age = (number & NUMBERS).wrapping_sub(named) & NUMBERS;
            let ahead = named.wrapping_sub(number & NUMBERS) & NUMBERS;
            if count > 0 && age < SLOTS {
                *shown = (number.saturating_sub(age), count);
                seen.used = seen.used.saturating_add(count);
            } else if count > 0 && ahead < SLOTS {
                *shown = (number.saturating_add(ahead), count);
                seen.used = seen.used.saturating_add(count);
            }
        }
        seen
    }

    /// As a window takes.
    pub(crate) fn take(
        self,
        quota: Quota,
        now_us: u64,
        units: u64,
        beyond: bool,
    ) -> Result<(u64, bool), u64> {
        let number = quota.span().number(now_us);
        let own = self.add(number, units);
        let mut seen = self.seen(number);
        // What others added to the same slot since comes after this one.
        let later = seen.slots.iter().find(|(slot, _)| *slot == number);
        let later = later.map_or(0, |(_, count)| count.saturating_sub(own));
        seen.used = seen.used.saturating_sub(later);
        let needed = seen.used.saturating_add(u64::from(units == 0));
        let over = needed > quota.amount();
        if over && !beyond {
            self.settle(number, units, 0);
            return Err(Self::until(quota, &seen, needed - quota.amount(), now_us));
        }
        Ok((number, over))
    }

    /// As a window grants. What is granted counts from now on, whenever it is used: it has to be used
    /// within a sixteenth.
    pub(crate) fn grant(self, quota: Quota, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        let number = quota.span().number(now_us);
        let ends_us = quota.span().end_us(number).saturating_sub(now_us).max(1);
        let seen = self.seen(number);
        let left = quota.amount().saturating_sub(seen.used);
        let units = share(left).min(left);
        let none =
            |again_us| Granted { left, place: number, ends_us, again_us, ..Granted::NOTHING };
        if units == 0 {
            // What is charged at this place has to find its slot.
            self.add(number, 0);
            return none(Self::until(quota, &seen, 1, now_us));
        }
        match self.take(quota, now_us, units, false) {
            Ok((place, _)) => Granted { units, left: left - units, place, ..none(0) },
            // Somebody else took of it in between.
            Err(again_us) => none(again_us),
        }
    }

    /// As a window settles.
    pub(crate) fn settle(self, number: u64, units: u64, actual: u64) {
        let Some(slot) = self.slot(number) else { return };
        let _ = slot.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            let count = (word & MOST).saturating_sub(units).saturating_add(actual).min(MOST);
            (word >> COUNT_BITS == number & NUMBERS).then_some((word & !MOST) | count)
        });
    }

    /// When `units` of what counts are too old, in microseconds from now.
    fn until(quota: Quota, seen: &Seen, units: u64, now_us: u64) -> u64 {
        let mut slots = seen.slots;
        slots.sort_unstable();
        let mut left = units;
        let mut leaves = 0;
        for (number, count) in slots.into_iter().filter(|(_, count)| *count > 0) {
            leaves = quota.span().end_us(number.saturating_add(SLOTS - 1));
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
        leaves.saturating_sub(now_us).max(1)
    }

    /// Units that fit now, and the microseconds until all of them fit.
    pub(crate) fn state(self, quota: Quota, now_us: u64) -> (u64, u64) {
        let seen = self.seen(quota.span().number(now_us));
        let reset = if seen.used == 0 { 0 } else { Self::until(quota, &seen, seen.used, now_us) };
        (quota.amount().saturating_sub(seen.used), reset)
    }

    /// As they are written down.
    pub(crate) fn words(self) -> [u64; PLACES] {
        let mut words = [0; PLACES];
        let slots = self.0.iter().map(|slot| slot.load(Ordering::SeqCst));
        words.iter_mut().zip(slots).for_each(|(to, from)| *to = from);
        words
    }

    /// What the slot `now` holds beyond `before`.
    pub(crate) const fn less(now: u64, before: u64) -> u64 {
        let same = now >> COUNT_BITS == before >> COUNT_BITS;
        let seen = if same { before & MOST } else { 0 };
        (now & !MOST) | (now & MOST).saturating_sub(seen)
    }

    /// Counts what the slots of another ring of the same quota hold; what is older than what stands in its
    /// place counts no more.
    pub(crate) fn add_all(self, words: &[u64]) {
        for (slot, word) in self.0.iter().zip(words) {
            let _ = slot.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |there| {
                let ahead = (word >> COUNT_BITS).wrapping_sub(there >> COUNT_BITS) & NUMBERS;
                let before = if ahead == 0 { there & MOST } else { 0 };
                let count = before.saturating_add(word & MOST).min(MOST);
                let newer = there & MOST == 0 || ahead <= NUMBERS / 2;
                (word & MOST > 0 && newer).then_some((word & !MOST) | count)
            });
        }
    }

    /// Counts what was used elsewhere in the sixteenth of this number.
    pub(crate) fn add_used(self, number: u64, used: u64) {
        self.add(number, used.min(MOST));
    }

    pub(crate) fn reset(self) {
        self.0.iter().for_each(|slot| slot.store(0, Ordering::SeqCst));
    }

    pub(crate) fn used(self, quota: Quota, now_us: u64) -> u64 {
        self.seen(quota.span().number(now_us)).used
    }
}
