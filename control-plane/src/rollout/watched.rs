//! What has this control plane seen of the step that is under way?
//!
//! Only in memory: another control plane, or this one after a restart, begins to watch anew, which
//! makes a step longer and never shorter.

use std::collections::BTreeMap;
use std::time::Instant;

use turnpike_proto::admin::v1::CallFigures;

use super::calls::Calls;
use super::judge::{Member, Sight};
use crate::catalog::{Rollout, State};
use crate::distribute::GatewayRow;
use crate::store::Revision;

/// A step as it is seen from here.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    name: String,
    step: u32,
    /// The state in which it was seen first; who has answered for it has the change.
    epoch: String,
    revision: Revision,
    begun: Instant,
    /// Since when the whole wave serves the change.
    served: Option<Instant>,
    /// When each gateway of the wave served the change last.
    last: BTreeMap<String, Instant>,
    /// The calls of gateways before they count.
    bases: BTreeMap<String, Calls>,
    /// The last that was seen.
    pub(super) wave: CallFigures,
    pub(super) rest: Option<CallFigures>,
    pub(super) members: Vec<String>,
}

impl Watched {
    /// Begins to watch the step of `rollout` in `state`.
    pub(super) fn begin(rollout: &Rollout, state: &State, now: Instant) -> Self {
        Self {
            name: rollout.name.clone(),
            step: rollout.step,
            epoch: state.epoch.to_string(),
            revision: state.revision,
            begun: now,
            served: None,
            last: BTreeMap::new(),
            bases: BTreeMap::new(),
            wave: CallFigures::default(),
            rest: None,
            members: Vec::new(),
        }
    }

    /// Whether it is this step that is watched. A rollout that waits is at the same step.
    pub(super) fn is_of(&self, rollout: &Rollout) -> bool {
        self.name == rollout.name && self.step == rollout.step
    }

    /// Looks at `rows`, the gateways for which the change means something.
    pub(super) fn look(&mut self, rollout: &Rollout, rows: &[GatewayRow], now: Instant) -> Sight {
        let (inside, outside): (Vec<&GatewayRow>, Vec<&GatewayRow>) =
            rows.iter().partition(|row| rollout.has(&row.node, &row.labels));
        // Who was gone before the rollout began has nothing to do with it.
        let inside: Vec<&GatewayRow> = inside
            .into_iter()
            .filter(|row| row.connected || row.last_seen_us >= rollout.started_at_us)
            .collect();
        let members: Vec<Member> =
            inside.iter().map(|row| self.member(rollout, row, now)).collect();
        let serves = |member: &Member| member.behind_for.is_none();
        let whole = !members.is_empty() && members.iter().all(serves);
        if whole {
            self.served.get_or_insert(now);
        }
        let there = inside.iter().zip(&members).filter(|(_, member)| serves(member));
        let there: Vec<&GatewayRow> = there.map(|(row, _)| *row).collect();
        let wave = self.calls(&there);
        self.wave = wave.figures();
        let outside: Vec<&GatewayRow> = outside.into_iter().filter(|row| row.connected).collect();
        let rest = self.calls(&outside);
        let beside = rest.figures();
        // Where nobody is outside of the wave, there is what was seen before.
        self.rest = if outside.is_empty() { rollout.baseline } else { Some(beside) };
        self.members = members.iter().map(|member| member.node.clone()).collect();
        let since = |moment: Instant| now.duration_since(moment);
        Sight {
            stage: rollout.stage(),
            pauses: rollout.plan.pauses,
            nobody: rows.iter().all(|row| !row.connected),
            begins_with_all: false,
            members,
            wave: self.wave,
            rest: self.rest,
            apis: wave.beside(&rest),
            seen_for: since(self.begun),
            served_for: self.served.map(since).filter(|_| whole),
        }
    }

    fn member(&mut self, rollout: &Rollout, row: &GatewayRow, now: Instant) -> Member {
        let has_answered = row.is_at(&self.epoch, self.revision);
        let last = self.last.entry(row.node.clone()).or_insert(self.begun);
        let serves = row.connected && row.in_sync && has_answered;
        if serves {
            *last = now;
        }
        let behind_for = (!serves).then(|| now.duration_since(*last));
        let is_new = |key: &str| {
            rollout.touches(key) || !rollout.refused_before.iter().any(|before| before == key)
        };
        let refuses = row.rejected.iter().filter(|_| has_answered);
        let mut refuses = refuses.filter(|rejected| is_new(&rejected.key));
        Member {
            node: row.node.clone(),
            is_connected: row.connected,
            behind_for,
            refuses: refuses.next().map(|one| format!("{}: {}", one.key, one.reason)),
        }
    }

    /// The calls of these gateways since each was seen first.
    fn calls(&mut self, rows: &[&GatewayRow]) -> Calls {
        let mut all = Calls::default();
        for row in rows {
            let Some(report) = &row.report else { continue };
            let calls = Calls::of(report);
            let base = self.bases.entry(row.node.clone()).or_insert_with(|| calls.clone());
            all.add(&calls.since(base));
        }
        all
    }
}
