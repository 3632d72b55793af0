//! How is a rollout shown?

use prost_types::Timestamp;
use turnpike_proto::admin::v1 as wire;

use super::watched::Watched;
use crate::catalog::Rollout;

/// With what is `seen` of its step here.
pub(super) fn shown(rollout: &Rollout, seen: Option<&Watched>) -> wire::Rollout {
    let seen = seen.filter(|_| !rollout.has_ended());
    wire::Rollout {
        name: rollout.name.clone(),
        state: rollout.stage,
        plan: Some(rollout.plan.clone()),
        step: rollout.step,
        resources: rollout.touched.iter().map(|touched| touched.key.clone()).collect(),
        reason: rollout.reason.clone(),
        problems: rollout.problems.clone(),
        by: rollout.by.clone(),
        started_at: Some(time(rollout.started_at_us)),
        since: Some(time(rollout.since_us)),
        wave: seen.map(|seen| seen.wave),
        rest: seen.and_then(|seen| seen.rest),
        gateways: seen.map(|seen| seen.members.clone()).unwrap_or_default(),
    }
}

fn time(unix_us: i64) -> Timestamp {
    let nanos = i32::try_from(unix_us.rem_euclid(1_000_000)).unwrap_or(0).saturating_mul(1000);
    Timestamp { seconds: unix_us.div_euclid(1_000_000), nanos }
}
