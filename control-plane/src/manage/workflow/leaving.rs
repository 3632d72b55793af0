//! What of these removals has to wait?
//!
//! Somebody may be asked before an application or a subscription goes; until then it is used as ever. What
//! waits itself, or was refused, goes at once: nobody uses it.

use plan::{Kind, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State as Right;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::{ApplicationSpec, SubscriptionSpec, application_spec};

use super::request::{asked_anew, check_room, resource_of, tenant_of, wish_of};
use crate::catalog::State;
use crate::manage::error::ManageError;
use crate::people::Caller;

/// Those that go at once, and the requests that wait for the others.
pub(crate) fn leaving(
    state: &State,
    by: &Caller,
    now: Timestamp,
    removals: Vec<ResourceKey>,
) -> Result<(Vec<ResourceKey>, Vec<Resource>), ManageError> {
    let (mut at_once, mut waiting) = (Vec::new(), Vec::new());
    for key in removals {
        let tenant = tenant_of(state, &key);
        let asked = event_of(state, &key)
            .and_then(|event| asked_anew(state, &wish_of((&key, &tenant), event), by, now));
        match asked {
            Some(request) => waiting.push(resource_of(request)),
            None => at_once.push(key),
        }
    }
    if !waiting.is_empty() {
        check_room(state, waiting.len())?;
    }
    Ok((at_once, waiting))
}

fn event_of(state: &State, key: &ResourceKey) -> Option<Event> {
    if !matches!(key.kind(), Some(Kind::Application | Kind::Subscription)) {
        return None;
    }
    match &state.objects.get(key)?.resource()?.resource {
        Some(Any::Application(one)) => {
            let standing = one.spec.as_ref().map(ApplicationSpec::state).unwrap_or_default();
            (standing == application_spec::State::Approved).then_some(Event::ApplicationDeletion)
        }
        Some(Any::Subscription(one)) => {
            let right = one.spec.as_ref().map(SubscriptionSpec::state).unwrap_or_default();
            let undecided = matches!(right, Right::OnHold | Right::Rejected);
            (!undecided).then_some(Event::SubscriptionDeletion)
        }
        _ => None,
    }
}
