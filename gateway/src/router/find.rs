//! Which operation of which API is called?
//!
//! The plan knows; here its answer becomes a `Matched`, the proof that somebody serves the call, or
//! the fault that says why nobody does.

use std::sync::Arc;

use http::Method;
use plan::{
    AnalyticsPlan, ApiPlan, Asked, DecisionPointPlan, Hit, MirrorPlan, OperationMatch,
    OperationPlan, Plan, Wants,
};
use turnpike_proto::config::v1::lifecycle::State;

use crate::fault::Fault;
use crate::received::Received;

/// Proof that an API serves this call.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'g> {
    api: &'g Arc<ApiPlan>,
    operation: &'g Arc<OperationPlan>,
    /// The path and query below the context: what the backend is asked for.
    rest: &'g str,
}

/// What was found, with the request, for somebody who needs it longer than the call lasts.
#[derive(Debug)]
pub struct Kept {
    received: Received,
    api: Arc<ApiPlan>,
    operation: Arc<OperationPlan>,
    /// Where in the target of the request the rest begins.
    start: usize,
}

/// What was found.
#[derive(Debug)]
pub enum Found<'g> {
    /// An operation.
    Operation(Matched<'g>),
    /// A question about the methods of a path that has no OPTIONS operation of its own; the gateway
    /// answers it with these.
    Methods(String),
}

/// Finds the API.
pub fn find_api<'g>(plan: &'g Plan, received: &'g Received) -> Result<Hit<'g>, Fault> {
    plan.find(received.host_name(), received.path()).ok_or(Fault::NoApi)
}

/// Finds the API for somebody who may test those that it `opens`, which need not be published yet.
pub fn find_api_for_test<'g>(
    plan: &'g Plan,
    received: &'g Received,
    opens: impl Fn(&ApiPlan) -> bool,
) -> Result<Hit<'g>, Fault> {
    let hit = plan.find_unpublished(received.host_name(), received.path()).ok_or(Fault::NoApi)?;
    if hit.api.lifecycle == State::Created && !opens(hit.api) {
        return Err(Fault::NoApi);
    }
    Ok(hit)
}

/// Finds the operation of the API.
pub fn find<'g>(hit: Hit<'g>, received: &'g Received) -> Result<Found<'g>, Fault> {
    let path = received.path();
    let api = hit.api;
    if api.broken.is_some() {
        return Err(Fault::ApiNotReady);
    }
    if api.lifecycle == State::Blocked {
        return Err(Fault::ApiBlocked);
    }
    match api.operation_of(received.method.as_str(), hit.rest, received) {
        OperationMatch::Found(operation) => {
            if let Some(member) = &operation.member {
                check_member(member)?;
            }
            // The rest is the end of the path, which is as long in the target, and there the query
            // follows it.
            let start = path.len().saturating_sub(hit.rest.len());
            let rest = received.target().get(start..).unwrap_or_default();
            Ok(Found::Operation(Matched { api, operation, rest }))
        }
        OperationMatch::MethodNotAllowed(methods) => {
            let mut allow = methods.join(", ");
            if !methods.contains(&"OPTIONS") {
                allow.push_str(", OPTIONS");
            }
            if received.method == Method::OPTIONS {
                return Ok(Found::Methods(allow));
            }
            Err(Fault::MethodNotAllowed { allow })
        }
        OperationMatch::NotFound => Err(Fault::NoOperation),
    }
}

/// Finds what an open call is made to in the configuration as it is now; `for_test`: by somebody who
/// may test it.
pub fn find_again<'g>(
    plan: &'g Plan,
    api: &ApiPlan,
    operation: &OperationPlan,
    for_test: bool,
) -> Result<Matched<'g>, Fault> {
    let served =
        |now: &&Arc<ApiPlan>| now.is_served() || (for_test && now.lifecycle == State::Created);
    let api = plan.api(&api.id).filter(served).ok_or(Fault::NoApi)?;
    if api.broken.is_some() {
        return Err(Fault::ApiNotReady);
    }
    if api.lifecycle == State::Blocked {
        return Err(Fault::ApiBlocked);
    }
    let operation = api.like(operation).ok_or(Fault::NoOperation)?;
    if let Some(member) = &operation.member {
        check_member(member)?;
    }
    Ok(Matched { api, operation, rest: "" })
}

