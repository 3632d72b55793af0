//! What does a gateway with these labels need?
//!
//! The APIs of its groups and what belongs to them: their subscriptions, the applications of
//! those, and the tiers, policies, key managers and secrets that are named. Definition texts are left out,
//! because no call looks at them. No secret goes where nothing names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use turnpike_proto::config::v1::Resource;
use turnpike_proto::config::v1::certificate_spec::Use;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::resource::Resource as Any;

use crate::compile::selects;
use crate::objects::{Object, Objects, references};
use crate::resource::{Kind, ResourceKey};
use crate::skew::{Known, Narrowed};

/// The names of the groups that a gateway with these labels belongs to, with `default`.
pub fn groups(objects: &Objects, labels: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = objects
        .of_kind(Kind::GatewayGroup)
        .filter(|object| belongs(object, labels))
        .map(|object| object.key().name().to_owned())
        .collect();
    if !names.iter().any(|name| name == "default") {
        names.push("default".to_owned());
    }
    names.sort();
    names
}

fn belongs(group: &Object, labels: &BTreeMap<String, String>) -> bool {
    let resource = group.resource();
    match resource.as_ref().and_then(|resource| resource.resource.as_ref()) {
        Some(Any::GatewayGroup(group)) => {
            group.spec.as_ref().is_none_or(|spec| selects(&spec.selector, labels))
        }
        _ => false,
    }
}

/// What a gateway with these labels gets.
pub fn slice(objects: &Objects, labels: &BTreeMap<String, String>) -> Objects {
    Slice::new(objects, labels).objects
}

/// What a gateway with certain labels gets, kept so that it can follow changes: the cost of a step
/// is the size of the change and of what belongs to it.
#[derive(Clone, Debug)]
pub struct Slice {
    all: Objects,
    labels: BTreeMap<String, String>,
    /// The groups that these labels belong to.
    groups: Vec<String>,
    /// How many APIs and products of the slice are served without subscriptions.
    open: usize,
    /// What a gateway gets that understands everything.
    objects: Objects,
    /// What one of another version gets.
    narrowed: Option<Narrowed>,
}

impl Slice {
    /// The slice of `all`.
    pub fn new(all: &Objects, labels: &BTreeMap<String, String>) -> Self {
        Self::of_known(all, labels, None)
    }

    /// The same for gateways whose build has only `known`; none: they understand everything.
    pub fn of_known(
        all: &Objects,
        labels: &BTreeMap<String, String>,
        known: Option<Arc<Known>>,
    ) -> Self {
        let groups = groups(all, labels);
        let called = all.of_kind(Kind::Api).chain(all.of_kind(Kind::ApiProduct));
        let open = called.filter(|one| wants_called(one, &groups, true)).count();
        let scope = Scope { objects: all, groups: &groups, open_to_all: open > 0 };
        let mut objects = Objects::admitted_elsewhere();
        for object in all.iter().filter(|object| scope.wants(object)) {
            objects.insert(stripped(&object));
        }
        let narrowed = known.map(|known| Narrowed::new(&objects, known));
        Self { all: all.clone(), labels: labels.clone(), groups, open, objects, narrowed }
    }

    /// What the gateway gets.
    pub fn objects(&self) -> &Objects {
        self.narrowed.as_ref().map_or(&self.objects, Narrowed::objects)
    }

