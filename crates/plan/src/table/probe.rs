//! What tests ask of a plan.

use bytes::Bytes;
use turnpike_proto::config::v1::{Rejected, rejected::Serving};

use super::super::plan::Plan;
use crate::fixtures::{admitted, objects};
use crate::{Objects, ResourceKey};

pub(super) fn stored(objects: &Objects) -> Vec<(ResourceKey, Bytes)> {
    objects.iter().map(|object| (object.key().clone(), object.bytes().clone())).collect()
}

pub(super) fn plan(short: &str) -> Plan {
    let (plan, rejected) = Plan::empty().replaced(&stored(&admitted(short)));
    assert!(rejected.is_empty(), "{rejected:?}");
    plan
}

/// `plan` with these resources written, without admission.
pub(super) fn changed(plan: &Plan, short: &str) -> Plan {
    plan.next(&stored(&objects(short)), &[]).0
}

pub(super) fn without(plan: &Plan, keys: &[&str]) -> Plan {
    let keys: Vec<ResourceKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
    plan.next(&[], &keys).0
}

/// "host path" → which API, in which state, with which rest.
pub(super) fn found(plan: &Plan, call: &str) -> String {
    let (host, path) = call.split_once(' ').unwrap_or(("any", call));
    match plan.find(host, path) {
        None => "nothing".to_owned(),
        Some(hit) => {
            let state = match (&hit.api.broken, hit.api.lifecycle) {
                (Some(_), _) => " broken".to_owned(),
                (None, state) if state.as_str_name() == "PUBLISHED" => String::new(),
                (None, state) => format!(" {}", state.as_str_name()),
            };
            format!("{}{state} {}", hit.api.id, hit.rest).trim_end().to_owned()
        }
    }
}

#[track_caller]
pub(super) fn check(plan: &Plan, call: &str, said: &str) {
    assert_eq!(found(plan, call), said, "{call}");
}

pub(super) fn rejected(plan: &Plan) -> String {
    let line = |one: Rejected| {
        let serving = if one.serving == i32::from(Serving::Previous) { "previous" } else { "none" };
        format!("{} {}: {} (serving {serving})", one.key, one.field, one.reason)
    };
    plan.rejected().into_iter().map(line).collect::<Vec<_>>().join("\n")
}
