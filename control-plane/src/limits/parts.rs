//! Which part of a limit is whose, where gateways split it?
//!
//! Parts follow the demand and add up to the limit, also while they change: what one is to have more, the
//! others have to have let go of first. Who is not heard any more keeps its part for `PART_US`, because it
//! goes by it; then, for `KEPT_US`, no more than the limit by heads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ahash::RandomState;
use throttle::{Limit, Measure, split};

use super::authority::Key;
use super::claim::{Claim, InForce};
use super::members::Stream;

/// For how long the part counts of a gateway that is not heard any more.
pub(super) const PART_US: u64 = 5_000_000;
/// For how long something is kept for it.
pub(super) const KEPT_US: u64 = 60_000_000;
/// How often it is looked for those who have fallen silent.
const SWEEP_US: u64 = 1_000_000;
/// How many limits are split. Beyond them gateways stay with what they have.
const MOST: usize = 200_000;

/// What a gateway reports of a limit.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) stream: Stream,
    /// The gateway behind it, also when it comes back on another stream.
    pub(super) node: Arc<str>,
    pub(super) key: Key,
    pub(super) claim: Claim,
    pub(super) demand: u64,
    /// 0: it has done with it.
    pub(super) part: u64,
    pub(super) used: u64,
}

/// What a gateway is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) stream: Stream,
    pub(super) key: Key,
    pub(super) part: u64,
}

#[derive(Debug, Default)]
pub(super) struct Parts {
    limits: HashMap<Key, Shares, RandomState>,
    /// Those about which something was heard since the latest look.
    stirred: BTreeSet<Key>,
    swept_us: u64,
}

#[derive(Debug)]
struct Shares {
    is: InForce,
    members: BTreeMap<Arc<str>, Member>,
}

#[derive(Debug)]
struct Member {
    stream: Stream,
    demand: u64,
    used: u64,
    /// What it was told last,
    told: u64,
    /// and the most that it may go by.
    holds: u64,
    heard_us: u64,
    is_there: bool,
}

impl Parts {
    /// How many limits are split.
    pub(super) fn len(&self) -> usize {
        self.limits.len()
    }

    /// A gateway reports.
    pub(super) fn report(&mut self, now_us: u64, report: &Report) {
        let Report { stream, ref node, key, claim, demand, part, used } = *report;
        if self.limits.len() >= MOST && !self.limits.contains_key(&key) {
            return;
        }
        let shares = self.limits.entry(key).or_insert_with(|| Shares {
            is: InForce::new(claim, now_us),
            members: BTreeMap::new(),
        });
        shares.is.hear(claim, now_us);
        self.stirred.insert(key);
        if part == 0 && demand == 0 {
            shares.members.remove(node);
            return;
        }
        let before = shares.members.get(node).filter(|before| before.stream == stream);
        // What it was told it goes by soon, unless it is less than what it says: then it will say so.
        let told = before.map_or(part, |before| before.told.max(part));
        let member =
            Member { stream, demand, used, told, holds: told, heard_us: now_us, is_there: true };
        shares.members.insert(Arc::clone(node), member);
    }

    /// A gateway is not heard any more.
    pub(super) fn lose(&mut self, stream: Stream) {
        for (key, shares) in &mut self.limits {
            let lost = shares.members.values_mut().find(|member| member.stream == stream);
            if let Some(member) = lost {
                member.is_there = false;
                self.stirred.insert(*key);
            }
        }
    }

    /// What is to be told now.
    pub(super) fn look(&mut self, now_us: u64) -> Vec<Told> {
        let mut told = Vec::new();
        for key in std::mem::take(&mut self.stirred) {
            let Some(shares) = self.limits.get_mut(&key) else { continue };
            shares.age(now_us);
            told.extend(shares.divide(key));
            if shares.members.is_empty() {
                self.limits.remove(&key);
            } else if shares.members.values().any(|member| !member.is_there) {
                self.stirred.insert(key);
            }
        }
        told
    }

    /// Looks at all of them now and then: who has fallen silent is lost, whatever its stream does.
    pub(super) fn sweep(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.swept_us) < SWEEP_US {
            return;
        }
        self.swept_us = now_us;
        let silent = |member: &Member| now_us.saturating_sub(member.heard_us) > PART_US;
        let silent = self.limits.iter().filter(|(_, shares)| shares.members.values().any(silent));
        self.stirred.extend(silent.map(|(key, _)| *key));
    }

    /// The line of revisions begins anew.
    pub(super) fn forget_revisions(&mut self) {
        self.limits.values_mut().for_each(|shares| shares.is.forget_revision());
    }
}

impl Shares {
    fn amount(&self) -> u64 {
        Limit::of_calls(self.is.claim.measure).amount()
    }

    /// Lets go of what is not kept any more for those who are silent.
    fn age(&mut self, now_us: u64) {
        let by_heads = self.amount() / (self.members.len() as u64).max(1);
        self.members.retain(|_, member| {
            let age_us = now_us.saturating_sub(member.heard_us);
            if age_us > PART_US {
                member.is_there = false;
                member.holds = member.holds.min(by_heads);
            }
            age_us <= KEPT_US
        });
    }

    /// New parts of those who are there, as far as others have let go of what they are to have less.
    fn divide(&mut self, key: Key) -> Vec<Told> {
        let away: u64 = self.away();
        let there = || self.members.iter().filter(|(_, member)| member.is_there);
        let demands: Vec<u64> = there().map(|(_, member)| member.demand).collect();
        let counts_windows = matches!(self.is.claim.measure, Measure::Quota(_));
        let used = |member: &Member| if counts_windows { member.used } else { 0 };
        let all_used: u64 = there().map(|(_, member)| used(member)).sum();
        let free = self.amount().saturating_sub(away).saturating_sub(all_used);
        let target =
            |member: &Member, mine| used(member).saturating_add(split(free, &demands, mine));
        let targets: Vec<(Arc<str>, u64)> = there()
            .zip(0..)
            .map(|((node, member), mine)| (Arc::clone(node), target(member, mine)))
            .collect();
        let mut told = Vec::new();
        for grows in [false, true] {
            for (node, target) in &targets {
                let others = self.others(node);
                let room = self.amount().saturating_sub(others);
                let Some(member) = self.members.get_mut(node) else { continue };
                if (*target > member.holds) != grows {
                    continue;
                }
                let part = if grows { (*target).min(room).max(member.holds) } else { *target };
                if part != member.told {
                    member.told = part;
                    member.holds = member.holds.max(part);
                    told.push(Told { stream: member.stream, key, part });
                }
            }
        }
        told
    }

    /// What those hold who are not there.
    fn away(&self) -> u64 {
        let away = self.members.values().filter(|member| !member.is_there);
        away.map(|member| member.holds).fold(0, u64::saturating_add)
    }

    fn others(&self, node: &str) -> u64 {
        let others = self.members.iter().filter(|(other, _)| &***other != node);
        others.map(|(_, member)| member.holds).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
