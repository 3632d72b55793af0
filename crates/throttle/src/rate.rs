//! How fast may calls come?
//!
//! The generic cell rate algorithm: one number, the theoretical arrival time (TAT) of the next
//! unit if all came evenly. Units are admitted while the TAT is not too far ahead, and each moves it by
//! one increment. As many as the rate says may come at once; the room returns evenly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::hands::{Held, LAST_US};
use crate::{Asked, Granted, LimitError, period_us, portion};

/// A TAT further ahead than a full meter, and by more than this, was written by a clock that has
/// been set back since. A thread that was paused between reading the clock and asking is no such
/// clock, hence the minute.
const CLOCK_SET_BACK_NS: u64 = 60_000_000_000;
/// Of a pace that is used up units are given away so far ahead of their times, and the next one is in any
/// case,
const AHEAD_US: u64 = 50_000;
/// unless its time is further away than this.
const MOST_AHEAD_US: u64 = 1_000_000;

/// A pace: `amount` units spread evenly over a period, where up to `amount` may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    amount: u64,
    per_us: u64,
    /// What follows from the two; each call asks for it.
    increment_ns: u64,
}

impl Rate {
    /// `amount` is at least 1; `per` is 1 ms to 400 days.
    pub fn new(amount: u64, per: Duration) -> Result<Self, LimitError> {
        if amount == 0 {
            return Err(LimitError::Nothing);
        }
        Ok(Self::with(amount, period_us(per)?))
    }

    const fn with(amount: u64, per_us: u64) -> Self {
        let increment_ns = per_us.saturating_mul(1_000).div_ceil(amount);
        Self { amount, per_us, increment_ns }
    }

    /// Units per period, and at once.
    pub const fn amount(self) -> u64 {
        self.amount
    }

    /// The period, in microseconds.
    pub const fn per_us(self) -> u64 {
        self.per_us
    }

    /// Nanoseconds per unit, rounded up so that rounding never admits more.
    pub const fn increment_ns(self) -> u64 {
        self.increment_ns
    }

    /// The same pace of so many units; at least one.
    pub(crate) fn of(self, amount: u64) -> Self {
        Self::with(amount.max(1), self.per_us)
    }

    /// Until all of it fits again where `remaining` fit now, in microseconds.
    pub(crate) const fn until_whole_us(self, remaining: u64) -> u64 {
        let used = self.amount.saturating_sub(remaining);
        self.increment_ns().saturating_mul(used).div_ceil(1_000)
    }

    /// How far ahead of its time a unit is given away where the pace is used up, in microseconds.
    pub fn ahead_us(self) -> u64 {
        (self.increment_ns() / 1_000).clamp(AHEAD_US, MOST_AHEAD_US)
    }

    /// How many units that are: who asks is given half of those of them that nobody has yet.
    pub fn ahead_units(self) -> u64 {
        (self.ahead_us() * 1_000 / self.increment_ns().max(1)).max(1)
    }

    /// How far ahead the TAT is when nothing fits any more, in nanoseconds.
    pub const fn full_ns(self) -> u64 {
        self.increment_ns().saturating_mul(self.amount)
    }
}

/// What is given away of a pace besides what fits.
#[derive(Clone, Copy, Debug, Default)]
struct Out {
    /// Units in hands.
    held: u64,
    /// How far ahead of their times units are given.
    ahead_ns: u64,
}

/// A rate at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace<'a> {
    /// In nanoseconds, so that rates of thousands per second are not rounded away.
    tat_ns: &'a AtomicU64,
    /// The time of the latest admission, in nanoseconds. INVARIANT: raised before the TAT moves.
    latest_ns: &'a AtomicU64,
}

impl<'a> Pace<'a> {
    pub(crate) const WORDS: usize = 2;

    pub(crate) const fn of([tat_ns, latest_ns]: &'a [AtomicU64; 2]) -> Self {
        Self { tat_ns, latest_ns }
    }

