//! What does a meter that gateways share ask, and what is it told?

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::answers::Seen;
use crate::shared::{Correction, Shared, Wanted};
use crate::{Back, Cost, Granted, Limit, Meter, MeterConfig, Sharing, Strategy};

impl Meter {
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

    /// Whether units should be asked for ahead, so that they are there in time: said after a hold, let in or
    /// not, and cheap. `None`: all is well, or nobody is asked.
    pub fn low(&self, now_us: u64) -> Option<usize> {
        let shared = self.leased()?;
        // Who is asked call by call is not asked ahead.
        if self.is_strict() {
            return None;
        }
        (0..self.config.limits().len()).find(|index| shared.is_low(*index, now_us))
    }

    /// What to ask the authority of the limit at `index` for, if it is time to and nobody does; `needed`
    /// is what a call that waits needs of it. Whoever gets an answer to this has to ask, and to tell what
    /// came of it by [`granted`](Self::granted) or [`failed`](Self::failed).
    pub fn asks(&self, index: usize, now_us: u64, needed: u64) -> Option<Wanted> {
        self.leased()?.asks(index, now_us, needed)
    }

    /// When units of a window that begins are to be asked for, because calls go on that will need them: the next
    /// such moment by this gateway's clock. `None`: there is none, or nobody is asked ahead.
    pub fn turns_us(&self, now_us: u64) -> Option<u64> {
        let shared = self.leased().filter(|_| !self.is_strict())?;
        (0..self.config.limits().len()).filter_map(|index| shared.turns_us(index, now_us)).min()
    }

    /// As [`asks`](Self::asks), once before the next window of the limit at `index` begins, and once after the
    /// one before has ended: what the calls will need that are still to come.
    pub fn turned(&self, index: usize, now_us: u64) -> Option<Wanted> {
        self.leased().filter(|_| !self.is_strict())?.turned(index, now_us)
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
        let limit = self.config.limits().get(index)?;
        self.leased()?.granted(index, limit, asked_us, now_us, granted)
    }

    /// There was no answer to `wanted`; wakes who waits for one.
    pub fn failed(&self, index: usize, wanted: Wanted) {
        if let Some(shared) = self.leased() {
            shared.failed(index, wanted);
        }
    }

    /// Takes out of what is in hand of the limit at `index` what calls do not need, or all of it: to be put
    /// back.
    pub fn back(&self, index: usize, now_us: u64, all: bool) -> impl Iterator<Item = Back> {
        let shared = self.leased();
        shared.into_iter().flat_map(move |shared| shared.back(index, now_us, all))
    }

    /// The answers so far, for [`poll_answer`](Self::poll_answer).
    pub fn seen(&self) -> Seen {
        self.leased().map(|shared| shared.answers.seen()).unwrap_or_default()
    }

    /// Ready when there was an answer since `seen`; `false`: there was none to be had.
    pub fn poll_answer(&self, seen: Seen, cx: &Context<'_>) -> Poll<bool> {
        self.leased().map_or(Poll::Ready(false), |shared| shared.answers.poll(seen, cx))
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
}
