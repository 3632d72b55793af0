//! What are the limits of one subject, and how full are they?
//!
//! A meter joins up to four limits, all or nothing: a call that one refuses takes no room from
//! the others. Several meters (application, subscription, …) are joined by whoever asks: collect
//! the holds, and drop them all when one meter is full.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::kept::{Count, Keeping, Past, outlives};
use crate::quota::Window;
use crate::rate::Pace;
use crate::rolling::Ring;
use crate::shared::{Correction, Seen, Shared, Wanted};
use crate::span::Kind;
use crate::{
    Back, Cost, Granted, LimitError, Quota, Rate, Sharing, Short, Strategy, Subject, Unit, portion,
};

/// The most limits of one meter.
pub(crate) const MOST_LIMITS: usize = 4;
/// In the place of a window: nothing was taken,
const NOT_TAKEN: u64 = u64::MAX;
/// or it was taken out of what the authority has given away.
const LEASED: u64 = u64::MAX - 1;
/// Whether a meter has something to be written down. It has not taken over what was used before,
const FRESH: u8 = 0;
/// it has counted nothing since somebody looked,
const STILL: u8 = 1;
/// or who writes it down knows that there is something; of what is not kept there never is.
const NEWS: u8 = 2;
/// Parts follow the demand about as often as this.
const NO_PART_US: u64 = 1_000_000;

/// The limits of a subject, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterConfig(Arc<Terms>);

/// Behind one pointer: there is a `MeterConfig` in each of a million meters.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Terms {
    limits: Box<[Limit]>,
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

/// How much of one limit is used; what people are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUsage {
    /// How full it is.
    pub state: LimitState,
    /// Units that were used, also beyond the limit. Of one that an authority counts, as far as it has said.
    pub used: u64,
    /// Split: the part that is this gateway's; `None`: nobody has said, or nobody splits it.
    pub part: Option<u64>,
}

/// The limits of one subject at work.
#[derive(Debug)]
pub struct Meter {
    config: MeterConfig,
    counters: Box<[Counter]>,
    /// The latest time that somebody asked, for `reconfigured`.
    latest_us: AtomicU64,
    retired: AtomicBool,
    news: AtomicU8,
    /// Absent: nothing of it outlives the process.
    keeping: Option<Box<Keeping>>,
    /// Absent: this gateway counts for itself.
    shared: Option<Box<Shared>>,
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
        Ok(Self::of(limits.into(), Sharing::default()))
    }

    /// No limits.
    pub fn unlimited() -> Self {
        Self::of(Box::default(), Sharing::default())
    }

    /// The same limits, counted together as `sharing` says.
    #[must_use]
    pub fn shared(self, sharing: Sharing) -> Self {
        Self::of(self.limits().into(), sharing)
    }

    fn of(limits: Box<[Limit]>, sharing: Sharing) -> Self {
        Self(Arc::new(Terms { limits, sharing }))
    }

    /// The limits.
    pub fn limits(&self) -> &[Limit] {
        &self.0.limits
    }

    /// How gateways count them together.
    pub fn sharing(&self) -> Sharing {
        self.0.sharing
    }
}

impl Limit {
    /// A limit of calls that refuses.
    pub const fn of_calls(measure: Measure) -> Self {
        Self { measure, unit: Unit::Requests, effect: Effect::Refuse }
    }

