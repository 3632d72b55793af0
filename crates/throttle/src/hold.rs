//! Does one more call fit all the limits of a subject, and what becomes of its room?
//!
//! All or nothing: a call that one limit refuses takes no room from the others.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::counter::{Counter, NOT_TAKEN};
use crate::limit::MOST_LIMITS;
use crate::shared::{Correction, Shared};
use crate::{Cost, Effect, Limit, Meter, Short};

/// From here on in the place of a window: it was taken out of what the authority has given away, under the
/// label that is so much higher,
const LEASED: u64 = u64::MAX - 0x1_FFFF;
/// or it was owed to it.
const OWED: u64 = u64::MAX - 1;
/// Parts follow the demand about as often as this.
const NO_PART_US: u64 = 1_000_000;

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} units per {} us are used up for another {retry_after_us} us", limit.amount(), limit.period_us())]
pub struct Full {
    /// The limit that is used up.
    pub limit: Limit,
    /// When to come again.
    pub retry_after_us: u64,
}

/// Why a call has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A limit is used up.
    #[error(transparent)]
    Full(#[from] Full),
    /// Nothing of a shared limit is in hand, and more may be had from its authority: see
    /// [`Meter::asks`].
    #[error("the authority of limit {index} has to be asked")]
    Short {
        /// Which of the meter's limits.
        index: usize,
    },
}

/// What an authority says that lets a call in, where it is asked call by call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// When, by the authority's clock.
    pub at_us: u64,
    /// Where each of the meter's limits has counted it, in their order; `None`: it has not.
    pub places: Vec<Option<u64>>,
    /// As [`Hold::over_quota`].
    pub over_quota: bool,
    /// As [`Hold::shadow`].
    pub shadow: bool,
}

impl Meter {
    /// Takes the room of one call, or says which limit has none. What the call costs in the end is said
    /// when it is settled; a limit whose part of it is 0 has room while one more unit fits.
    pub fn hold(self: &Arc<Self>, now_us: u64, cost: &Cost) -> Result<Hold, Refused> {
        if self.is_unlimited() {
            return Ok(Hold::nothing());
        }
        // Only `reconfigured` reads it, to find the current window: a lost race costs nothing.
        if self.latest_us.load(Ordering::Relaxed) < now_us {
            self.latest_us.store(now_us, Ordering::Relaxed);
        }
        if let Some(shared) = &self.shared {
            shared.demanded();
            if self.is_strict() {
                return Err(self.unasked(shared, now_us));
            }
        }
        let (mut places, mut over_quota, mut shadow) = ([NOT_TAKEN; MOST_LIMITS], false, false);
        for ((limit, counter), index) in self.each().zip(0..) {
            let units = cost.of(limit.unit);
            if units == 0 && cost.requests == 0 {
                // Of what belongs to a call that was let in, only what it costs is asked for.
                continue;
            }
            let taken = self.take(index, limit, counter, now_us, units);
            match (taken, limit.effect) {
                (Ok((place, over)), _) => {
                    over_quota |= over;
                    if let Some(here) = places.get_mut(index) {
                        *here = place;
                    }
                }
                (Err(Short::UsedUp { .. }), Effect::Shadow) => shadow = true,
                (Err(short), _) => {
                    self.settle(&places, now_us, cost, &Cost::default());
                    return Err(match short {
                        Short::Ask => Refused::Short { index },
                        Short::UsedUp { retry_after_us } => {
                            Refused::Full(Full { limit: *limit, retry_after_us })
                        }
                    });
                }
            }
        }
        let taken = Some(Taken { meter: Arc::clone(self), places, cost: *cost, at_us: now_us });
        Ok(Hold { taken, over_quota, shadow })
    }

    /// What is known of a call before the authority has been asked: it may have said just now that a limit
    /// is used up.
    fn unasked(&self, shared: &Shared, now_us: u64) -> Refused {
        let refuses = |limit: &Limit| limit.effect == Effect::Refuse;
        for (index, limit) in self.config.limits().iter().enumerate() {
            if refuses(limit)
                && let Some(retry_after_us) = shared.used_up(index, now_us)
            {
                return Refused::Full(Full { limit: *limit, retry_after_us });
            }
        }
        // Where nobody can be asked, what a limit says that refuses counts.
        Refused::Short { index: self.config.limits().iter().position(refuses).unwrap_or(0) }
    }

