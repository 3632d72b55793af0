//! How is a request decided?
//!
//! Once: what it asks for, and that it was decided, are written in one transaction, which names the
//! revision of the request. Where what it is about has changed meanwhile, it means nothing any more, and
//! that is what is written.

use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State as Right;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;
use turnpike_proto::config::v1::{WorkflowRequestSpec, application_spec};

use super::list::request;
use super::own::forbids;
use super::request::spec_mut;
use crate::catalog::State;
use crate::manage::change::{Manager, Removal, Wanted};
use crate::manage::error::ManageError;
use crate::manage::lifecycle::{Step, life_of, take};
use crate::manage::read::current;
use crate::manage::view::{shown, tier};
use crate::people::Caller;

/// How often a decision starts again because something was changed meanwhile.
const ATTEMPTS: usize = 5;
/// The longest reason that is kept, in bytes.
const REASON_BYTES: usize = 1024;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Approve,
    /// It is refused.
    Reject,
    /// Nobody has decided in time.
    Expire,
}

/// Decides a request as `by` asks for it; the answer is the request as it stands then. What somebody has
/// asked for themselves they may take back, and approve only where its Workflow says so.
pub async fn decide(
    manager: &Manager,
    by: &Caller,
    id: &str,
    verdict: Verdict,
    reason: &str,
    now: Timestamp,
) -> Result<Resource, ManageError> {
    let spec = request(by, manager.catalog(), id)?.spec.unwrap_or_default();
    if verdict == Verdict::Approve && spec.state() == Standing::Waiting {
        let state = current(manager.catalog())?;
        if let Some(why) = forbids(&state, by, &spec) {
            let key = ResourceKey::of_id(Kind::WorkflowRequest, id);
            return Err(manager.forbidden(by, key.as_str(), why));
        }
    }
    Box::pin(settle(manager, by, id, verdict, reason, now)).await
}

/// Decides a request, whoever asked for it.
pub(super) async fn settle(
    manager: &Manager,
    by: &Caller,
    id: &str,
    verdict: Verdict,
    reason: &str,
    now: Timestamp,
) -> Result<Resource, ManageError> {
    let key = ResourceKey::of_id(Kind::WorkflowRequest, id);
    let mut last = ManageError::Busy;
    for _ in 0..ATTEMPTS {
        let state = current(manager.catalog())?;
        // What is shown carries its revision, so a decision in between is noticed.
        let missing = || ManageError::NotFound(key.clone());
        let mut request = shown(&state, &key).ok_or_else(missing)?;
        let spec = spec_mut(&mut request).ok_or_else(missing)?;
        if spec.state() != Standing::Waiting {
            return Err(decided_already(&key, spec));
        }
        let outcome = outcome(&state, spec, verdict);
        let standing = match (&outcome, verdict) {
            (Outcome::Overtaken, _) => Standing::Overtaken,
            (_, Verdict::Approve) => Standing::Approved,
            (_, Verdict::Reject) => Standing::Rejected,
            (_, Verdict::Expire) => Standing::Expired,
        };
        spec.state = standing.into();
        by.name().clone_into(&mut spec.decided_by);
        spec.decided_at = Some(now);
        let words = cut(reason, REASON_BYTES);
        if !words.is_empty() {
            words.clone_into(&mut spec.reason);
        }
        match carry_out(manager, by, outcome, request, words).await {
            Err(error @ ManageError::Stale { .. }) => last = error,
            Err(error) => return Err(error),
            Ok(()) => {
                let state = current(manager.catalog())?;
                return shown(&state, &key).ok_or_else(missing);
            }
        }
    }
    Err(last)
}

/// What a decision leads to.
enum Outcome {
    /// These are written.
    Write(Vec<Resource>),
    /// This goes.
    Remove(Removal),
    /// This step is taken.
    Step(Box<Step>),
    /// What it is about is not any more what it was.
    Overtaken,
}

