//! What of these writes has to wait, and in which form is it stored meanwhile?
//!
//! A new application waits as PENDING, a new subscription as `ON_HOLD`, and another tier is only asked
//! for. Whoever writes so cannot choose the states that others are asked about: what is stored of them
//! stays.

use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State as Right;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::workflow_request_spec::State as Waiting;
use turnpike_proto::config::v1::{
    ApplicationSpec, SubscriptionSpec, WorkflowRequest, application_spec,
};

use super::asked::asked_about;
use super::request::{Wish, all, check_room, request_for, resource_of};
use crate::catalog::State;
use crate::manage::error::ManageError;
use crate::manage::lifecycle::life_of;
use crate::people::Caller;

/// The writes in the form in which they are stored, with the requests that wait.
pub(crate) fn held(
    state: &State,
    by: &Caller,
    now: Timestamp,
    upserts: Vec<Resource>,
) -> Result<Vec<Resource>, ManageError> {
    let holding = Holding { state, by, now };
    let (mut stored, mut waiting, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for mut resource in upserts {
        if let Some(key) = plan::key(&resource) {
            let before = state.objects.get(&key);
            let before = before.as_ref().and_then(|object| object.resource());
            let before = before.as_deref();
            let tenant = plan::metadata(&resource).map(|metadata| metadata.tenant.clone());
            let tenant = tenant.unwrap_or_default();
            let asked = match &mut resource.resource {
                Some(Any::Application(one)) => {
                    let spec = one.spec.get_or_insert_default();
                    holding.application((&key, &tenant), spec, before)
                }
                Some(Any::Subscription(one)) => {
                    let spec = one.spec.get_or_insert_default();
                    holding.subscription((&key, &tenant), spec, before)
                }
                Some(Any::Api(_) | Any::ApiProduct(_)) => {
                    problems.extend(holding.state_of(&key, &resource, before));
                    None
                }
                _ => None,
            };
            waiting.extend(asked.map(resource_of));
        }
        stored.push(resource);
    }
    if !problems.is_empty() {
        return Err(ManageError::Refused(problems));
    }
    if !waiting.is_empty() {
        check_room(state, waiting.len())?;
    }
    stored.extend(waiting);
    Ok(stored)
}

/// What is known while writes are looked at.
struct Holding<'h> {
    state: &'h State,
    by: &'h Caller,
    now: Timestamp,
}

impl Holding<'_> {
    /// `of`: what it is, and whose.
    fn application(
        &self,
        of: (&ResourceKey, &str),
        spec: &mut ApplicationSpec,
        before: Option<&Resource>,
    ) -> Option<WorkflowRequest> {
        if let Some(Any::Application(stored)) = before.and_then(|it| it.resource.as_ref()) {
            if self.is_asked(Event::ApplicationCreation) {
                spec.state = stored.spec.as_ref().map_or(0, |stored| stored.state);
            }
            return None;
        }
        let asked = self.request(&wish_of(of, Event::ApplicationCreation))?;
        spec.state = application_spec::State::Pending.into();
        Some(asked)
    }

    fn subscription(
        &self,
        of: (&ResourceKey, &str),
        spec: &mut SubscriptionSpec,
        before: Option<&Resource>,
    ) -> Option<WorkflowRequest> {
        let stored = match before.and_then(|it| it.resource.as_ref()) {
            Some(Any::Subscription(stored)) => stored.spec.as_ref(),
            _ => None,
        };
        let same = |stored: &&SubscriptionSpec| {
            let called = (&stored.api, &stored.api_product) == (&spec.api, &spec.api_product);
            called && stored.application == spec.application
        };
        let Some(stored) = stored.filter(same) else {
            let asked = self.request(&wish_of(of, Event::SubscriptionCreation))?;
            spec.state = Right::OnHold.into();
            return Some(asked);
        };
        let undecided = |state: Right| matches!(state, Right::OnHold | Right::Rejected);
        let concerned = undecided(stored.state()) || undecided(spec.state());
        if concerned && self.is_asked(Event::SubscriptionCreation) {
            spec.state = stored.state;
        }
        let tier = |tier: &str| if tier.is_empty() { "Unlimited" } else { tier }.to_owned();
        let (from, wanted) = (tier(&stored.tier), tier(&spec.tier));
        // What waits as a whole waits with its tier.
        if from == wanted || undecided(stored.state()) {
            return None;
        }
        let event = Event::SubscriptionUpdate;
        let wish = Wish { wanted: &wanted, from: &from, ..wish_of(of, event) };
        let asked = self.request(&wish)?;
        spec.tier.clone_from(&stored.tier);
        Some(asked)
    }

    /// Where somebody decides about the life of APIs, steps are asked for and not written.
    fn state_of(
        &self,
        key: &ResourceKey,
        resource: &Resource,
        before: Option<&Resource>,
    ) -> Option<Problem> {
        let event = event_of_state(key.kind()?)?;
        let (to, from) = (life_of(resource)?, before.and_then(life_of).unwrap_or_default());
        if to == from {
            return None;
        }
        let (workflow, _) = asked_about(self.state, event)?;
        Some(Problem {
            resource: key.to_string(),
            field: "spec.lifecycle".to_owned(),
            reason: format!("Workflow/{workflow} decides about it"),
            suggestion: format!(
                "leave it {}, and ask with `turnpike lifecycle`",
                from.as_str_name()
            ),
            ..Problem::default()
        })
    }

    fn is_asked(&self, event: Event) -> bool {
        asked_about(self.state, event).is_some()
    }

    /// The request for a wish, where somebody is asked about it. One that waits already for the same
    /// resource is asked anew with what is wanted now.
    fn request(&self, wish: &Wish<'_>) -> Option<WorkflowRequest> {
        let (name, spec) = asked_about(self.state, wish.event)?;
        let mut request = request_for(wish, (&name, &spec), self.by, self.now);
        let about = wish.subject.as_str();
        let same = all(self.state).find(|(_, known)| {
            known.state() == Waiting::default()
                && known.event() == wish.event
                && known.subject == about
        });
        if let (Some((id, _)), Some(metadata)) = (same, request.metadata.as_mut()) {
            metadata.name = id;
        }
        Some(request)
    }
}

/// That there is something new.
fn wish_of<'w>((subject, tenant): (&'w ResourceKey, &'w str), event: Event) -> Wish<'w> {
    Wish { event, subject, tenant, wanted: "", from: "" }
}

/// The event that a step in the life of such a resource is.
pub(super) fn event_of_state(kind: Kind) -> Option<Event> {
    match kind {
        Kind::Api => Some(Event::ApiState),
        Kind::ApiProduct => Some(Event::ApiProductState),
        _ => None,
    }
}