    /// The room of a call that the authority has let in, having been asked about all limits at once.
    pub fn let_in(self: &Arc<Self>, cost: &Cost, ruling: &Ruling) -> Hold {
        let mut places = [NOT_TAKEN; MOST_LIMITS];
        for (here, place) in places.iter_mut().zip(&ruling.places) {
            *here = place.unwrap_or(NOT_TAKEN);
        }
        let taken = Taken { meter: Arc::clone(self), places, cost: *cost, at_us: ruling.at_us };
        Hold { taken: Some(taken), over_quota: ruling.over_quota, shadow: ruling.shadow }
    }

    /// Takes room of one limit: where it was counted, and whether it went beyond.
    fn take(
        &self,
        index: usize,
        limit: &Limit,
        counter: Counter<'_>,
        now_us: u64,
        units: u64,
    ) -> Result<(u64, bool), Short> {
        let marks = limit.effect == Effect::Mark;
        let Some(shared) = self.leased() else {
            let limit = match self.own_part(index) {
                None => *limit,
                // Calls of others use it up.
                Some(0) if !marks => return Err(Short::UsedUp { retry_after_us: NO_PART_US }),
                Some(part) => limit.of(part),
            };
            let taken = counter.take(&limit, now_us, units, marks);
            return taken.map_err(|retry_after_us| Short::UsedUp { retry_after_us });
        };
        match shared.take(index, now_us, units) {
            Ok(label) => Ok((LEASED.saturating_add(label), false)),
            // It passes all the same, and counts.
            Err(Short::UsedUp { .. }) if marks => {
                shared.owe(index, units);
                Ok((OWED, true))
            }
            Err(short) => Err(short),
        }
    }

    fn settle(&self, places: &[u64; MOST_LIMITS], at_us: u64, cost: &Cost, actual: &Cost) {
        for (((limit, counter), place), index) in self.each().zip(places).zip(0..) {
            let (units, actual) = (cost.of(limit.unit), actual.of(limit.unit));
            match (*place, self.leased()) {
                (NOT_TAKEN, _) => {}
                (OWED, Some(shared)) => shared.settle_owed(index, units, actual),
                (LEASED.., Some(shared)) => {
                    shared.settle(index, at_us, *place - LEASED, units, actual);
                }
                (place, Some(shared)) => {
                    shared.correct(Correction { index, place, taken_us: at_us, units, actual });
                }
                (place, None) => counter.settle(limit, place, at_us, units, actual),
            }
        }
    }
}

#[derive(Debug)]
struct Taken {
    meter: Arc<Meter>,
    /// Where each limit counted it.
    places: [u64; MOST_LIMITS],
    cost: Cost,
    at_us: u64,
}

/// The room of one call.
#[must_use = "a hold that is dropped unsettled gives its room back"]
#[derive(Debug)]
pub struct Hold {
    taken: Option<Taken>,
    over_quota: bool,
    shadow: bool,
}

/// A call that counts as what it was held for, and of which some limit counts what is known only in the
/// end. Where nobody says what it came to, it stays at that.
#[derive(Debug)]
pub struct Owed(Taken);

impl Owed {
    /// Whose limits wait for it.
    pub const fn meter(&self) -> &Arc<Meter> {
        &self.0.meter
    }

    /// What the call came to, also where that is more than there was room for: then nothing fits until
    /// it has come back.
    pub fn come_to(self, actual: &Cost) {
        let Self(taken) = self;
        taken.meter.settle(&taken.places, taken.at_us, &taken.cost, actual);
    }
}

impl Hold {
    /// The room of a call that nobody counts.
    pub const fn nothing() -> Self {
        Self { taken: None, over_quota: false, shadow: false }
    }

    /// Makes the call count as what it was held for, and tells what is owed besides.
    pub fn settle(mut self) -> Option<Owed> {
        self.taken.take().filter(|taken| taken.meter.counts_late()).map(Owed)
    }

    /// Makes the call count as what it came to.
    pub fn settle_as(mut self, actual: &Cost) {
        if let Some(taken) = self.taken.take() {
            Owed(taken).come_to(actual);
        }
    }

    /// Whether a limit was used up and the call passes all the same.
    pub const fn over_quota(&self) -> bool {
        self.over_quota
    }

    /// Whether a limit that is only tried would have refused the call.
    pub const fn shadow(&self) -> bool {
        self.shadow
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            taken.meter.settle(&taken.places, taken.at_us, &taken.cost, &Cost::default());
        }
    }
}