    /// Takes room for `units`, or says in how many microseconds there will be some. What is not known
    /// yet (0) fits while one more would.
    pub(crate) fn take(self, rate: Rate, now_us: u64, units: u64) -> Result<(), u64> {
        let now = now_us.saturating_mul(1_000);
        let (increment, full) = (rate.increment_ns(), rate.full_ns());
        let wanted = increment.saturating_mul(units.max(1));
        let mut seen = self.tat_ns.load(Ordering::Acquire);
        loop {
            let tat = seen.max(now);
            if (tat - now).saturating_sub(full) > CLOCK_SET_BACK_NS {
                self.heal(seen, now, full);
                return Err(increment.div_ceil(1_000));
            }
            let over = tat.saturating_add(wanted).saturating_sub(now).saturating_sub(full);
            if over > 0 {
                return Err(over.div_ceil(1_000));
            }
            self.latest_ns.fetch_max(now, Ordering::AcqRel);
            let next = tat.saturating_add(increment.saturating_mul(units));
            match self.tat_ns.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(()),
                Err(now_there) => seen = now_there,
            }
        }
    }

    /// Takes as many units as `share` says of those that fit now.
    pub(crate) fn grant(self, rate: Rate, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        self.give(rate, now_us, Out::default(), |left, _| share(left).min(left))
    }

    /// Takes a portion of `wanted` units of those that fit now, and where they are few of those that come
    /// next: who gets them uses each in its time, when the pace would have admitted it. `held` are in hands
    /// already: with them there are never more than the pace has at once.
    pub(crate) fn lease(self, rate: Rate, now_us: u64, asked: Asked, held: u64) -> Granted {
        let Asked { wanted, gateways, .. } = asked;
        let ahead_ns = if asked.ahead { rate.ahead_us().saturating_mul(1_000) } else { 0 };
        let out = Out { held, ahead_ns };
        self.give(rate, now_us, out, |left, comes| {
            let next = comes.min(rate.ahead_units()).div_ceil(2);
            let units = portion(wanted, left, gateways).max(wanted.min(next));
            units.min(rate.amount().saturating_sub(held))
        })
    }

    /// Takes as many units as `share` says of how many fit now and how many do a little later.
    fn give(self, rate: Rate, now_us: u64, out: Out, share: impl Fn(u64, u64) -> u64) -> Granted {
        let now = now_us.saturating_mul(1_000);
        let (increment, full) = (rate.increment_ns(), rate.full_ns());
        let least = Self::least(rate, Held { at_us: now_us, units: out.held });
        let mut seen = self.tat_ns.load(Ordering::Acquire);
        loop {
            let tat = seen.max(least);
            let ahead = tat - now;
            if ahead.saturating_sub(full) > CLOCK_SET_BACK_NS {
                self.heal(seen, now, full);
                seen = self.tat_ns.load(Ordering::Acquire);
                continue;
            }
            let left = full.saturating_sub(ahead) / increment;
            let comes = full.saturating_add(out.ahead_ns).saturating_sub(ahead) / increment;
            let units = share(left, comes);
            let granted = Granted { ends_us: LAST_US, left, ..Granted::NOTHING };
            if units == 0 {
                let again = ahead.saturating_add(increment).saturating_sub(full).div_ceil(1_000);
                return Granted { again_us: again.max(1), ..granted };
            }
            self.latest_ns.fetch_max(now, Ordering::AcqRel);
            let next = tat.saturating_add(increment.saturating_mul(units));
            match self.tat_ns.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    let last_us = next.saturating_sub(now).saturating_sub(full).div_ceil(1_000);
                    return Granted { units, left: left.saturating_sub(units), last_us, ..granted };
                }
                Err(now_there) => seen = now_there,
            }
        }
    }

    /// So many units were in hands until then, whatever has become of them since: as many less had come back.
    pub(crate) fn held(self, rate: Rate, held: Held) {
        if held.units > 0 {
            self.tat_ns.fetch_max(Self::least(rate, held), Ordering::AcqRel);
        }
    }

    /// What is in hands counts as used just then.
    fn least(rate: Rate, held: Held) -> u64 {
        let units = rate.increment_ns().saturating_mul(held.units).min(rate.full_ns());
        held.at_us.saturating_mul(1_000).saturating_add(units)
    }

    /// Takes back units that were given away and that nobody has used, while `held` are still in hands.
    pub(crate) fn put_back(self, rate: Rate, now_us: u64, units: u64, held: u64) {
        let less = rate.increment_ns().saturating_mul(units);
        let least = Self::least(rate, Held { at_us: now_us, units: held });
        let _ = self.tat_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tat| {
            let next = tat.saturating_sub(less).max(least);
            (next < tat).then_some(next)
        });
    }

    /// The clock was set back: the meter is as full as it can be, and not for as long as the
    /// clock was wrong.
    fn heal(self, seen: u64, now: u64, full: u64) {
        let healed = now.saturating_add(full);
        // Losing the race means that somebody else healed it.
        let _ = self.tat_ns.compare_exchange(seen, healed, Ordering::AcqRel, Ordering::Acquire);
        self.latest_ns.store(now, Ordering::Release);
    }

    /// What was taken as `units` at `taken_us` came to `actual`.
    pub(crate) fn settle(self, rate: Rate, taken_us: u64, units: u64, actual: u64) {
        if actual < units {
            self.give_back(rate, taken_us, units - actual);
        } else if actual > units {
            // Debts are paid within a minute beyond a full meter at most: a longer one could not be
            // told from a clock that was set back.
            let more = rate.increment_ns().saturating_mul(actual - units);
            let _ = self.tat_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tat| {
                // Units that nobody was asked for before may be the first ones for long.
                let latest = self.latest_ns.load(Ordering::Acquire);
                let latest = latest.max(taken_us.saturating_mul(1_000));
                let most = latest.saturating_add(rate.full_ns()).saturating_add(CLOCK_SET_BACK_NS);
                Some(
                    tat.max(taken_us.saturating_mul(1_000)).saturating_add(more).min(most.max(tat)),
                )
            });
        }
    }

    /// Gives back the room of units that were admitted at `taken_us` and did not happen.
    ///
    /// Without them the TAT would be their increments lower, less the time that the meter would
    /// have been idle. That time is at most what lies between their admission and the latest one,
    /// so giving back the increments less that time never admits more than the rate.
    fn give_back(self, rate: Rate, taken_us: u64, units: u64) {
        let taken = taken_us.saturating_mul(1_000);
        let increments = rate.increment_ns().saturating_mul(units);
        // A failed exchange means another admission or return: the latest time is read anew.
        let _ = self.tat_ns.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tat| {
            let since = self.latest_ns.load(Ordering::Acquire).saturating_sub(taken);
            let room = increments.saturating_sub(since);
            (room > 0).then(|| tat.saturating_sub(room))
        });
    }

    /// Units that fit now, and the microseconds until as many as the rate says fit.
    pub(crate) fn state(self, rate: Rate, now_us: u64) -> (u64, u64) {
        let now = now_us.saturating_mul(1_000);
        let ahead = self.tat_ns.load(Ordering::Acquire).saturating_sub(now);
        let remaining = rate.full_ns().saturating_sub(ahead) / rate.increment_ns();
        (remaining, ahead.min(rate.full_ns().saturating_add(CLOCK_SET_BACK_NS)).div_ceil(1_000))
    }

    /// Nothing is used any more.
    pub(crate) fn reset(self) {
        self.tat_ns.store(0, Ordering::Release);
    }

    /// As used as `before` under another rate: as many units are open as were at its latest admission.
    pub(crate) fn take_over(self, rate: Rate, old: Rate, before: Pace<'_>) {
        let latest = before.latest_ns.load(Ordering::Acquire);
        let ahead = before.tat_ns.load(Ordering::Acquire).saturating_sub(latest);
        let ahead = repaced(ahead, old, rate).min(rate.full_ns());
        self.tat_ns.store(latest.saturating_add(ahead), Ordering::Release);
        self.latest_ns.store(latest, Ordering::Release);
    }

    /// Gives away from now on what `before` has given away at another pace. As many units are open, and `left_over`
    /// besides; those that were given ahead of their times are waited for in any case. How many of those that
    /// are open are more than there are at once.
    pub(crate) fn succeed(
        self,
        rate: Rate,
        old: Rate,
        before: Pace<'_>,
        now_us: u64,
        left_over: u64,
    ) -> u64 {
        let now = now_us.saturating_mul(1_000);
        let ahead = before.tat_ns.load(Ordering::Acquire).saturating_sub(now);
        let beyond = ahead.saturating_sub(old.full_ns());
        let open = (ahead - beyond).div_ceil(old.increment_ns()).saturating_add(left_over);
        let fits = open.min(rate.amount());
        let beyond = repaced(beyond, old, rate).min(CLOCK_SET_BACK_NS);
        let ahead = rate.increment_ns().saturating_mul(fits).saturating_add(beyond);
        self.tat_ns.store(now.saturating_add(ahead), Ordering::Release);
        self.latest_ns.store(now, Ordering::Release);
        open - fits
    }
}

/// How long as many units take at the one pace as took `ns` nanoseconds at the other.
fn repaced(ns: u64, old: Rate, rate: Rate) -> u64 {
    let scaled = u128::from(ns) * u128::from(rate.increment_ns());
    u64::try_from(scaled.div_ceil(u128::from(old.increment_ns()))).unwrap_or(u64::MAX)
}
