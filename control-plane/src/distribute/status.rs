//! How is a stored resource doing at the gateways?
//!
//! A resource has arrived only when every gateway that needs it has answered for a revision at least
//! as new. Who went away a moment ago is still waited for; what is not known counts as not there.

use std::sync::Arc;

use plan::ResourceKey;
use prost_types::Timestamp;
use turnpike_proto::config::v1::{Accepted, Programmed, RejectedBy, ResourceStatus};

use super::gateways::{GatewayRow, Gateways};
use super::slices::Slices;
use crate::catalog::State;

/// How many gateways that refuse a resource are named.
const NAMED: usize = 20;

/// All gateways at one moment.
#[derive(Debug)]
pub struct Fleet<'s> {
    rows: Vec<GatewayRow>,
    slices: &'s Slices,
    state: Arc<State>,
}

impl<'s> Fleet<'s> {
    /// As they are at `now_us`, beside the resources of `state`.
    pub fn new(gateways: &Gateways, slices: &'s Slices, state: Arc<State>, now_us: i64) -> Self {
        let mut rows = gateways.rows();
        rows.retain(|row| row.expected_for(now_us).is_some());
        Self { rows, slices, state }
    }

    /// How the resource is doing; none: there is none.
    pub fn status(&self, key: &ResourceKey) -> Option<ResourceStatus> {
        let revision = self.state.stamps.get(key)?.revision;
        let rollout = self.state.rollout().filter(|rollout| rollout.touches(key.as_str()));
        let (mut gateways, mut of) = (0_u32, 0_u32);
        let (mut rejected, mut rejecting) = (Vec::new(), 0_u32);
        for row in &self.rows {
            let refusal = refusal(row, key);
            // Who refuses it has it, whatever else is known of it.
            let needs = refusal.is_some() || self.slices.need(&row.labels, key).unwrap_or(true);
            if !needs {
                continue;
            }
            of = of.saturating_add(1);
            // In the wave of a rollout another form is served than the one that is stored.
            let is_other = rollout.is_some_and(|it| it.has(&row.node, &row.labels));
            if refusal.is_none() && !is_other && row.is_at(&self.state.epoch, revision) {
                gateways = gateways.saturating_add(1);
            }
            if let Some(refusal) = refusal {
                rejecting = rejecting.saturating_add(1);
                rejected.push(refusal);
            }
        }
        rejected.truncate(NAMED);
        let programmed = Programmed { all: gateways == of, revision, gateways, of };
        let rollout = rollout.map(|rollout| rollout.name.clone()).unwrap_or_default();
        Some(ResourceStatus {
            accepted: Some(Accepted { revision, rollout }),
            programmed: (of > 0).then_some(programmed),
            rejected,
            rejecting,
        })
    }
}

fn refusal(row: &GatewayRow, key: &ResourceKey) -> Option<RejectedBy> {
    let at = row.rejected.iter().position(|one| one.key == key.as_str())?;
    let one = row.rejected.get(at)?;
    let since_us = row.rejected_since_us.get(at).copied().unwrap_or(0);
    Some(RejectedBy {
        gateway: row.node.clone(),
        reason: one.reason.clone(),
        field: one.field.clone(),
        serving: one.serving,
        since: (since_us != 0)
            .then(|| Timestamp { seconds: since_us.div_euclid(1_000_000), nanos: 0 }),
    })
}