    /// What was left out, or put another way, for gateways that do not understand it: one line for each
    /// object.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        self.narrowed.iter().flat_map(Narrowed::left_out)
    }

    /// Why the gateway is to get nothing; none: it gets what there is.
    pub fn refusal(&self) -> Option<String> {
        self.narrowed.as_ref().and_then(Narrowed::refusal)
    }

    /// The same slice of `all` as it is now.
    #[must_use = "the next slice is a new value"]
    pub fn follow(&self, all: &Objects) -> Self {
        let cut_anew = || {
            let known = self.narrowed.as_ref().map(|narrowed| Arc::clone(narrowed.known()));
            Self::of_known(all, &self.labels, known)
        };
        if groups(all, &self.labels) != self.groups {
            return cut_anew();
        }
        let (upserts, deletes) = self.all.difference(all);
        let changed = upserts.iter().map(|object| object.key().clone()).chain(deletes);
        let changed: Vec<ResourceKey> = changed.collect();
        // Counted on: with thousands of APIs, a look at each of them would be most of a change's way.
        let opens = |objects: &Objects| {
            let called = changed.iter().filter(|key| is_called(key));
            let called = called.filter_map(|key| objects.get(key));
            called.filter(|one| wants_called(one, &self.groups, true)).count()
        };
        let open = (self.open + opens(all)).saturating_sub(opens(&self.all));
        if (open > 0) != (self.open > 0) {
            return cut_anew();
        }
        let scope = |objects| Scope { objects, groups: &self.groups, open_to_all: open > 0 };
        let (before, after) = (scope(&self.all), scope(all));
        let mut objects = self.objects.clone();
        for key in touched(&before, &after, changed) {
            match all.get(&key).filter(|object| after.wants(object)) {
                Some(object) => {
                    let object = stripped(&object);
                    if objects.get(&key).is_none_or(|held| held != object) {
                        objects.insert(object);
                    }
                }
                None => drop(objects.remove(&key)),
            }
        }
        let narrowed = self.narrowed.as_ref().map(|it| it.follow(&self.objects, &objects));
        let (labels, groups) = (self.labels.clone(), self.groups.clone());
        Self { all: all.clone(), labels, groups, open, objects, narrowed }
    }
}

/// Everything whose place in the slice may have changed: what an object names follows it, and
/// subscriptions follow their API in and out.
fn touched(
    before: &Scope<'_>,
    after: &Scope<'_>,
    mut open: Vec<ResourceKey>,
) -> BTreeSet<ResourceKey> {
    let mut seen = BTreeSet::new();
    while let Some(key) = open.pop() {
        if !seen.insert(key.clone()) {
            continue;
        }
        let held = [before.objects.get(&key), after.objects.get(&key)];
        for resource in held.iter().flatten().filter_map(|object| object.resource()) {
            let named = references(&resource).into_iter().map(|reference| reference.to);
            open.extend(named.filter(|key| !is_called(key)));
        }
        let wanted =
            |scope: &Scope<'_>| scope.objects.get(&key).is_some_and(|object| scope.wants(&object));
        if is_called(&key) && wanted(before) != wanted(after) {
            open.extend(before.objects.referrers(&key));
            open.extend(after.objects.referrers(&key));
        }
    }
    seen
}

/// Whether calls may go to it.
fn is_called(key: &ResourceKey) -> bool {
    matches!(key.kind(), Some(Kind::Api | Kind::ApiProduct))
}

/// A gateway's view on all objects.
struct Scope<'o> {
    objects: &'o Objects,
    groups: &'o [String],
    /// Whether an API of the scope is served without subscriptions: then every application may
    /// call.
    open_to_all: bool,
}