async fn carry_out(
    manager: &Manager,
    by: &Caller,
    outcome: Outcome,
    request: Resource,
    reason: &str,
) -> Result<(), ManageError> {
    let mut removals = Vec::new();
    let upserts = match outcome {
        Outcome::Step(step) => {
            take(manager, by, &step, &[request]).await?;
            return Ok(());
        }
        Outcome::Write(upserts) => upserts,
        Outcome::Remove(removal) => {
            removals.push(removal);
            Vec::new()
        }
        Outcome::Overtaken => Vec::new(),
    };
    let (requests, reason) = (vec![request], reason.to_owned());
    let wanted = Wanted { upserts, removals, reason, requests, ..Wanted::default() };
    manager.change(by, wanted).await.map(drop)
}

fn outcome(state: &State, spec: &WorkflowRequestSpec, verdict: Verdict) -> Outcome {
    let approved = verdict == Verdict::Approve;
    let subject = ResourceKey::from_wire(&spec.subject);
    let Some(mut resource) = shown(state, &subject) else { return Outcome::Overtaken };
    match (spec.event(), &mut resource.resource) {
        (Event::ApplicationCreation, Some(Any::Application(one))) => {
            let own = one.spec.get_or_insert_default();
            if own.state() != application_spec::State::Pending {
                return Outcome::Overtaken;
            }
            let (yes, no) = (application_spec::State::Approved, application_spec::State::Refused);
            own.state = if approved { yes } else { no }.into();
        }
        (Event::SubscriptionCreation, Some(Any::Subscription(one))) => {
            let own = one.spec.get_or_insert_default();
            if own.state() != Right::OnHold {
                return Outcome::Overtaken;
            }
            own.state = if approved { Right::Unblocked } else { Right::Rejected }.into();
        }
        (Event::SubscriptionUpdate, Some(Any::Subscription(one))) => {
            let own = one.spec.get_or_insert_default();
            if tier(&own.tier) != spec.from {
                return Outcome::Overtaken;
            }
            if !approved {
                return Outcome::Write(Vec::new());
            }
            own.tier.clone_from(&spec.wanted);
        }
        (Event::ApplicationUpdate, Some(Any::Application(one))) => {
            let own = one.spec.get_or_insert_default();
            if tier(&own.tier) != spec.from {
                return Outcome::Overtaken;
            }
            if !approved {
                return Outcome::Write(Vec::new());
            }
            own.tier.clone_from(&spec.wanted);
        }
        (Event::ApplicationDeletion, Some(Any::Application(_)))
        | (Event::SubscriptionDeletion, Some(Any::Subscription(_))) => {
            let revision = plan::metadata(&resource).map_or(0, |metadata| metadata.revision);
            let removal = Removal { key: subject, revision };
            return if approved { Outcome::Remove(removal) } else { Outcome::Write(Vec::new()) };
        }
        // Who has asked asks again, and gets it then.
        (
            Event::ApplicationRegistrationProduction | Event::ApplicationRegistrationSandbox,
            Some(Any::Application(_)),
        ) => return Outcome::Write(Vec::new()),
        (Event::ApiState | Event::ApiProductState, _) => return step(&resource, spec, approved),
        _ => return Outcome::Overtaken,
    }
    Outcome::Write(vec![resource])
}

fn step(resource: &Resource, spec: &WorkflowRequestSpec, approved: bool) -> Outcome {
    let life = life_of(resource).map(|life| life.as_str_name());
    let (Some(key), Ok(action)) = (plan::key(resource), spec.wanted.parse()) else {
        return Outcome::Overtaken;
    };
    if life != Some(spec.from.as_str()) {
        return Outcome::Overtaken;
    }
    if !approved {
        return Outcome::Write(Vec::new());
    }
    Outcome::Step(Box::new(Step {
        name: key.name().to_owned(),
        version: key.version().unwrap_or_default().to_owned(),
        action,
        deprecate_old_versions: spec.deprecate_old_versions,
        require_resubscription: spec.require_resubscription,
        reason: spec.reason.clone(),
    }))
}

fn decided_already(key: &ResourceKey, spec: &WorkflowRequestSpec) -> ManageError {
    let (standing, by) = (spec.state().as_str_name(), &spec.decided_by);
    ManageError::OutOfTurn(vec![Problem {
        resource: key.to_string(),
        field: "spec.state".to_owned(),
        reason: format!("it is {standing} already, by {by}"),
        ..Problem::default()
    }])
}

/// The beginning of a text, as whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}
