//! What is a product to a gateway?
//!
//! An API of its own: place, rights and life are the product's. Each of its operations is one of
//! an API, which lends its backends and policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::{ApiProduct, ApiProductSpec, ProductApi};

use super::access::{attach_besides, compile_access};
use super::analytics::{AnalyticsPlan, analytics_of_broken, compile_analytics};
use super::api::{ApiPlan, Place, check_names, names_or, unknown};
use super::cors::compile_cors;
use super::decision_point::DecisionPoints;
use super::head::{check_description, required};
use super::named::Named;
use super::operation::{MAX_OPERATIONS, OperationPlan};
use super::places::{Places, Whose};
use super::security::{compile_scopes, compile_security, security_of};
use super::throttle::{Limited, compile_throttle};
use super::usual::{usual_groups, usual_key_managers};
use crate::problem::{At, Problems, did_you_mean, nearest, shown};
use crate::resource::{ResourceKey, is_name};
use crate::router::{Constraints, Growing, Template, Trie, check_context};

const MAX_APIS: usize = 100;

/// The API with this `name:version`, where there is one.
pub(crate) type Members<'m> = &'m dyn Fn(&str) -> Option<Arc<ApiPlan>>;

/// What can be said about a product without knowing its APIs.
pub(crate) fn check_product(product: &ApiProduct, problems: &mut Problems) {
    let Some(spec) = required(product.spec.as_ref(), problems) else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    if let Err((reason, suggestion)) = check_context(&spec.context) {
        problems.add(&at.name("context"), reason, suggestion);
    }
    check_description(&spec.description, &at.name("description"), problems);
    for (name, list) in
        [("keyManagers", &spec.key_managers), ("tiers", &spec.tiers), ("gateways", &spec.gateways)]
    {
        check_names(list, &at.name(name), problems);
    }
    if Lifecycle::try_from(spec.lifecycle).is_err() {
        problems.add(&at.name("lifecycle"), unknown(spec.lifecycle), "");
    }
    compile_security(spec.security.as_ref(), Named::NONE, &at.name("security"), problems);
    compile_scopes(&spec.scopes, &at.name("scopes"), problems);
    compile_cors(spec.cors.as_ref(), &at.name("cors"), problems);
    compile_access(spec.access.as_ref(), &at.name("access"), problems);
    compile_analytics(spec.analytics.as_ref(), &at.name("analytics"), problems);
    let alone = Limited { id: "", has_backends: false, named: Named::NONE };
    compile_throttle(spec.throttle.as_ref(), alone, &at.name("throttle"), problems);
    let list = at.name("apis");
    if spec.apis.is_empty() || spec.apis.len() > MAX_APIS {
        let reason = format!("there are {}, from 1 to {MAX_APIS}", spec.apis.len());
        problems.add(&list, reason, "name the APIs whose operations belong to it");
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, api) in spec.apis.iter().enumerate() {
        let here = list.index(index);
        for (name, text) in [("name", &api.name), ("version", &api.version)] {
            if !is_name(text) {
                problems.add(&here.name(name), format!("`{}` is no {name}", shown(text)), "");
            }
        }
        if !seen.insert((&api.name, &api.version)) {
            problems.add(&here, "the API stands twice", "name all its operations in one place");
        }
    }
}

/// The product, made of its APIs.
pub(crate) fn compile_product(
    key: &ResourceKey,
    product: &ApiProduct,
    members: Members<'_>,
    named: Named<'_>,
    problems: &mut Problems,
) -> Option<ApiPlan> {
    check_product(product, problems);
    let spec = product.spec.as_ref().filter(|_| problems.is_empty())?;
    let root = At::ROOT;
    let at = root.name("spec");
    let list = at.name("apis");
    let analytics = compile_analytics(spec.analytics.as_ref(), &at.name("analytics"), problems);
    let mut taken = Taken { analytics, ..Taken::default() };
    for (index, chosen) in spec.apis.iter().enumerate() {
        let here = list.index(index);
        let id = format!("{}:{}", chosen.name, chosen.version);
        match members(&id) {
            None => problems.add(&here, format!("there is no Api `{id}`"), ""),
            Some(member) => {
                check_member(spec, &member, &here, problems);
                taken.take(&member, chosen, &here, problems);
            }
        }
    }
    if taken.operations.len() > MAX_OPERATIONS {
        let reason = format!("there are {} operations", taken.operations.len());
        problems.add(&list, reason, format!("choose at most {MAX_OPERATIONS}"));
    }
    let security = compile_security(spec.security.as_ref(), named, &at.name("security"), problems);
    let security = security_of(key.id(), security);
    let scopes = compile_scopes(&spec.scopes, &at.name("scopes"), problems);
    let cors = compile_cors(spec.cors.as_ref(), &at.name("cors"), problems);
    attach_besides(&mut taken.operations, spec, security.is_open(), &at, problems);
    let limited = Limited { id: key.id(), has_backends: false, named };
    let throttle = spec.throttle.as_ref();
    let throttle = compile_throttle(throttle, limited, &at.name("throttle"), problems);
    let decision_points = decision_points(spec, Whose { key, named }, &at, problems);
    if !problems.is_empty() {
        return None;
    }
    Some(ApiPlan {
        security,
        subscriptionless: spec.subscriptionless,
        scopes,
        key_managers: names_or(&spec.key_managers, usual_key_managers),
        cors,
        decision_points: decision_points.into_all().into(),
        analytics: analytics.map(Arc::new),
        throttle,
        operations: taken.operations.into(),
        trie: Trie::packed(&taken.growing),
        ..ApiPlan::at(key, &place(product, spec))
    })
}

