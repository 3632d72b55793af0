//! Whose turn is it?

use std::time::{Duration, Instant};

use plan::{Balance, EndpointPlan};

use super::view::{Own, View};

/// The most addresses of one endpoint: as many as a set of them has places.
pub const MOST_TARGETS: usize = 128;
/// A server that was out is tried by one call per this time.
const PROBE_AGAIN: Duration = Duration::from_secs(5);

/// Servers, each by its place; for what a call has tried already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    servers: u128,
    /// Whether a server that is not fit is better than none.
    even_unfit: bool,
}

impl Tried {
    /// With the one at `index`.
    #[must_use]
    pub const fn with(self, index: usize) -> Self {
        Self { servers: self.servers | bit(index), ..self }
    }

    /// The same, where a server that is not fit is better than none.
    #[must_use]
    pub const fn or_unfit(self) -> Self {
        Self { even_unfit: true, ..self }
    }

    /// Whether the one at `index` is among them.
    pub const fn has(self, index: usize) -> bool {
        self.servers & bit(index) != 0
    }
}

const fn bit(index: usize) -> u128 {
    if index < MOST_TARGETS { 1 << index } else { 0 }
}

/// When is it?
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For latencies.
    pub instant: Instant,
    /// On the clock that all workers share.
    pub ms: u64,
}

impl View {
    /// The place of the server for a call with this `hash`, if it has one, that was not `tried`
    /// before; `None`: all were.
    pub fn pick(
        &self,
        plan: &EndpointPlan,
        now: Now,
        hash: Option<u64>,
        mut tried: Tried,
    ) -> Option<usize> {
        loop {
            let index = match (self.own.as_slice(), &plan.balance) {
                ([_], _) => (!tried.has(0)).then_some(0)?,
                (_, Balance::P2cEwma) => self.better_of_two(plan, now, tried)?,
                (_, Balance::LeastRequests) => self.least(plan, now, tried)?,
                (_, Balance::RingHash(_)) if hash.is_some() => {
                    let usable = self.usable(plan, now.ms, tried);
                    let usable = |index: usize| usable & bit(index) != 0;
                    self.ring.as_ref()?.find(hash.unwrap_or_default(), usable)?
                }
                _ => self.in_turn(plan, now, tried)?,
            };
            if self.enter(index, now.ms) {
                return Some(index);
            }
            // Another call is trying it already.
            tried = tried.with(index);
        }
    }

    /// A call goes to the server at `index` whose turn was not asked for; `false`: not now.
    pub fn claim(&self, index: usize, now_ms: u64, tried: Tried) -> bool {
        let fit = self.own.get(index).is_some_and(|own| own.target.is_fit(now_ms));
        fit && !tried.has(index) && self.enter(index, now_ms)
    }

    fn enter(&self, index: usize, now_ms: u64) -> bool {
        self.own.get(index).is_some_and(|own| own.target.enter(now_ms, PROBE_AGAIN))
    }

    /// The servers that may be asked: those that are fit, or all where too few are.
    fn usable(&self, plan: &EndpointPlan, now_ms: u64, tried: Tried) -> u128 {
        let (mut fit, mut all) = (0, 0);
        for (index, own) in self.own.iter().enumerate() {
            all |= bit(index);
            if own.target.is_fit(now_ms) {
                fit |= bit(index);
            }
        }
        // With failover the next ones stand in until none is left.
        let least = if plan.balance == Balance::Failover { 0 } else { plan.ejection.panic_percent };
        let panics = fit == 0 || fit.count_ones() * 100 < least * all.count_ones();
        let left = if panics { all } else { fit } & !tried.servers;
        if left == 0 && tried.even_unfit { all & !tried.servers } else { left }
    }

    fn among(&self, set: u128) -> impl Iterator<Item = (usize, &Own)> {
        self.own.iter().enumerate().filter(move |(index, _)| set & bit(*index) != 0)
    }

    /// Smooth weighted round robin: everyone's turn comes nearer by their weight, and whose turn it
    /// is goes back by the weight of all.
    fn in_turn(&self, plan: &EndpointPlan, now: Now, tried: Tried) -> Option<usize> {
        let mut usable = self.usable(plan, now.ms, tried);
        if plan.balance == Balance::Failover {
            let priority = |own: &Own| plan.servers.get(own.target.server).map(|it| it.priority);
            let first = self.among(usable).filter_map(|(_, own)| priority(own)).min();
            let later = self.among(usable).filter(|(_, own)| priority(own) != first);
            usable &= !later.fold(0, |set, (index, _)| set | bit(index));
        }
        let (mut total, mut best) = (0, None::<(usize, &Own)>);
        for (index, own) in self.among(usable) {
            let share = own.target.share(plan.slow_start, now.ms);
            let weight = i64::try_from(u64::from(weight(plan, own)) * share).unwrap_or(100);
            own.turn.set(own.turn.get() + weight);
            total += weight;
            if best.is_none_or(|(_, best)| own.turn.get() > best.turn.get()) {
                best = Some((index, own));
            }
        }
        best.map(|(index, own)| {
            own.turn.set(own.turn.get() - total);
            index
        })
    }

    fn least(&self, plan: &EndpointPlan, now: Now, tried: Tried) -> Option<usize> {
        let usable = self.usable(plan, now.ms, tried);
        // Who comes first among equals changes.
        let random = self.random();
        let busy = |own: &Own| {
            let share = u64::from(weight(plan, own)) * own.target.share(plan.slow_start, now.ms);
            (u64::from(own.calls.get()) + 1) * 1_000_000 / share.max(1)
        };
        let draw = |index: usize| super::ring::mixed(random.wrapping_add(index as u64));
        let least = self.among(usable).min_by_key(|(index, own)| (busy(own), draw(*index)));
        least.map(|(index, _)| index)
    }

    fn better_of_two(&self, plan: &EndpointPlan, now: Now, tried: Tried) -> Option<usize> {
        let usable = self.usable(plan, now.ms, tried);
        let count = u64::from(usable.count_ones());
        if count < 2 {
            return self.among(usable).next().map(|(index, _)| index);
        }
        let random = self.random();
        let first = random % count;
        let second = (first + 1 + (random >> 32) % (count - 1)) % count;
        let nth = |n: u64| self.among(usable).nth(usize::try_from(n).unwrap_or(0));
        let cost = |own: &Own| {
            // A server that starts slowly looks as much slower.
            let share = u32::try_from(own.target.share(plan.slow_start, now.ms)).unwrap_or(100);
            own.cost(weight(plan, own) * share, now.instant)
        };
        let (one, other) = (nth(first)?, nth(second)?);
        Some(if cost(one.1) <= cost(other.1) { one.0 } else { other.0 })
    }
}

fn weight(plan: &EndpointPlan, own: &Own) -> u32 {
    plan.servers.get(own.target.server).map_or(1, |server| server.weight)
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