impl Scope<'_> {
    fn wants(&self, object: &Object) -> bool {
        let key = object.key();
        match key.kind() {
            Some(Kind::GatewayGroup) => self.groups.iter().any(|group| group == key.name()),
            Some(Kind::Api | Kind::ApiProduct) => wants_called(object, self.groups, false),
            Some(Kind::Subscription) => self.wants_subscription(object),
            Some(Kind::Application) => self.open_to_all || self.referred(key),
            Some(Kind::KeyManager) => key.name() == "resident" || self.referred(key),
            Some(Kind::Tier | Kind::Policy | Kind::XacmlPolicySet) => self.referred(key),
            Some(Kind::Secret) => self.referred_by_more_than_key_managers(key),
            // Listeners and backend authorities are a gateway's own business; what it shows to
            // backends it gets for the APIs that it serves.
            Some(Kind::Certificate) => !is_for_backends(object) || self.referred(key),
            // Small, and a gateway that lacks one would let calls through.
            Some(Kind::DenyPolicy | Kind::CustomThrottle) => true,
            // What waits, and for whom, and what is an alert, is no business of gateways.
            Some(
                Kind::Workflow
                | Kind::WorkflowRequest
                | Kind::AlertRule
                | Kind::NotificationChannel,
            )
            | None => false,
        }
    }

    /// Whether anything that is wanted names it. Nothing refers in circles. Whoever is only refused
    /// is not needed for that.
    fn referred(&self, key: &ResourceKey) -> bool {
        self.objects
            .referrers(key)
            .filter(|referrer| !is_of_all_gateways(referrer))
            .filter_map(|referrer| self.objects.get(&referrer))
            .any(|referrer| self.wants(&referrer))
    }

    /// Gateways ask no provider: what key managers name is for our own key manager alone.
    fn referred_by_more_than_key_managers(&self, key: &ResourceKey) -> bool {
        self.objects
            .referrers(key)
            .filter(|referrer| referrer.kind() != Some(Kind::KeyManager))
            .filter_map(|referrer| self.objects.get(&referrer))
            .any(|referrer| self.wants(&referrer))
    }

    fn wants_subscription(&self, object: &Object) -> bool {
        let resource = object.resource();
        let Some(Any::Subscription(one)) = resource.as_ref().and_then(|it| it.resource.as_ref())
        else {
            return false;
        };
        let Some(spec) = one.spec.as_ref() else { return false };
        let called = match spec.api_product.as_str() {
            "" => ResourceKey::of_id(Kind::Api, &spec.api),
            product => ResourceKey::of_id(Kind::ApiProduct, product),
        };
        self.objects.get(&called).is_some_and(|one| wants_called(&one, self.groups, false))
    }
}

/// Whether a gateway of these groups serves this API or product; the APIs of a product are in all groups
/// of the product.
fn wants_called(object: &Object, groups: &[String], only_open_to_all: bool) -> bool {
    let resource = object.resource();
    let said = match resource.as_ref().and_then(|it| it.resource.as_ref()) {
        Some(Any::Api(one)) => {
            one.spec.as_ref().map(|spec| (&spec.gateways, spec.lifecycle, spec.subscriptionless))
        }
        Some(Any::ApiProduct(one)) => {
            one.spec.as_ref().map(|spec| (&spec.gateways, spec.lifecycle, spec.subscriptionless))
        }
        _ => None,
    };
    let Some((wanted, lifecycle, subscriptionless)) = said else { return false };
    let open_to_all = subscriptionless || lifecycle == i32::from(Lifecycle::Prototyped);
    (wanted.is_empty() || wanted.iter().any(|name| groups.contains(name)))
        && (open_to_all || !only_open_to_all)
}

/// Whether it goes to every gateway, whatever it names.
fn is_of_all_gateways(key: &ResourceKey) -> bool {
    matches!(key.kind(), Some(Kind::DenyPolicy | Kind::CustomThrottle))
}

fn is_for_backends(certificate: &Object) -> bool {
    match certificate.at_hand().and_then(|resource| resource.resource.as_ref()) {
        Some(Any::Certificate(one)) => {
            one.spec.as_ref().is_some_and(|spec| spec.r#use == i32::from(Use::BackendClient))
        }
        _ => false,
    }
}

/// The object without the text of its definition.
fn stripped(object: &Arc<Object>) -> Arc<Object> {
    let has_text = |resource: &Resource| match resource.resource.as_ref() {
        Some(Any::Api(api)) => {
            let definition = api.spec.as_ref().and_then(|spec| spec.definition.as_ref());
            definition.is_some_and(|definition| !definition.text.is_empty())
        }
        _ => false,
    };
    let Some(resource) = object.resource().filter(|resource| has_text(resource)) else {
        return Arc::clone(object);
    };
    let mut resource = resource.into_owned();
    if let Some(Any::Api(api)) = resource.resource.as_mut()
        && let Some(definition) = api.spec.as_mut().and_then(|spec| spec.definition.as_mut())
    {
        definition.text = String::new();
    }
    Object::new(resource).map_or_else(|| Arc::clone(object), Arc::new)
}

#[cfg(test)]
#[path = "slice_tests.rs"]
mod tests;
