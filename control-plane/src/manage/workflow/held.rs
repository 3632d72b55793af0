//! What of these writes has to wait, and in which form is it stored meanwhile?
//!
//! A new application waits as PENDING, a new subscription as `ON_HOLD`, and another tier of either is only
//! asked for. Whoever writes so cannot choose the states that others are asked about: what is stored of them
//! stays.

use plan::{Kind, Problem, Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State as Right;
use turnpike_proto::config::v1::workflow_event::Event;
use turnpike_proto::config::v1::{
    ApplicationSpec, SubscriptionSpec, WorkflowRequest, application_spec,
};

use super::asked::asked_about;
use super::request::{Wish, asked_anew, check_room, resource_of, wish_of};
use crate::catalog::State;
use crate::manage::error::ManageError;
use crate::manage::lifecycle::life_of;
use crate::manage::view::tier;
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
            let stored = stored.spec.clone().unwrap_or_default();
            if self.is_asked(Event::ApplicationCreation) {
                spec.state = stored.state;
            }
            return self.other_tier(of, spec, &stored);
        }
        let asked = self.request(&wish_of(of, Event::ApplicationCreation))?;
        spec.state = application_spec::State::Pending.into();
        Some(asked)
    }

    /// What waits as a whole, or was refused, waits with its tier.
    fn other_tier(
        &self,
        of: (&ResourceKey, &str),
        spec: &mut ApplicationSpec,
        stored: &ApplicationSpec,
    ) -> Option<WorkflowRequest> {
        let (from, wanted) = (tier(&stored.tier), tier(&spec.tier));
        if from == wanted || stored.state() != application_spec::State::Approved {
            return None;
        }
        let event = Event::ApplicationUpdate;
        let asked = self.request(&Wish { wanted, from, ..wish_of(of, event) })?;
        spec.tier.clone_from(&stored.tier);
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
        let (from, wanted) = (tier(&stored.tier), tier(&spec.tier));
        // What waits as a whole waits with its tier.
        if from == wanted || undecided(stored.state()) {
            return None;
        }
        let event = Event::SubscriptionUpdate;
        let asked = self.request(&Wish { wanted, from, ..wish_of(of, event) })?;
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

    fn request(&self, wish: &Wish<'_>) -> Option<WorkflowRequest> {
        asked_anew(self.state, wish, self.by, self.now)
    }
}

/// The event that a step in the life of such a resource is.
pub(super) fn event_of_state(kind: Kind) -> Option<Event> {
    match kind {
        Kind::Api => Some(Event::ApiState),
        Kind::ApiProduct => Some(Event::ApiProductState),
        _ => None,
    }
}
