//! What does a request that waits look like?

use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;
use turnpike_proto::config::v1::{Metadata, WorkflowRequest, WorkflowRequestSpec, WorkflowSpec};

use super::asked::asked_about;
use crate::catalog::State;
use crate::manage::error::ManageError;
use crate::people::Caller;

/// So many may wait.
const MOST_WAITING: usize = 10_000;
/// How long a request waits that says nothing else.
const USUAL_WAIT_S: i64 = 30 * 86_400;
/// Bytes of randomness in an identifier.
const ID_BYTES: usize = 12;

/// What somebody wants.
#[derive(Clone, Debug)]
pub(super) struct Wish<'w> {
    pub(super) event: Event,
    pub(super) subject: &'w ResourceKey,
    /// Whose the subject is.
    pub(super) tenant: &'w str,
    /// The tier, the step, or the key manager.
    pub(super) wanted: &'w str,
    /// Where the subject is now.
    pub(super) from: &'w str,
}

/// A request that waits for `workflow`.
pub(super) fn request_for(
    wish: &Wish<'_>,
    workflow: (&str, &WorkflowSpec),
    by: &Caller,
    now: Timestamp,
) -> WorkflowRequest {
    let (name, spec) = workflow;
    let waits = spec.expires_after.map_or(USUAL_WAIT_S, |span| span.seconds.max(1));
    let expires_at = Timestamp { seconds: now.seconds.saturating_add(waits), nanos: now.nanos };
    // An identifier starts with a letter or a digit.
    let id = format!("w{}", chassis::random::token(ID_BYTES));
    WorkflowRequest {
        metadata: Some(Metadata {
            name: id,
            tenant: wish.tenant.to_owned(),
            ..Metadata::default()
        }),
        spec: Some(WorkflowRequestSpec {
            event: wish.event.into(),
            subject: wish.subject.to_string(),
            asked_by: by.name().to_owned(),
            asked_for: by.user().to_owned(),
            asked_at: Some(now),
            expires_at: Some(expires_at),
            workflow: name.to_owned(),
            wanted: wish.wanted.to_owned(),
            from: wish.from.to_owned(),
            ..WorkflowRequestSpec::default()
        }),
        ..WorkflowRequest::default()
    }
}

/// The request for a wish, where somebody is asked about it. One that waits already for the same resource
/// is asked anew with what is wanted now.
pub(super) fn asked_anew(
    state: &State,
    wish: &Wish<'_>,
    by: &Caller,
    now: Timestamp,
) -> Option<WorkflowRequest> {
    let (name, spec) = asked_about(state, wish.event)?;
    let mut request = request_for(wish, (&name, &spec), by, now);
    let about = wish.subject.as_str();
    let same = all(state).find(|(_, known)| {
        known.state() == Standing::Waiting && known.event() == wish.event && known.subject == about
    });
    if let (Some((id, _)), Some(metadata)) = (same, request.metadata.as_mut()) {
        metadata.name = id;
    }
    Some(request)
}

/// A wish that says no more than what it is about. `of`: what, and whose.
pub(super) fn wish_of<'w>((subject, tenant): (&'w ResourceKey, &'w str), event: Event) -> Wish<'w> {
    Wish { event, subject, tenant, wanted: "", from: "" }
}

/// Whose a stored resource is.
pub(super) fn tenant_of(state: &State, key: &ResourceKey) -> String {
    let held = state.objects.get(key);
    let resource = held.as_ref().and_then(|held| held.resource());
    let metadata = resource.as_ref().and_then(|resource| plan::metadata(resource));
    metadata.map(|metadata| metadata.tenant.clone()).unwrap_or_default()
}

/// The identifier and content of what waits about a resource, whatever the event.
pub(crate) fn waiting_about(
    state: &State,
    subject: &ResourceKey,
) -> Option<(String, WorkflowRequestSpec)> {
    let about = |spec: &WorkflowRequestSpec| {
        spec.state() == Standing::Waiting && spec.subject == subject.as_str()
    };
    all(state).find(|(_, spec)| about(spec))
}

/// All requests, whatever became of them.
pub(super) fn all(state: &State) -> impl Iterator<Item = (String, WorkflowRequestSpec)> {
    state.objects.of_kind(Kind::WorkflowRequest).filter_map(|object| {
        match object.resource()?.into_owned().resource? {
            Any::WorkflowRequest(one) => Some((one.metadata?.name, one.spec?)),
            _ => None,
        }
    })
}

/// Refused where too many requests wait already.
pub(super) fn check_room(state: &State, more: usize) -> Result<(), ManageError> {
    let waiting = all(state).filter(|(_, spec)| spec.state() == Standing::Waiting).count();
    if waiting.saturating_add(more) <= MOST_WAITING {
        return Ok(());
    }
    Err(ManageError::OutOfTurn(vec![Problem {
        reason: format!("{waiting} requests wait for a decision already"),
        suggestion: "decide about some of them: `turnpike approvals list`".to_owned(),
        ..Problem::default()
    }]))
}

pub(super) fn resource_of(request: WorkflowRequest) -> Resource {
    Resource { resource: Some(Any::WorkflowRequest(request)) }
}

/// What a request says, to be changed.
pub(super) fn spec_mut(resource: &mut Resource) -> Option<&mut WorkflowRequestSpec> {
    match resource.resource.as_mut()? {
        Any::WorkflowRequest(one) => Some(one.spec.get_or_insert_default()),
        _ => None,
    }
}
