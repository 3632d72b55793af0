//! What are the limits of one subject, and how full are they?
//!
//! A meter joins up to four limits, all or nothing: a call that one refuses takes no room from
//! the others. Several meters (application, subscription, …) are joined by whoever asks: collect
//! the holds, and drop them all when one meter is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::quota::Window;
use crate::rate::Pace;
use crate::rolling::Ring;
use crate::span::Kind;
use crate::{Cost, Granted, LimitError, Quota, Rate, Sharing, Unit};

/// The most limits of one meter.
pub(crate) const MOST_LIMITS: usize = 4;
/// In the place of a window: nothing was taken.
const NOT_TAKEN: u64 = u64::MAX;

/// The limits of a subject, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterConfig {
    limits: Arc<[Limit]>,
    sharing: Sharing,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// How much of what it counts.
    pub measure: Measure,
    /// What it counts.
    pub unit: Unit,
    /// What happens where it is used up.
    pub effect: Effect,
}

/// How much may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// A pace.
    Rate(Rate),
    /// A number per stretch of time.
    Quota(Quota),
}

/// What happens where a limit is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Calls are refused.
    Refuse,
    /// Calls pass, are counted, and are marked by `Hold::over_quota`.
    Mark,
    /// Calls pass, are not counted, and are told by `Hold::shadow`: what refusing would do.
    Shadow,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} units per {} us are used up for another {retry_after_us} us", limit.amount(), limit.period_us())]
pub struct Full {
    /// The limit that is used up.
    pub limit: Limit,
    /// When to come again.
    pub retry_after_us: u64,
}

/// How full one limit is; what the `RateLimit` fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// The limit.
    pub limit: Limit,
    /// How many units still fit now.
    pub remaining: u64,
    /// Until all of them fit again.
    pub reset_us: u64,
}

/// The limits of one subject at work.
#[derive(Debug)]
pub struct Meter {
    config: MeterConfig,
    counters: Box<[Counter]>,
    /// The latest time that somebody asked, for `reconfigured`.
    latest_us: AtomicU64,
    retired: AtomicBool,
}

#[derive(Debug)]
enum Counter {
    Pace(Pace),
    Window(Window),
    Ring(Ring),
}

impl MeterConfig {
    /// At most four limits, which each gateway counts for itself.
    pub fn new(limits: &[Limit]) -> Result<Self, LimitError> {
        if limits.len() > MOST_LIMITS {
            return Err(LimitError::TooMany);
        }
        Ok(Self { limits: limits.into(), sharing: Sharing::default() })
    }

    /// No limits.
    pub fn unlimited() -> Self {
        Self { limits: Arc::default(), sharing: Sharing::default() }
    }

    /// The same limits, counted together as `sharing` says.
    #[must_use]
    pub fn shared(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// The limits.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// How gateways count them together.
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }
}

impl Limit {
    /// A limit of calls that refuses.
    pub const fn of_calls(measure: Measure) -> Self {
        Self { measure, unit: Unit::Requests, effect: Effect::Refuse }
    }

    /// How many units fit.
    pub const fn amount(&self) -> u64 {
        match self.measure {
            Measure::Rate(rate) => rate.amount(),
            Measure::Quota(quota) => quota.amount(),
        }
    }

    /// In which time, in microseconds; of months and years the longest.
    pub const fn period_us(&self) -> u64 {
        match self.measure {
            Measure::Rate(rate) => rate.per_us(),
            Measure::Quota(quota) => quota.span().longest_us(),
        }
    }

    /// Whether it is a pace.
    pub const fn is_rate(&self) -> bool {
        matches!(self.measure, Measure::Rate(_))
    }

    /// Whether a counter of the one goes on as one of the other.
    fn counts_like(&self, other: &Self) -> bool {
        self.unit == other.unit && self.is_rate() == other.is_rate()
    }
}

impl Counter {
    fn new(limit: &Limit) -> Self {
        match limit.measure {
            Measure::Rate(_) => Self::Pace(Pace::new()),
            Measure::Quota(quota) if is_rolling(quota) => Self::Ring(Ring::new()),
            Measure::Quota(_) => Self::Window(Window::new()),
        }
    }

