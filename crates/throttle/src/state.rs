//! How full are the limits of a subject?

use crate::counter::Counter;
use crate::{Limit, Measure, Meter};

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

impl Meter {
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
}
