//! Which subscriptions go along to a new version?
//!
//! Those of the version that it was made from, with their tiers and states, of applications that have
//! none to the new one. What waits for approval, or was not approved, stays behind.

use plan::{Kind, Resource, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State as Right;
use turnpike_proto::config::v1::{Metadata, Subscription, SubscriptionSpec};

use crate::catalog::State;
use crate::manage::view;

/// The longest name of a resource.
const LONGEST_NAME: usize = 128;
/// Bytes of randomness in a name that could not be made of other names.
const NAME_BYTES: usize = 12;

/// The subscriptions to `from` that would be taken along.
pub(super) fn subscriptions_to(state: &State, from: &ResourceKey) -> Vec<ResourceKey> {
    let mut all: Vec<ResourceKey> = state
        .objects
        .referrers(from)
        .filter(|key| key.kind() == Some(Kind::Subscription))
        .filter(|key| spec_of(state, key).is_some_and(|spec| is_to(&spec, from) && counts(&spec)))
        .collect();
    all.sort();
    all
}

/// Their copies to `to`, which offers `tiers`, where it does not have them yet.
pub(super) fn copies(
    state: &State,
    from: &ResourceKey,
    to: &ResourceKey,
    tiers: &[String],
) -> Vec<Resource> {
    let there: std::collections::BTreeSet<String> = state
        .objects
        .referrers(to)
        .filter_map(|key| spec_of(state, &key))
        .filter(|spec| is_to(spec, to))
        .map(|spec| spec.application)
        .collect();
    let offered = |tier: &str| {
        let tier = view::tier(tier);
        if tiers.is_empty() { tier == "Unlimited" } else { tiers.iter().any(|own| own == tier) }
    };
    let held = subscriptions_to(state, from);
    let held = held.iter().filter_map(|key| subscription(state, key));
    held.filter_map(|one| Some((one.metadata?, one.spec?)))
        .filter(|(_, spec)| !there.contains(&spec.application) && offered(&spec.tier))
        .map(|(metadata, spec)| copy(state, metadata, spec, to))
        .collect()
}

/// It belongs to whom the one before belongs.
fn copy(state: &State, of: Metadata, spec: SubscriptionSpec, to: &ResourceKey) -> Resource {
    let name = format!("{}-{}", spec.application, to.id().replace(':', "-"));
    let free = |name: &str| {
        name.len() <= LONGEST_NAME
            && state.objects.get(&ResourceKey::of_id(Kind::Subscription, name)).is_none()
    };
    // A name starts with a letter or a digit.
    let name = if free(&name) { name } else { format!("s{}", chassis::random::token(NAME_BYTES)) };
    let of_api = spec.api_product.is_empty();
    let id = to.id().to_owned();
    let (api, api_product) = if of_api { (id, String::new()) } else { (String::new(), id) };
    let subscription = Subscription {
        metadata: Some(Metadata {
            name,
            owner: of.owner,
            tenant: of.tenant,
            access: of.access,
            ..Metadata::default()
        }),
        spec: Some(SubscriptionSpec { api, api_product, ..spec }),
        ..Subscription::default()
    };
    Resource { resource: Some(Any::Subscription(subscription)) }
}

fn spec_of(state: &State, key: &ResourceKey) -> Option<SubscriptionSpec> {
    subscription(state, key)?.spec
}

fn subscription(state: &State, key: &ResourceKey) -> Option<Subscription> {
    match state.objects.get(key)?.resource()?.into_owned().resource? {
        Any::Subscription(subscription) => Some(subscription),
        _ => None,
    }
}

fn is_to(spec: &SubscriptionSpec, key: &ResourceKey) -> bool {
    match key.kind() {
        Some(Kind::Api) => spec.api_product.is_empty() && spec.api == key.id(),
        _ => spec.api_product == key.id(),
    }
}

/// Whether somebody has allowed it.
fn counts(spec: &SubscriptionSpec) -> bool {
    !matches!(spec.state(), Right::OnHold | Right::Rejected)
}
