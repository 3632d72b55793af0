//! Is a step in the life of an API taken at once, or asked for?

use plan::Problem;
use prost_types::Timestamp;
use turnpike_proto::config::v1::lifecycle::State as Life;

use super::asked::asked_about;
use super::held::event_of_state;
use super::request::{Wish, check_room, request_for, resource_of, tenant_of, waiting_about};
use crate::manage::change::{Manager, Wanted};
use crate::manage::error::ManageError;
use crate::manage::lifecycle::{Step, Taken, found, prepared, take};
use crate::manage::read::current;
use crate::people::Caller;
use crate::store::Revision;

/// What became of a step.
#[derive(Clone, Debug)]
pub enum Stepped {
    /// It is taken.
    Taken(Taken),
    /// It waits for a decision; the old state holds.
    Waiting {
        /// The identifier of the request.
        id: String,
        /// Where it still is.
        state: Life,
        /// The revision in which the request is stored.
        revision: Revision,
    },
}

/// Takes a step, or asks for it where a Workflow decides.
pub async fn change_state(
    manager: &Manager,
    by: &Caller,
    step: Step,
    now: Timestamp,
) -> Result<Stepped, ManageError> {
    let state = current(manager.catalog())?;
    let found = found(&state, &step)?;
    manager.get_to_change(by, &found)?;
    let prepared = prepared(&state, &step)?;
    let event = prepared.key.kind().and_then(event_of_state);
    let Some((event, (name, spec))) =
        event.and_then(|event| Some((event, asked_about(&state, event)?)))
    else {
        return take(manager, by, &step, &[]).await.map(Stepped::Taken);
    };
    if let Some((id, known)) = waiting_about(&state, &prepared.key) {
        return Err(ManageError::OutOfTurn(vec![Problem {
            resource: prepared.key.to_string(),
            reason: format!("the step {} waits for a decision already ({id})", known.wanted),
            suggestion: "have it decided first: `turnpike approvals list`".to_owned(),
            ..Problem::default()
        }]));
    }
    check_room(&state, 1)?;
    let from = prepared.from.as_str_name();
    let tenant = tenant_of(&state, &prepared.key);
    let subject = &prepared.key;
    let wish = Wish { event, subject, tenant: &tenant, wanted: step.action.name(), from };
    let mut request = request_for(&wish, (&name, &spec), by, now);
    if let Some(spec) = request.spec.as_mut() {
        spec.deprecate_old_versions = step.deprecate_old_versions;
        spec.require_resubscription = step.require_resubscription;
        spec.reason.clone_from(&step.reason);
    }
    let id = request.metadata.as_ref().map(|metadata| metadata.name.clone()).unwrap_or_default();
    let requests = vec![resource_of(request)];
    let wanted = Wanted { requests, reason: step.reason, ..Wanted::default() };
    let revision = manager.change(by, wanted).await?.revision;
    Ok(Stepped::Waiting { id, state: prepared.from, revision })
}
