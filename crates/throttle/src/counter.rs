//! How much of one limit is used, whatever kind it is of?
//!
//! What counts for a meter is a row of words, as many for each limit as its kind needs; a counter is a
//! view of those of one limit. There may be a million meters, and the words are most of what each holds.

use std::sync::atomic::AtomicU64;

use crate::quota::Window;
use crate::rate::Pace;
use crate::rolling::Ring;
use crate::{Granted, Limit, Measure, Quota};

/// In the place of a window: nothing was taken.
pub(crate) const NOT_TAKEN: u64 = u64::MAX;

/// The words of all limits of a meter, in their order.
#[derive(Debug)]
pub(crate) struct Counters(Box<[AtomicU64]>);

/// One limit at work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter<'a> {
    Pace(Pace<'a>),
    Window(Window<'a>),
    Ring(Ring<'a>),
}

impl Counters {
    /// Nothing is used of these limits.
    pub(crate) fn new(limits: &[Limit]) -> Self {
        let words = limits.iter().map(words).sum();
        Self(std::iter::repeat_with(AtomicU64::default).take(words).collect())
    }

    /// Those of `limits`, which are the ones that they were made for.
    pub(crate) fn each<'a>(
        &'a self,
        limits: &'a [Limit],
    ) -> impl Iterator<Item = (&'a Limit, Counter<'a>)> {
        let mut rest = &*self.0;
        limits.iter().filter_map(move |limit| {
            let (counter, behind) = Counter::first(limit, rest)?;
            rest = behind;
            Some((limit, counter))
        })
    }
}

fn words(limit: &Limit) -> usize {
    match limit.measure {
        Measure::Rate(_) => Pace::WORDS,
        Measure::Quota(quota) if quota.span().is_rolling() => Ring::WORDS,
        Measure::Quota(_) => 1,
    }
}

impl<'a> Counter<'a> {
    /// The counter of a limit whose words stand first, and the words behind them.
    fn first(limit: &Limit, words: &'a [AtomicU64]) -> Option<(Self, &'a [AtomicU64])> {
        Some(match limit.measure {
            Measure::Rate(_) => {
                let (words, rest) = words.split_first_chunk()?;
                (Self::Pace(Pace::of(words)), rest)
            }
            Measure::Quota(quota) if quota.span().is_rolling() => {
                let (words, rest) = words.split_first_chunk()?;
                (Self::Ring(Ring::of(words)), rest)
            }
            Measure::Quota(_) => {
                let (word, rest) = words.split_first()?;
                (Self::Window(Window::of(word)), rest)
            }
        })
    }

    /// Makes the unused counter of `limit` as full as `before`, which is one of `old`.
    pub(crate) fn take_over(self, limit: &Limit, old: &Limit, before: Counter<'_>, latest_us: u64) {
        match (limit.measure, old.measure, self, before) {
            (Measure::Rate(now), Measure::Rate(old), Self::Pace(pace), Counter::Pace(before)) => {
                pace.take_over(now, old, before);
            }
            (Measure::Quota(now), Measure::Quota(old), Self::Ring(ring), Counter::Ring(before))
                if now.span() == old.span() =>
            {
                ring.add_all(&before.words());
            }
            (Measure::Quota(now), Measure::Quota(old), _, Counter::Ring(before)) => {
                self.fill(now, before.used(old, latest_us), latest_us);
            }
            (Measure::Quota(now), Measure::Quota(old), _, Counter::Window(before)) => {
                self.fill(now, before.used(old, latest_us), latest_us);
            }
            _ => {}
        }
    }

    fn fill(self, quota: Quota, used: u64, now_us: u64) {
        let number = quota.span().number(now_us);
        match self {
            Self::Ring(ring) => ring.add_used(number, used),
            Self::Window(window) => window.add(quota, number, used),
            Self::Pace(_) => {}
        }
    }

    /// Takes room: the window where it was counted, and whether it went beyond. Or when to come again.
    pub(crate) fn take(
        self,
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

    pub(crate) fn grant(self, limit: &Limit, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.grant(rate, now_us, share),
            (Self::Window(window), Measure::Quota(quota)) => window.grant(quota, now_us, share),
            (Self::Ring(ring), Measure::Quota(quota)) => ring.grant(quota, now_us, share),
            _ => Granted::NOTHING,
        }
    }

    pub(crate) fn settle(self, limit: &Limit, place: u64, at_us: u64, units: u64, actual: u64) {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.settle(rate, at_us, units, actual),
            (Self::Window(window), Measure::Quota(quota)) => {
                window.settle(quota, place, units, actual);
            }
            (Self::Ring(ring), Measure::Quota(_)) => ring.settle(place, units, actual),
            _ => {}
        }
    }

    pub(crate) fn state(self, limit: &Limit, now_us: u64) -> (u64, u64) {
        match (self, limit.measure) {
            (Self::Pace(pace), Measure::Rate(rate)) => pace.state(rate, now_us),
            (Self::Window(window), Measure::Quota(quota)) => window.state(quota, now_us),
            (Self::Ring(ring), Measure::Quota(quota)) => ring.state(quota, now_us),
            _ => (limit.amount(), 0),
        }
    }

    pub(crate) fn reset(self) {
        match self {
            Self::Pace(pace) => pace.reset(),
            Self::Window(window) => window.reset(),
            Self::Ring(ring) => ring.reset(),
        }
    }
}
