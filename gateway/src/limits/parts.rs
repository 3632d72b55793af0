//! Which parts of limits that gateways split does this one go by?
//!
//! Each second it tells how much was asked of it, and hears which parts are its own from now on. What it was
//! told counts for as long as the control plane says. After that it goes by no more than the limit by heads,
//! and when nothing is kept for it any more by just that: all who are cut off together never let in more
//! than the limit.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ahash::RandomState;
use throttle::{Measure, Meter, Subject};
use turnpike_proto::config::v1::share_request::Message;
use turnpike_proto::config::v1::{LimitPart, LimitParts, LimitReport, LimitReports};

use super::to_proto::shared_limit;
use crate::rpc::limits::Handle;

/// How often the demand is told.
const REPORT_US: u64 = 1_000_000;
/// Fewer calls than come in so long tell nothing of a pace.
const SHORTEST_US: u64 = 200_000;
/// Who had no call for so long does not take part any more.
const QUIET_US: u64 = 60_000_000;
/// How many subjects take part. Beyond them each has the limit by heads.
const MOST: usize = 100_000;
/// How many reports may be without an answer.
const UNANSWERED: usize = 64;

/// The parts of one gateway.
#[derive(Debug)]
pub(super) struct Parts {
    handle: Handle,
    subjects: HashMap<Subject, Entry, RandomState>,
    /// Numbers of reports, and when they were sent.
    sent: VecDeque<(u64, u64)>,
    latest: u64,
    reported_us: u64,
    /// When the latest report was sent that was answered, and for how long parts count after it.
    heard_us: u64,
    ends_us: u64,
    kept_us: u64,
}

#[derive(Debug)]
struct Entry {
    meter: Arc<Meter>,
    parts: Vec<u64>,
    /// Calls a second, of late.
    demand: u64,
    /// When it was looked for it,
    looked_us: u64,
    /// and when there was one last.
    called_us: u64,
}