/// What stands in for a product that cannot be made: its place is kept, and calls answer 503.
pub(crate) fn broken_product(
    key: &ResourceKey,
    product: &ApiProduct,
    reason: &str,
) -> Option<ApiPlan> {
    let spec = product.spec.as_ref()?;
    check_context(&spec.context).ok()?;
    key.version()?;
    Some(ApiPlan {
        analytics: analytics_of_broken(spec.analytics.as_ref()).map(Arc::new),
        broken: Some(reason.into()),
        ..ApiPlan::at(key, &place(product, spec))
    })
}

/// Who is asked about the calls of the product.
fn decision_points<'n>(
    spec: &ApiProductSpec,
    whose: Whose<'n>,
    at: &At<'_>,
    problems: &mut Problems,
) -> DecisionPoints<'n> {
    let at = at.name("externalAuthorization");
    Places::of(spec.external_authorization.as_ref(), whose, &at, problems)
}

fn place<'p>(product: &'p ApiProduct, spec: &'p ApiProductSpec) -> Place<'p> {
    Place {
        context: &spec.context,
        default_version: spec.default_version,
        owner: product.metadata.as_ref().map_or("", |metadata| &metadata.owner),
        tenant: product.metadata.as_ref().map_or("", |metadata| &metadata.tenant),
        lifecycle: Lifecycle::try_from(spec.lifecycle).unwrap_or(Lifecycle::Published),
        gateways: &spec.gateways,
    }
}

/// Whether the API can serve where the product does.
fn check_member(spec: &ApiProductSpec, member: &ApiPlan, at: &At<'_>, problems: &mut Problems) {
    if let Some(reason) = &member.broken {
        problems.add(at, format!("{} cannot be served: {reason}", member.key), "");
        return;
    }
    if member.production.is_none() && member.sandbox.is_none() {
        let reason = format!("{} has no backend", member.key);
        problems.add(at, reason, "give it `endpoints`");
    }
    for group in &*names_or(&spec.gateways, usual_groups) {
        if !member.gateways.contains(group) {
            let reason = format!("{} is not served by the gateway group {group}", member.key);
            problems.add(at, reason, "add the group to the `gateways` of the API");
        }
    }
}

/// The operations of a product.
#[derive(Default)]
struct Taken {
    /// What the product lets be known of its calls.
    analytics: Option<AnalyticsPlan>,
    operations: Vec<Arc<OperationPlan>>,
    growing: Growing,
    constraints: Constraints,
}

impl Taken {
    /// Takes the chosen operations of an API.
    fn take(
        &mut self,
        member: &Arc<ApiPlan>,
        chosen: &ProductApi,
        at: &At<'_>,
        problems: &mut Problems,
    ) {
        if chosen.operations.is_empty() {
            member.operations().iter().for_each(|one| self.add(member, one, at, problems));
        }
        let list = at.name("operations");
        for (index, named) in chosen.operations.iter().enumerate() {
            let here = list.index(index);
            let is = |one: &&Arc<OperationPlan>| {
                *one.method == *named.method && *one.path == *named.path
            };
            let mut found = member.operations().iter().filter(is).peekable();
            if found.peek().is_none() {
                let wanted = format!("{} {}", named.method, named.path);
                let all = member.operations().iter();
                let all: Vec<_> = all.map(|one| format!("{} {}", one.method, one.path)).collect();
                let reason = format!("{} has no operation `{}`", member.key, shown(&wanted));
                let near = nearest(&wanted, all.iter().map(String::as_str));
                problems.add(&here, reason, did_you_mean(near));
            }
            found.for_each(|one| self.add(member, one, &here, problems));
        }
    }

    /// As much as both let be known.
    fn analytics_with(&self, member: &ApiPlan) -> Option<Arc<AnalyticsPlan>> {
        match (self.analytics, &member.analytics) {
            (None, of_member) => of_member.clone(),
            (Some(own), None) => Some(Arc::new(own)),
            (Some(own), Some(of_member)) => Some(Arc::new(own.stricter(**of_member))),
        }
    }

    fn add(
        &mut self,
        member: &Arc<ApiPlan>,
        one: &Arc<OperationPlan>,
        at: &At<'_>,
        problems: &mut Problems,
    ) {
        let place = self.operations.len();
        let (method, asks) = (&one.method, one.asks.clone());
        let added = Template::parse(&one.path, &mut self.constraints)
            .map(|template| self.growing.insert(&template, method, asks, place));
        match added {
            Ok(true) => {
                let analytics = self.analytics_with(member);
                let member = Some(Arc::clone(member));
                let taken = OperationPlan { member, analytics, ..(**one).clone() };
                self.operations.push(Arc::new(taken));
            }
            Ok(false) => {
                let reason = format!("`{method} {}` is taken twice", shown(&one.path));
                problems.add(at, reason, "choose it of one API");
            }
            Err((reason, suggestion)) => problems.add(at, reason, suggestion),
        }
    }
}

#[cfg(test)]
#[path = "product_tests.rs"]
mod tests;
