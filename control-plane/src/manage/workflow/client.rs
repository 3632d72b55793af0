//! Is a client of an application made at once, or asked for?
//!
//! Its secret is shown once and to whoever asks, so it is not made while it waits: who has asked asks again
//! when it was approved, and the approval is used up with it.

use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::WorkflowRequestSpec;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;

use super::asked::asked_about;
use super::own::is_own;
use super::request::{
    Wish, all, check_room, request_for, resource_of, spec_mut, tenant_of, wish_of,
};
use crate::catalog::State;
use crate::manage::change::{Manager, Wanted};
use crate::manage::error::ManageError;
use crate::manage::read::current;
use crate::manage::view::shown;
use crate::people::Caller;

/// A client that somebody wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedClient<'c> {
    /// Of which application.
    pub(crate) application: &'c ResourceKey,
    /// Where it is made.
    pub(crate) key_manager: &'c str,
    /// Whether it reaches the sandbox backends.
    pub(crate) sandbox: bool,
}

/// What has to be stored with the client: that its approval is used up; nothing where nobody is asked. An error
/// says that it waits.
pub(crate) async fn permitted(
    by: &Caller,
    manager: &Manager,
    client: WantedClient<'_>,
) -> Result<Vec<Resource>, ManageError> {
    let event = if client.sandbox {
        Event::ApplicationRegistrationSandbox
    } else {
        Event::ApplicationRegistrationProduction
    };
    let state = current(manager.catalog())?;
    let Some((name, spec)) = asked_about(&state, event) else { return Ok(Vec::new()) };
    let about = |known: &WorkflowRequestSpec| {
        known.event() == event && known.subject == client.application.as_str()
    };
    let approved = all(&state).find(|(_, known)| {
        about(known)
            && known.state() == Standing::Approved
            && !known.used
            && known.wanted == client.key_manager
            && is_own(by, known)
    });
    if let Some((id, _)) = approved {
        return Ok(used_up(&state, &id).into_iter().collect());
    }
    let waits = |(_, known): &(String, WorkflowRequestSpec)| {
        about(known) && known.state() == Standing::Waiting
    };
    if let Some((id, _)) = all(&state).find(waits) {
        return Err(waiting(client.application, &id));
    }
    check_room(&state, 1)?;
    let tenant = tenant_of(&state, client.application);
    let of = (client.application, tenant.as_str());
    let wish = Wish { wanted: client.key_manager, ..wish_of(of, event) };
    let now = Timestamp { seconds: manager.clock.unix_seconds(), nanos: 0 };
    let request = request_for(&wish, (&name, &spec), by, now);
    let id = request.metadata.as_ref().map(|metadata| metadata.name.clone()).unwrap_or_default();
    let wanted = Wanted { requests: vec![resource_of(request)], ..Wanted::default() };
    manager.change(by, wanted).await?;
    Err(waiting(client.application, &id))
}

/// With its revision, so that nobody else uses it, too.
fn used_up(state: &State, id: &str) -> Option<Resource> {
    let mut request = shown(state, &ResourceKey::of_id(Kind::WorkflowRequest, id))?;
    spec_mut(&mut request)?.used = true;
    Some(request)
}

fn waiting(application: &ResourceKey, id: &str) -> ManageError {
    ManageError::OutOfTurn(vec![Problem {
        resource: application.to_string(),
        reason: format!("the client waits for a decision ({id})"),
        suggestion: "ask for it again once it is approved: `turnpike approvals list --all`"
            .to_owned(),
        ..Problem::default()
    }])
}