/// Whether an API serves its operations in a product.
fn check_member(member: &ApiPlan) -> Result<(), Fault> {
    match member.lifecycle {
        State::Blocked => Err(Fault::ApiBlocked),
        State::Retired => Err(Fault::NoOperation),
        _ => Ok(()),
    }
}

impl Asked for Received {
    fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.get_all(name).iter().any(|value| test(value.as_bytes()))
    }

    fn query(&self) -> Option<&str> {
        self.query()
    }
}

impl<'g> Matched<'g> {
    /// The API.
    pub const fn api(&self) -> &'g Arc<ApiPlan> {
        self.api
    }

    /// The API whose backends serve the operation: the same, or the one of a product that the
    /// operation comes from.
    pub fn home(&self) -> &'g Arc<ApiPlan> {
        self.operation.member.as_ref().unwrap_or(self.api)
    }

    /// What is reported of the call; `None`: everything.
    pub fn analytics(&self) -> Option<&'g Arc<AnalyticsPlan>> {
        let of_product = self.operation.member.is_some();
        if of_product { &self.operation.analytics } else { &self.api.analytics }.as_ref()
    }

    /// The operation.
    pub const fn operation(&self) -> &'g Arc<OperationPlan> {
        self.operation
    }

    /// Where copies of calls of the operation go; `None`: nowhere.
    pub fn mirror(&self) -> Option<&'g MirrorPlan> {
        self.home().mirrors.get(self.operation.mirror?)
    }

    /// Whether anybody outside decides about calls of the operation.
    pub fn is_decided_outside(&self) -> bool {
        let operation = self.operation;
        operation.decision_point.is_some()
            || (operation.member.is_some() && !self.api.decision_points.is_empty())
    }

    /// Who outside decides about calls of the operation, in the order in which they are asked: for
    /// the product that is called, and for the API that serves it. `None`: it is not at hand.
    pub fn decision_points(&self) -> impl Iterator<Item = Option<&'g DecisionPointPlan>> + use<'g> {
        let bundled = self.operation.member.is_some();
        let of_product = bundled.then(|| self.api.decision_points.first()).flatten();
        let own = self.operation.decision_point;
        let own = own.map(|place| self.home().decision_points.get(place));
        of_product.map(Some).into_iter().chain(own)
    }

    /// The question that `point` is asked, as a call.
    pub fn question(point: &'g DecisionPointPlan) -> Self {
        Self { api: &point.api, operation: &point.question, rest: point.path() }
    }

    /// The same of `now`, which is the request `before` with another query.
    pub fn with_query<'h>(self, before: &Received, now: &'h Received) -> Matched<'h>
    where
        'g: 'h,
    {
        let start = before.target().len().saturating_sub(self.rest.len());
        Matched { rest: now.target().get(start..).unwrap_or_default(), ..self }
    }

    /// The same for longer; `received` is the request that was looked at.
    pub fn keep(&self, received: &Received) -> Kept {
        Kept {
            received: received.clone(),
            api: Arc::clone(self.api),
            operation: Arc::clone(self.operation),
            start: received.target().len().saturating_sub(self.rest.len()),
        }
    }

    /// The path and query below the API's context.
    pub const fn rest(&self) -> &'g str {
        self.rest
    }

    /// Whether anybody may call it.
    pub fn is_open(&self) -> bool {
        self.operation.wants == Wants::Nobody || self.api.is_open()
    }
}

impl Kept {
    /// The request.
    pub const fn received(&self) -> &Received {
        &self.received
    }

    /// What was found.
    pub fn matched(&self) -> Matched<'_> {
        let rest = self.received.target().get(self.start..).unwrap_or_default();
        Matched { api: &self.api, operation: &self.operation, rest }
    }
}