    /// The same limit of so many units, at least one.
    fn of(self, amount: u64) -> Self {
        let measure = match self.measure {
            Measure::Rate(rate) => Measure::Rate(rate.of(amount)),
            Measure::Quota(quota) => Measure::Quota(quota.of(amount)),
        };
        Self { measure, ..self }
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
    /// An unused meter whose limits this gateway counts for itself, whatever the configuration says.
    pub fn new(config: MeterConfig) -> Self {
        let counters = config.limits().iter().map(Counter::new).collect();
        let (latest_us, retired) = (AtomicU64::new(0), AtomicBool::new(false));
        let news = AtomicU8::new(NEWS);
        Self { config, counters, latest_us, retired, news, keeping: None, shared: None }
    }

    /// An unused meter for limits that are counted as the configuration says; `name` is asked for where
    /// they are shared, and where what is used of them outlives the process.
    pub fn named(config: MeterConfig, name: impl FnOnce() -> Subject) -> Self {
        let is_shared =
            config.sharing().strategy != Strategy::InProcess && !config.limits().is_empty();
        let is_kept = outlives(&config);
        let name = (is_shared || is_kept).then(name);
        let shared = name.filter(|_| is_shared);
        let shared = shared.map(|name| Box::new(Shared::new(name, config.limits())));
        let keeping = name.filter(|_| is_kept);
        let keeping = keeping.map(|name| Box::new(Keeping { name, resumed: OnceLock::new() }));
        let news = AtomicU8::new(if keeping.is_some() { FRESH } else { NEWS });
        Self { news, keeping, shared, ..Self::new(config) }
    }

    /// Its name among those who share it; `None`: nobody does.
    pub fn name(&self) -> Option<Subject> {
        self.shared.as_ref().map(|shared| shared.name)
    }

    /// Its name where what is used of it outlives the process; `None`: nothing does.
    pub fn kept_as(&self) -> Option<Subject> {
        self.keeping.as_ref().map(|keeping| keeping.name)
    }

    /// Whether it has yet to take over what was used before its process began: see
    /// [`resume_once`](Self::resume_once).
    pub fn is_fresh(&self) -> bool {
        self.news.load(Ordering::Relaxed) == FRESH
    }

    /// Takes over what was used before, once; who comes meanwhile waits. To be said before the first hold.
    pub fn resume_once(&self, past: impl FnOnce(Subject) -> Option<Past>) {
        let Some(keeping) = &self.keeping else { return };
        keeping.resumed.get_or_init(|| {
            if let Some(past) = past(keeping.name) {
                self.resume(&past);
            }
            // It is still as it was found.
            let (ready, ordering) = (STILL, Ordering::AcqRel);
            let _ = self.news.compare_exchange(FRESH, ready, ordering, Ordering::Relaxed);
        });
    }

    /// Adds what was used before, or elsewhere.
    pub fn resume(&self, past: &Past) {
        self.latest_us.fetch_max(past.latest_us(), Ordering::Relaxed);
        past.add_to(self.pasts());
    }

    /// Whether it has counted for the first time since somebody looked: to be said after a hold and before
    /// a settlement, and who hears it has to have somebody [`look`](Self::look).
    pub fn is_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) != NEWS && self.news.swap(NEWS, Ordering::AcqRel) != NEWS
    }

    /// What was used of it until now. What a call counts just now may be missing, and is there at a second
    /// look.
    pub fn look(&self) -> Past {
        if self.keeping.is_some() {
            self.news.store(STILL, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
        self.past()
    }

    /// What was used of its quotas, apart from it.
    pub fn past(&self) -> Past {
        Past::of(self.pasts(), self.latest_us.load(Ordering::Relaxed))
    }

    fn pasts(&self) -> impl Iterator<Item = (&Limit, Option<Count<'_>>)> {
        self.each().map(|(limit, counter)| {
            let count = match counter {
                Counter::Pace(_) => None,
                Counter::Window(window) => Some(Count::Window(window)),
                Counter::Ring(ring) => Some(Count::Ring(ring)),
            };
            (limit, count)
        })
    }

    /// Whether units have to be asked for.
    fn leased(&self) -> Option<&Shared> {
        let shared = self.shared.as_deref()?;
        self.config.sharing().strategy.authority().map(|_| shared)
    }

    /// Its limits.
    pub const fn config(&self) -> &MeterConfig {
        &self.config
    }

    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        self.counters.is_empty()
    }

    /// Whether a limit counts this.
    pub fn counts(&self, unit: Unit) -> bool {
        self.config.limits().iter().any(|limit| limit.unit == unit)
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

    /// Whether the authority is asked about each call.
    fn is_strict(&self) -> bool {
        self.config.sharing().strategy == Strategy::Strict
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

    /// What the authority has said about the limit at `index`, which counts until `until_us` by this
    /// gateway's clock.
    pub fn told(&self, index: usize, remaining: u64, until_us: u64) {
        if let Some(shared) = self.leased() {
            shared.told(index, remaining, until_us);
        }
    }

    /// What the authority that lets calls in one by one has still to be told; it counts as told.
    pub fn corrections(&self) -> Vec<Correction> {
        self.leased().map(Shared::corrections).unwrap_or_default()
    }

    /// Takes room of one limit: where it was counted, and whether it went beyond.
    fn take(
        &self,
        index: usize,
        limit: &Limit,
        counter: &Counter,
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
            Ok(()) => Ok((LEASED, false)),
            // It passes all the same, and counts.
            Err(Short::UsedUp { .. }) if marks => {
                shared.owe(index, units);
                Ok((LEASED, true))
            }
            Err(short) => Err(short),
        }
    }

    /// Split: the part of this gateway.
    fn own_part(&self, index: usize) -> Option<u64> {
        self.shared.as_ref()?.part(index)
    }

    fn settle(&self, places: &[u64; MOST_LIMITS], at_us: u64, cost: &Cost, actual: &Cost) {
        for (((limit, counter), place), index) in self.each().zip(places).zip(0..) {
            let (units, actual) = (cost.of(limit.unit), actual.of(limit.unit));
            match (*place, self.leased()) {
                (NOT_TAKEN, _) => {}
                (LEASED, Some(shared)) => shared.settle(index, at_us, units, actual),
                (place, Some(shared)) => {
                    shared.correct(Correction { index, place, taken_us: at_us, units, actual });
                }
                (place, None) => counter.settle(limit, place, at_us, units, actual),
            }
        }
    }

    /// Whether units should be asked for ahead, so that they are there in time: said after a hold, let in or
    /// not, and cheap. `None`: all is well, or nobody is asked.
    pub fn low(&self, now_us: u64) -> Option<usize> {
        let shared = self.leased()?;
        // Who is asked call by call is not asked ahead.
        if self.is_strict() {
            return None;
        }
        (0..self.counters.len()).find(|index| shared.is_low(*index, now_us))
    }

    /// What to ask the authority of the limit at `index` for, if it is time to and nobody does; `needed`
    /// is what a call that waits needs of it. Whoever gets an answer to this has to ask, and to tell what
    /// came of it by [`granted`](Self::granted) or [`failed`](Self::failed).
    pub fn asks(&self, index: usize, now_us: u64, needed: u64) -> Option<Wanted> {
        self.leased()?.asks(index, now_us, needed)
    }

    /// When a window ends, and calls go on that will need units of the next one: the next such moment by this
    /// gateway's clock. `None`: there is none, or nobody is asked ahead.
    pub fn turns_us(&self, now_us: u64) -> Option<u64> {
        let shared = self.leased().filter(|_| !self.is_strict())?;
        (0..self.counters.len()).filter_map(|index| shared.turns_us(index, now_us)).min()
    }

    /// As [`asks`](Self::asks), once after the window of the limit at `index` has ended: what the calls will
    /// need that are still to come.
    pub fn turned(&self, index: usize, now_us: u64) -> Option<Wanted> {
        let shared = self.leased().filter(|_| !self.is_strict())?;
        shared.turned(index, now_us).then(|| shared.asks(index, now_us, 0)).flatten()
    }

    /// What was used of the limit at `index` beyond what was in hand and has not been told yet; it counts
    /// as told from now on, unless [`failed`](Self::failed) gives it back.
    pub fn owes(&self, index: usize, now_us: u64) -> Option<Wanted> {
        self.leased()?.owes(index, now_us)
    }

    /// The [`stand_in`](Self::stand_in) has let in a call: [`owes`](Self::owes) tells it when the
    /// authority has been heard again.
    pub fn lend(&self, cost: &Cost) {
        if let Some(shared) = self.leased() {
            shared.lend(self.config.limits().iter().map(|limit| cost.of(limit.unit)));
        }
    }

    /// The answer to what was asked at `asked_us`; wakes who waits for it. What it displaces has to be put
    /// back.
    pub fn granted(
        &self,
        index: usize,
        asked_us: u64,
        now_us: u64,
        granted: Granted,
    ) -> Option<Back> {
        self.leased()?.granted(index, asked_us, now_us, granted)
    }

    /// There was no answer to `wanted`; wakes who waits for one.
    pub fn failed(&self, index: usize, wanted: Wanted) {
        if let Some(shared) = self.leased() {
            shared.failed(index, wanted);
        }
    }

    /// Takes out of what is in hand of the limit at `index` what calls do not need, or all of it: to be put
    /// back.
    pub fn back(&self, index: usize, now_us: u64, all: bool) -> Option<Back> {
        self.leased()?.back(index, now_us, all)
    }

    /// The answers so far, for [`poll_answer`](Self::poll_answer).
    pub fn seen(&self) -> Seen {
        self.leased().map(Shared::seen).unwrap_or_default()
    }

    /// Ready when there was an answer since `seen`; `false`: there was none to be had.
    pub fn poll_answer(&self, seen: Seen, cx: &Context<'_>) -> Poll<bool> {
        self.leased().map_or(Poll::Ready(false), |shared| shared.poll_answer(seen, cx))
    }

    /// Says which part of the limit at `index` is this gateway's, where gateways split it. 0: none.
    pub fn set_part(&self, index: usize, units: u64) {
        if let Some(shared) = &self.shared {
            shared.set_part(index, units);
        }
    }

    /// Whether whoever divides the limits has to be told of this meter: said once, after its first call.
    /// False where nobody does.
    pub fn joins(&self) -> bool {
        let split =
            self.shared.as_ref().filter(|_| self.config.sharing().strategy == Strategy::Split);
        split.is_some_and(|shared| shared.joins())
    }

    /// Nobody divides the limits of this meter any more: all of them are its own until the next call tells
    /// of it again.
    pub fn leaves(&self) {
        if let Some(shared) = &self.shared {
            shared.leaves();
        }
    }

    /// How many calls there were since the last time that somebody asked this, let in or not. 0 where
    /// nobody shares the meter.
    pub fn demand(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.demand())
    }

    /// The meter that counts while the authority cannot be reached: this gateway's part, where
    /// `gateways` share the limits, by its own counters.
    pub fn stand_in(&self, gateways: u64) -> Option<&Arc<Self>> {
        let part = |limit: &Limit| limit.of(limit.amount() / gateways.max(1));
        let make = || {
            let limits = self.config.limits().iter().map(part).collect();
            Self::new(MeterConfig::of(limits, Sharing::default()))
        };
        self.leased().map(|shared| shared.stand_in(make))
    }

    /// Gives away a part of what is left of the limit at `index`, to be used elsewhere: it counts as used
    /// from now on. `share` says how much of what is left. Nothing where there is no such limit.
    pub fn grant(&self, index: usize, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        let found = self.each().nth(index);
        found.map_or(Granted::NOTHING, |(limit, counter)| counter.grant(limit, now_us, share))
    }

    /// Gives one of `gateways` that share the limit at `index` a portion of the `wanted` units. Of a pace that
    /// is used up those are given that come next, ahead of their times. Nothing where there is no such limit.
    pub fn lease(&self, index: usize, now_us: u64, wanted: u64, gateways: u64) -> Granted {
        match self.each().nth(index) {
            Some((Limit { measure: Measure::Rate(rate), .. }, Counter::Pace(pace))) => {
                pace.lease(*rate, now_us, wanted, gateways)
            }
            _ => self.grant(index, now_us, |left| portion(wanted, left, gateways)),
        }
    }

    /// Takes back units of a grant that nobody has used.
    pub fn put_back(&self, index: usize, back: Back) {
        if let Some((limit, counter)) = self.each().nth(index) {
            counter.settle(limit, back.place, back.granted_us, back.units, 0);
        }
    }

    /// Counts units that were used elsewhere without having been given away.
    pub fn charge(&self, index: usize, now_us: u64, units: u64) {
        let Some((limit, counter)) = self.each().nth(index) else { return };
        let place = counter.grant(limit, now_us, |_| 0).place;
        counter.settle(limit, place, now_us, 0, units);
    }

    /// How full each limit is, in their order; takes nothing.
    pub fn state(&self, now_us: u64) -> impl Iterator<Item = LimitState> {
        self.each().zip(0..).map(move |((limit, counter), index)| {
            let part = self.own_part(index).map(|part| limit.of(part));
            let (remaining, reset_us) = match self.leased() {
                Some(shared) => shared.state(index, limit, now_us),
                None => counter.state(&part.unwrap_or(*limit), now_us),
            };
            LimitState { limit: *limit, remaining, reset_us }
        })
    }

    /// How much of each limit is used, in their order; takes nothing.
    pub fn usage(&self, now_us: u64) -> impl Iterator<Item = LimitUsage> {
        self.state(now_us).zip(self.each()).zip(0..).map(move |((state, (_, counter)), index)| {
            let told = state.limit.amount().saturating_sub(state.remaining);
            let used = match (counter, state.limit.measure, self.leased()) {
                (Counter::Window(window), Measure::Quota(quota), None) => {
                    window.used(quota, now_us)
                }
                (Counter::Ring(ring), Measure::Quota(quota), None) => ring.used(quota, now_us),
                _ => told,
            };
            LimitUsage { state, used, part: self.own_part(index) }
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
        if let Some(shared) = self.leased() {
            shared.reset();
        }
        for counter in &self.counters {
            match counter {
                Counter::Pace(pace) => pace.reset(),
                Counter::Window(window) => window.reset(),
                Counter::Ring(ring) => ring.reset(),
            }
        }
    }

    /// The meter for these limits that goes on counting: this one, where they are its own. `name` is
    /// asked for as by [`named`](Self::named).
    #[must_use]
    pub fn under(
        self: &Arc<Self>,
        config: &MeterConfig,
        name: impl FnOnce() -> Subject,
    ) -> Arc<Self> {
        if self.config == *config {
            Arc::clone(self)
        } else {
            Arc::new(self.reconfigured(config, name))
        }
    }

    /// A meter with other limits that is as used as this one: each limit takes over the first that counts
    /// the same unit in the same way and is not taken over yet. Holds that are out stay with the old
    /// meter.
    #[must_use]
    pub fn reconfigured(&self, config: &MeterConfig, name: impl FnOnce() -> Subject) -> Self {
        let latest_us = self.latest_us.load(Ordering::Relaxed);
        let mut old: Vec<_> = self.each().collect();
        let counters = config.limits().iter().map(|limit| {
            let like = old.iter().position(|(before, _)| before.counts_like(limit));
            match like.map(|place| old.remove(place)) {
                Some((before, counter)) => Counter::of(limit, before, counter, latest_us),
                None => Counter::new(limit),
            }
        });
        let next = Self::named(config.clone(), name);
        if let (Some(keeping), Some(old)) = (&next.keeping, &self.keeping)
            && old.resumed.get().is_some()
        {
            // It was taken over already.
            keeping.resumed.get_or_init(|| ());
            next.news.store(STILL, Ordering::Relaxed);
        }
        Self { counters: counters.collect(), latest_us: AtomicU64::new(latest_us), ..next }
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

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