    /// A counter of `limit` that is as full as the one of `old`.
    fn of(limit: &Limit, old: &Limit, counter: &Self, latest_us: u64) -> Self {
        match (limit.measure, old.measure, counter) {
            (Measure::Rate(rate), Measure::Rate(before), Self::Pace(pace)) => {
                Self::Pace(pace.reconfigured(before, rate))
            }
            (Measure::Quota(quota), Measure::Quota(before), Self::Ring(ring))
                if quota.span() == before.span() =>
            {
                Self::Ring(ring.copied())
            }
            (Measure::Quota(quota), Measure::Quota(before), Self::Ring(ring)) => {
                Self::filled(quota, ring.used(before, latest_us), latest_us)
            }
            (Measure::Quota(quota), Measure::Quota(before), Self::Window(window)) => {
                Self::filled(quota, window.used(before, latest_us), latest_us)
            }
            _ => Self::new(limit),
        }
    }

    fn filled(quota: Quota, used: u64, now_us: u64) -> Self {
        if is_rolling(quota) {
            Self::Ring(Ring::filled(quota, used, now_us))
        } else {
            Self::Window(Window::filled(quota, used, now_us))
        }
    }

    /// Takes room: the window where it was counted, and whether it went beyond. Or when to come again.
    fn take(
        &self,
        limit: &Limit,
        now_us: u64,
        units: u64,
        beyond: bool,
    ) -> Result<(u64, bool), u64> {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => match pace.take(rate, now_us, units) {
                Ok(()) => Ok((0, false)),
                // A pace is not counted beyond: it would take ever longer to come back to it.
                Err(_) if beyond => Ok((NOT_TAKEN, true)),
                Err(retry_after_us) => Err(retry_after_us),
            },
            (Self::Window(window), Measure::Quota(quota)) => {
                window.take(quota, now_us, units, beyond)
            }
            (Self::Ring(ring), Measure::Quota(quota)) => ring.take(quota, now_us, units, beyond),
            // INVARIANT: counters are made for their limits, one by one.
            _ => Ok((NOT_TAKEN, false)),
        }
    }

    fn grant(&self, limit: &Limit, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.grant(rate, now_us, share),
            (Self::Window(window), Measure::Quota(quota)) => window.grant(quota, now_us, share),
            (Self::Ring(ring), Measure::Quota(quota)) => ring.grant(quota, now_us, share),
            _ => Granted::NOTHING,
        }
    }

    fn settle(&self, limit: &Limit, place: u64, at_us: u64, units: u64, actual: u64) {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.settle(rate, at_us, units, actual),
            (Self::Window(window), Measure::Quota(quota)) => {
                window.settle(quota, place, units, actual);
            }
            (Self::Ring(ring), Measure::Quota(_)) => ring.settle(place, units, actual),
            _ => {}
        }
    }

    fn state(&self, limit: &Limit, now_us: u64) -> (u64, u64) {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.state(rate, now_us),
            (Self::Window(window), Measure::Quota(quota)) => window.state(quota, now_us),
            (Self::Ring(ring), Measure::Quota(quota)) => ring.state(quota, now_us),
            _ => (limit.amount(), 0),
        }
    }
}

const fn is_rolling(quota: Quota) -> bool {
    matches!(quota.span().kind(), Kind::Rolling { .. })
}

impl Meter {
    /// An unused meter.
    pub fn new(config: MeterConfig) -> Self {
        let counters = config.limits().iter().map(Counter::new).collect();
        Self { config, counters, latest_us: AtomicU64::new(0), retired: AtomicBool::new(false) }
    }

