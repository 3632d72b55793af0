//! How are the servers of endpoints, as this gateway sees them?

use std::sync::Arc;

use plan::{ApiPlan, EndpointPlan, OperationPlan};
use serde::Serialize;

use crate::servers::{Group, Registry, Target};

/// The endpoints of some APIs.
#[derive(Debug, Default)]
pub(super) struct Backends {
    pub(super) shown: Vec<Backend>,
    pub(super) not_shown: usize,
    /// Addresses in what is shown.
    addresses: usize,
}

/// One endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Backend {
    api: String,
    endpoint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    /// Of a mirror that gets copies of one operation only: which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    servers: Vec<Server>,
}

#[derive(Debug, Serialize)]
struct Server {
    url: String,
    /// None of a server that nobody has asked for yet.
    addresses: Vec<Place>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    /// `null` while a name is not resolved yet, and where no URL of the endpoint names one.
    address: Option<String>,
    healthy: bool,
    ejected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ejected_for_ms: Option<u64>,
    fails_checks: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check_error: Option<String>,
}

impl Backends {
    /// Adds the endpoints of `api`, until there are `most` addresses in all.
    pub(super) fn add(&mut self, api: &ApiPlan, registry: &Registry, now_ms: u64, most: usize) {
        for end in ends(api) {
            if self.addresses >= most {
                self.not_shown += 1;
                continue;
            }
            let group = registry.known(end.plan);
            let breaker = group.as_deref().and_then(Group::breaker);
            let servers = servers(end.plan, group.as_deref(), now_ms);
            self.addresses += servers.iter().map(|one| one.addresses.len().max(1)).sum::<usize>();
            self.shown.push(Backend {
                api: api.key.id().to_owned(),
                endpoint: end.name,
                variant: end.variant,
                operation: end.operation,
                breaker: breaker.map(|breaker| breaker.state(now_ms)),
                servers,
            });
        }
    }
}

/// An endpoint of an API, and what it is there for.
struct End<'p> {
    name: &'static str,
    variant: Option<String>,
    operation: Option<String>,
    plan: &'p Arc<EndpointPlan>,
}

/// Every endpoint that calls of `api`, or copies of them, go to.
fn ends(api: &ApiPlan) -> impl Iterator<Item = End<'_>> {
    let own = [("production", &api.production), ("sandbox", &api.sandbox)];
    let own = own.into_iter().map(|(name, plan)| (None, name, plan));
    let variants = api.variants.iter().flat_map(|variants| variants.all());
    let variants = variants.flat_map(|variant| {
        let ends = [("production", &variant.production), ("sandbox", &variant.sandbox)];
        ends.map(|(name, plan)| (Some(variant.name.to_string()), name, plan))
    });
    let backends = own.chain(variants).filter_map(|(variant, name, plan)| {
        Some(End { name, variant, operation: None, plan: plan.as_ref()? })
    });
    let mirrors = api.mirrors.iter().enumerate().map(|(place, mirror)| {
        let operation = only(api, |one| one.mirror == Some(place));
        End { name: "mirror", variant: None, operation, plan: &mirror.endpoint }
    });
    let asked = api.decision_points.iter().enumerate().map(|(place, point)| {
        let own =
            move |one: &OperationPlan| one.member.is_none() && one.decision_point == Some(place);
        let operation = only(api, own);
        End { name: "externalAuthorization", variant: None, operation, plan: &point.endpoint }
    });
    backends.chain(mirrors).chain(asked)
}

/// The operation of which this is true, if it is true of one alone.
fn only(api: &ApiPlan, is: impl Fn(&OperationPlan) -> bool) -> Option<String> {
    let mut found = api.operations().iter().filter(|one| is(one));
    match (found.next(), found.next()) {
        (Some(only), None) => Some(format!("{} {}", only.method, only.path)),
        _ => None,
    }
}

fn servers(endpoint: &EndpointPlan, group: Option<&Group>, now_ms: u64) -> Vec<Server> {
    let targets = group.map(Group::targets).unwrap_or_default();
    let of = |place: usize| {
        let own = targets.iter().filter(move |target| target.server == place);
        own.map(|target| Place::of(target, now_ms)).collect()
    };
    let all = endpoint.servers.iter().enumerate();
    all.map(|(place, server)| Server { url: server.url.to_string(), addresses: of(place) })
        .collect()
}

impl Place {
    fn of(target: &Target, now_ms: u64) -> Self {
        let ejected = target.is_out();
        Self {
            address: target.address.map(|address| address.to_string()),
            healthy: target.is_fit(now_ms),
            ejected,
            ejected_for_ms: ejected.then(|| target.out_for_ms(now_ms)),
            fails_checks: target.is_down(),
            last_check_error: target.trouble().map(|trouble| trouble.to_string()),
        }
    }
}