impl Parts {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            handle,
            subjects: HashMap::default(),
            sent: VecDeque::new(),
            latest: 0,
            reported_us: 0,
            heard_us: 0,
            ends_us: 0,
            kept_us: 0,
        }
    }

    /// A meter takes part: by the limit by heads, until it is told, or by what its subject had.
    pub(super) fn join(&mut self, now_us: u64, meter: Arc<Meter>, gateways: u64) {
        let Some(name) = meter.name() else { return };
        let before =
            self.subjects.get(&name).map(|entry| entry.parts.as_slice()).unwrap_or_default();
        let limits = meter.config().limits().iter().enumerate();
        let parts = limits.map(|(index, limit)| {
            let by_heads = by_heads(limit.amount(), gateways);
            before.get(index).map_or(by_heads, |part| (*part).min(limit.amount()))
        });
        let parts: Vec<u64> = parts.collect();
        parts.iter().enumerate().for_each(|(index, part)| meter.set_part(index, *part));
        if self.subjects.len() >= MOST && !self.subjects.contains_key(&name) {
            return;
        }
        let entry = Entry { meter, parts, demand: 1, looked_us: now_us, called_us: now_us };
        let said = reports_of(name, &entry, now_us);
        self.subjects.insert(name, entry);
        self.report(now_us, said);
    }

    /// Tells the demand when it is time to, and goes by less when nothing was heard for long.
    pub(super) fn look_after(&mut self, now_us: u64, gateways: u64) {
        self.age(now_us, gateways);
        if now_us.saturating_sub(self.reported_us) < REPORT_US {
            return;
        }
        self.reported_us = now_us;
        let mut said = Vec::new();
        self.subjects.retain(|name, entry| {
            entry.look(now_us);
            let is_over =
                entry.meter.is_retired() || now_us.saturating_sub(entry.called_us) > QUIET_US;
            if is_over {
                (entry.demand, entry.parts) = (0, vec![0; entry.parts.len()]);
                entry.meter.leaves();
            }
            said.extend(reports_of(*name, entry, now_us));
            !is_over
        });
        self.report(now_us, said);
    }

    /// Goes by what was told.
    pub(super) fn told(&mut self, now_us: u64, told: &LimitParts) {
        while let Some((number, sent_us)) = self.sent.front().copied()
            && number <= told.report
        {
            self.sent.pop_front();
            self.heard_us = sent_us;
        }
        (self.ends_us, self.kept_us) = (told.ends_us, told.kept_us);
        let mut said = Vec::new();
        for part in &told.parts {
            said.extend(self.told_one(now_us, part));
        }
        // Who has less now says so at once: others wait for it.
        if !said.is_empty() {
            self.report(now_us, said);
        }
    }

    /// Goes by one part; says what is to be reported of it.
    fn told_one(&mut self, now_us: u64, told: &LimitPart) -> Option<LimitReport> {
        let name = Subject(told.counter.as_slice().try_into().ok()?);
        let entry = self.subjects.get_mut(&name)?;
        let index = usize::try_from(told.index).ok()?;
        let used = used(entry, index, now_us);
        let part = entry.parts.get_mut(index)?;
        let (before, next) = (*part, told.part.max(used));
        *part = next;
        entry.meter.set_part(index, next);
        (next < before).then(|| report_of(name, entry, index, now_us)).flatten()
    }

    /// The stream has ended.
    pub(super) fn closed(&mut self) {
        self.sent.clear();
    }

    fn age(&mut self, now_us: u64, gateways: u64) {
        let age_us = now_us.saturating_sub(self.heard_us);
        if self.heard_us == 0 || age_us <= self.ends_us {
            return;
        }
        for entry in self.subjects.values_mut() {
            let limits = entry.meter.config().limits().iter();
            for ((index, limit), part) in limits.enumerate().zip(&mut entry.parts) {
                let by_heads = by_heads(limit.amount(), gateways);
                let next = if age_us > self.kept_us { by_heads } else { (*part).min(by_heads) };
                if next != *part {
                    *part = next;
                    entry.meter.set_part(index, next);
                }
            }
        }
    }

    fn report(&mut self, now_us: u64, limits: Vec<LimitReport>) {
        if limits.is_empty() {
            return;
        }
        self.latest = self.latest.wrapping_add(1);
        let reports = LimitReports { report: self.latest, limits };
        if self.handle.tell(Message::Reports(reports)).is_ok() {
            if self.sent.len() >= UNANSWERED {
                self.sent.pop_front();
            }
            self.sent.push_back((self.latest, now_us));
        }
    }
}

impl Entry {
    /// Looks how many calls there were. Gateways look at other moments, so calls are told by their pace;
    /// who has just begun is looked at a little later.
    fn look(&mut self, now_us: u64) {
        let since_us = now_us.saturating_sub(self.looked_us);
        if since_us < SHORTEST_US {
            return;
        }
        let calls = self.meter.demand();
        let pace = u128::from(calls) * u128::from(REPORT_US) / u128::from(since_us.max(1));
        self.demand = u64::try_from(pace).unwrap_or(u64::MAX).max(calls.min(1));
        self.looked_us = now_us;
        if calls > 0 {
            self.called_us = now_us;
        }
    }
}

/// At least one unit: who has none cannot begin.
fn by_heads(amount: u64, gateways: u64) -> u64 {
    (amount / gateways.max(1)).max(1)
}

/// How much of a part is used in the window that has begun.
fn used(entry: &Entry, index: usize, now_us: u64) -> u64 {
    let state = entry.meter.state(now_us).nth(index);
    let part = entry.parts.get(index).copied().unwrap_or(0);
    state.map_or(0, |state| match state.limit.measure {
        Measure::Quota(_) => part.saturating_sub(state.remaining),
        Measure::Rate(_) => 0,
    })
}

fn report_of(name: Subject, entry: &Entry, index: usize, now_us: u64) -> Option<LimitReport> {
    let limit = entry.meter.config().limits().get(index)?;
    Some(LimitReport {
        limit: Some(shared_limit(name, index, limit)),
        demand: entry.demand,
        part: entry.parts.get(index).copied()?,
        used: used(entry, index, now_us),
    })
}

fn reports_of(name: Subject, entry: &Entry, now_us: u64) -> Vec<LimitReport> {
    let places = 0..entry.parts.len();
    places.filter_map(|index| report_of(name, entry, index, now_us)).collect()
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