    /// Its limits.
    pub const fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        self.counters.is_empty()
    }

    /// Whether a limit counts what is known of a call only in the end.
    fn counts_late(&self) -> bool {
        self.config.limits().iter().any(|limit| limit.unit != Unit::Requests)
    }

    fn each(&self) -> impl Iterator<Item = (&Limit, &Counter)> {
        self.config.limits().iter().zip(&self.counters)
    }

    /// Takes the room of one call, or says which limit has none. What the call costs in the end is said
    /// when it is settled; a limit whose part of it is 0 has room while one more unit fits.
    pub fn hold(self: &Arc<Self>, now_us: u64, cost: &Cost) -> Result<Hold, Full> {
        if self.is_unlimited() {
            return Ok(Hold { taken: None, over_quota: false, shadow: false });
        }
        // Only `reconfigured` reads it, to find the current window: a lost race costs nothing.
        if self.latest_us.load(Ordering::Relaxed) < now_us {
            self.latest_us.store(now_us, Ordering::Relaxed);
        }
        let (mut places, mut over_quota, mut shadow) = ([NOT_TAKEN; MOST_LIMITS], false, false);
        for ((limit, counter), index) in self.each().zip(0..) {
            let units = cost.of(limit.unit);
            let taken = counter.take(limit, now_us, units, limit.effect == Effect::Mark);
            match (taken, limit.effect) {
                (Ok((place, over)), _) => {
                    over_quota |= over;
                    if let Some(here) = places.get_mut::<usize>(index) {
                        *here = place;
                    }
                }
                (Err(_), Effect::Shadow) => shadow = true,
                (Err(retry_after_us), _) => {
                    self.settle(&places, now_us, cost, &Cost::default());
                    return Err(Full { limit: *limit, retry_after_us });
                }
            }
        }
        let taken = Some(Taken { meter: Arc::clone(self), places, cost: *cost, at_us: now_us });
        Ok(Hold { taken, over_quota, shadow })
    }

    fn settle(&self, places: &[u64; MOST_LIMITS], at_us: u64, cost: &Cost, actual: &Cost) {
        for ((limit, counter), place) in self.each().zip(places) {
            if *place != NOT_TAKEN {
                let (units, actual) = (cost.of(limit.unit), actual.of(limit.unit));
                counter.settle(limit, *place, at_us, units, actual);
            }
        }
    }

    /// Gives away a part of what is left of the limit at `index`, to be used elsewhere: it counts as used
    /// from now on. `share` says how much of what is left. Nothing where there is no such limit.
    pub fn grant(&self, index: usize, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        let found = self.each().nth(index);
        found.map_or(Granted::NOTHING, |(limit, counter)| counter.grant(limit, now_us, share))
    }

    /// Takes back units of a grant that nobody has used; `granted_us` is when it was given.
    pub fn put_back(&self, index: usize, place: u64, granted_us: u64, units: u64) {
        if let Some((limit, counter)) = self.each().nth(index) {
            counter.settle(limit, place, granted_us, units, 0);
        }
    }

    /// How full each limit is, in their order; takes nothing.
    pub fn state(&self, now_us: u64) -> impl Iterator<Item = LimitState> {
        self.each().map(move |(limit, counter)| {
            let (remaining, reset_us) = counter.state(limit, now_us);
            LimitState { limit: *limit, remaining, reset_us }
        })
    }

    /// How much of the limit that is used most is used, in thousandths; 0: nothing at all.
    pub(crate) fn used_permille(&self, now_us: u64) -> u64 {
        let shares = self.state(now_us).map(|state| {
            let amount = state.limit.amount();
            let used = u128::from(amount.saturating_sub(state.remaining)) * 1_000;
            u64::try_from(used.div_ceil(u128::from(amount.max(1)))).unwrap_or(1_000)
        });
        shares.max().unwrap_or(0)
    }

    /// Whether a limit has no room left.
    pub(crate) fn is_full(&self, now_us: u64) -> bool {
        self.state(now_us).any(|state| state.remaining == 0)
    }

    /// Nothing is used any more. Holds that are out give nothing back to the windows that begin now.
    pub fn reset(&self) {
        for counter in &self.counters {
            match counter {
                Counter::Pace(pace) => pace.reset(),
                Counter::Window(window) => window.reset(),
                Counter::Ring(ring) => ring.reset(),
            }
        }
    }

    /// The meter for these limits that goes on counting: this one, where they are its own.
    #[must_use]
    pub fn under(self: &Arc<Self>, config: &MeterConfig) -> Arc<Self> {
        if self.config == *config { Arc::clone(self) } else { Arc::new(self.reconfigured(config)) }
    }

    /// A meter with other limits that is as used as this one: each limit takes over the first that counts
    /// the same unit in the same way and is not taken over yet. Holds that are out stay with the old
    /// meter.
    #[must_use]
    pub fn reconfigured(&self, config: &MeterConfig) -> Self {
        let latest_us = self.latest_us.load(Ordering::Relaxed);
        let mut old: Vec<_> = self.each().collect();
        let counters = config.limits().iter().map(|limit| {
            let like = old.iter().position(|(before, _)| before.counts_like(limit));
            match like.map(|place| old.remove(place)) {
                Some((before, counter)) => Counter::of(limit, before, counter, latest_us),
                None => Counter::new(limit),
            }
        });
        Self {
            counters: counters.collect(),
            config: config.clone(),
            latest_us: AtomicU64::new(latest_us),
            retired: AtomicBool::new(false),
        }
    }

    /// Whether another one has come into its place: who remembers it has to look again.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
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
    /// What the call came to, also where that is more than there was room for: then nothing fits until
    /// it has come back.
    pub fn come_to(self, actual: &Cost) {
        let Self(taken) = self;
        taken.meter.settle(&taken.places, taken.at_us, &taken.cost, actual);
    }
}

impl Hold {
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

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
