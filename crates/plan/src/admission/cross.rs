//! Does a resource fit to the others?

use std::sync::Arc;

use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    Api, Endpoint, ExternalAuthorization, KeyManager, KeyManagerSpec, Mirror, Problem,
    SubscriptionSpec,
};

use super::tenants::check_tenants;
use crate::compile::{
    CertificateForm, Kept, MAX_CUSTOM, MOST_ALERT_RULES, MOST_CHANNELS, Named, TokenPattern,
    built_in_tiers, check_access, check_pair, compile_api, compile_certificate, compile_policy_set,
    compile_product, compile_security, is_of_other_level, read_private_key,
};
use crate::objects::{Objects, Reference, claims, is_built_in, or_default, references};
use crate::problem::{At, Problems, did_you_mean, nearest};
use crate::resource::{Kind, ResourceKey};

/// Everything about one resource that takes knowing others.
pub(super) fn check_together(before: &Objects, after: &Objects, key: &ResourceKey) -> Vec<Problem> {
    let mut problems = Problems::of(key.as_str(), "");
    let held = after.get(key);
    let Some(resource) = held.as_ref().and_then(|object| object.resource()) else {
        return Vec::new();
    };
    for claim in claims(&resource) {
        if let Some(other) = after.claimants(&claim.thing).find(|other| other != key) {
            let reason = format!("{} is taken by {other}", claim.thing);
            problems.add_at(&claim.field, reason, "choose another one");
        }
    }
    let references = references(&resource);
    for reference in &references {
        check_reference(after, key, reference, &mut problems);
    }
    check_tenants(after, &resource, &references, &mut problems);
    match resource.resource.as_ref() {
        Some(Any::Subscription(subscription)) => {
            if let Some(spec) = subscription.spec.as_ref() {
                check_offer(before, after, key, spec, &mut problems);
            }
        }
        Some(Any::ApiProduct(product)) if problems.is_empty() => {
            let members = |id: &str| {
                let api = ResourceKey::of_id(Kind::Api, id);
                let held = after.get(&api)?;
                match held.resource()?.resource.as_ref()? {
                    Any::Api(one) => {
                        let mut own = Problems::default();
                        compile_api(&api, one, Named::NONE, &mut own).map(Arc::new)
                    }
                    _ => None,
                }
            };
            compile_product(key, product, &members, Named::among(after), &mut problems);
        }
        Some(Any::Certificate(certificate)) => {
            let form = compile_certificate(certificate, &mut Problems::default());
            if let Some(
                CertificateForm::Listener { chain, secret, .. }
                | CertificateForm::Client { chain, secret },
            ) = form
                && let Some(value) = secret_value(after, &secret)
                && let Err(reason) = read_private_key(&value).and_then(|key| check_pair(chain, key))
            {
                problems.add_at("spec.keySecret", reason, "");
            }
        }
        Some(Any::Api(api)) => {
            check_backends(after, api, &mut problems);
            check_callers(after, api, &mut problems);
            check_policies(after, api, &mut problems);
        }
        Some(Any::XacmlPolicySet(set)) => {
            check_among(after, &mut problems, |named, found| {
                compile_policy_set(key.name(), set, named, found);
            });
        }
        Some(Any::CustomThrottle(_)) => {
            check_count(after, Kind::CustomThrottle, MAX_CUSTOM, &mut problems);
        }
        Some(Any::AlertRule(_)) => {
            check_count(after, Kind::AlertRule, MOST_ALERT_RULES, &mut problems);
        }
        Some(Any::NotificationChannel(_)) => {
            check_count(after, Kind::NotificationChannel, MOST_CHANNELS, &mut problems);
        }
        Some(Any::KeyManager(one)) => check_patterns(after, key, one, &mut problems),
        _ => {}
    }
    problems.into_list()
}

/// Whether there are too many of a kind.
fn check_count(after: &Objects, kind: Kind, most: usize, problems: &mut Problems) {
    if after.of_kind(kind).take(most + 1).count() > most {
        let reason = format!("there are {most} already, and there may be no more");
        problems.add(&At::ROOT, reason, "remove others, or join some into one");
    }
}

/// Whether the certificates and tiers of callers are what they should be.
fn check_callers(after: &Objects, api: &Api, problems: &mut Problems) {
    let Some(spec) = api.spec.as_ref() else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    let at = at.name("security");
    let security = spec.security.as_ref();
    check_among(after, problems, |named, found| {
        compile_security(security, named, &at, found);
    });
}

/// Tells what is wrong with something among the others and is right by itself. What is told of a field
/// already, as that what it names is not there, is told once.
fn check_among(
    after: &Objects,
    problems: &mut Problems,
    compile: impl Fn(Named<'_>, &mut Problems),
) {
    let mut alone = Problems::default();
    compile(Named::NONE, &mut alone);
    if !alone.is_empty() {
        return;
    }
    let mut found = Problems::default();
    compile(Named::among(after), &mut found);
    let mut new = found.into_list();
    new.retain(|problem| !problems.has(&problem.field));
    for problem in new {
        problems.add_at(&problem.field, problem.reason, problem.suggestion);
    }
}

/// Whether the policies that an API and its operations name can be used there.
fn check_policies(after: &Objects, api: &Api, problems: &mut Problems) {
    let Some(spec) = api.spec.as_ref() else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    let list = at.name("operations");
    check_among(after, problems, |named, found| {
        let kept = Kept::of(spec.policies.as_ref(), named, &at.name("policies"), found);
        for (index, operation) in spec.operations.iter().enumerate() {
            if operation.policies.is_some() {
                let here = list.index(index);
                kept.with(operation.policies.as_ref(), &here.name("policies"), found);
            }
        }
    });
}

type Asked<'s> = Option<&'s ExternalAuthorization>;

/// Whether the certificates and secrets that an API's endpoints name are what they should be. What
/// is wrong with the endpoints by themselves, and what is missing, is told elsewhere.
fn check_backends(after: &Objects, api: &Api, problems: &mut Problems) {
    let Some(spec) = api.spec.as_ref() else { return };
    let root = At::ROOT;
    let at = root.name("spec");
    let mut check = |at: At<'_>, endpoint: Option<&Endpoint>| {
        let Some(endpoint) = endpoint else { return };
        check_among(after, problems, |named, found| {
            check_access(endpoint, named, &at, found);
        });
    };
    if let Some(endpoints) = &spec.endpoints {
        let at = at.name("endpoints");
        check(at.name("production"), endpoints.production.as_ref());
        check(at.name("sandbox"), endpoints.sandbox.as_ref());
    }
    let list = at.name("variants");
    let list = list.name("choices");
    let choices = spec.variants.iter().flat_map(|variants| &variants.choices);
    for (index, choice) in choices.enumerate() {
        let at = list.index(index);
        check(at.name("production"), choice.production.as_ref());
        check(at.name("sandbox"), choice.sandbox.as_ref());
    }
    let mut check_own = |at: At<'_>, mirror: Option<&Mirror>, asked: Asked<'_>| {
        let here = at.name("mirror");
        check(here.name("endpoint"), mirror.and_then(|mirror| mirror.endpoint.as_ref()));
        let here = at.name("externalAuthorization");
        check(here.name("endpoint"), asked.and_then(|asked| asked.endpoint.as_ref()));
    };
    check_own(at, spec.mirror.as_ref(), spec.external_authorization.as_ref());
    let list = at.name("operations");
    for (index, operation) in spec.operations.iter().enumerate() {
        let asked = operation.external_authorization.as_ref();
        check_own(list.index(index), operation.mirror.as_ref(), asked);
    }
}

/// Whether another key manager takes some of the same tokens for its own.
fn check_patterns(
    after: &Objects,
    key: &ResourceKey,
    key_manager: &KeyManager,
    problems: &mut Problems,
) {
    let read = |spec: &KeyManagerSpec| -> Vec<(usize, TokenPattern)> {
        let texts = spec.token_patterns.iter().enumerate();
        // What cannot be read is told elsewhere.
        texts.filter_map(|(index, text)| Some((index, TokenPattern::parse(text).ok()?))).collect()
    };
    let own = key_manager.spec.as_ref().map(read).unwrap_or_default();
    if own.is_empty() {
        return;
    }
    for other in after.of_kind(Kind::KeyManager).filter(|other| other.key() != key) {
        let held = other.resource();
        let Some(Any::KeyManager(theirs)) = held.as_ref().and_then(|it| it.resource.as_ref())
        else {
            continue;
        };
        let theirs = theirs.spec.as_ref().map(read).unwrap_or_default();
        for (index, pattern) in &own {
            if let Some((_, shared)) = theirs.iter().find(|(_, shared)| shared.overlaps(pattern)) {
                let reason =
                    format!("some tokens also match the pattern `{shared}` of {}", other.key());
                let suggestion = "no token may match the patterns of two key managers";
                problems.add_at(&format!("spec.tokenPatterns[{index}]"), reason, suggestion);
            }
        }
    }
}

/// Whether something still refers to a resource that is to be removed.
pub(super) fn check_deleted(after: &Objects, key: &ResourceKey) -> Vec<Problem> {
    let mut problems = Problems::of(key.as_str(), "");
    let first = after.referrers(key).min();
    // What a tier says is not what the one says that exists always, whatever their names.
    let stays = is_built_in(key) && key.kind() != Some(Kind::Tier);
    if let Some(first) = first.filter(|_| !stays) {
        let reason = match after.referrers(key).count().saturating_sub(1) {
            0 => format!("{first} refers to it"),
            1 => format!("{first} and one other refer to it"),
            more => format!("{first} and {more} others refer to it"),
        };
        problems.add(&At::ROOT, reason, "remove what refers to it as well");
    }
    problems.into_list()
}

fn check_reference(
    after: &Objects,
    from: &ResourceKey,
    reference: &Reference,
    problems: &mut Problems,
) {
    let to = &reference.to;
    let Some(kind) = to.kind().filter(|_| !to.id().is_empty()) else { return };
    let of_policy = matches!(from.kind(), Some(Kind::DenyPolicy | Kind::CustomThrottle));
    let level = reference.level(from.kind());
    let wrong_level = || {
        let reason = format!("{to} is not of level {}", level.as_str_name());
        (reason, "choose a tier of that level")
    };
    let as_product = || after.get(&ResourceKey::of_id(Kind::ApiProduct, to.id()));
    match after.get(to) {
        None if kind == Kind::Tier && is_of_other_level(to.id(), level) => {
            let (reason, suggestion) = wrong_level();
            problems.add_at(&reference.field, reason, suggestion);
        }
        None if is_built_in(to) => {}
        // What a policy names is an API or a product; the API is asked about for both.
        None if of_policy && kind == Kind::ApiProduct => {}
        None if of_policy && kind == Kind::Api && as_product().is_some() => {}
        None => {
            let known: Vec<_> = after.of_kind(kind).take(10_000).collect();
            let known = known.iter().map(|object| object.key().id());
            let built_in: Vec<&str> = match kind {
                Kind::Tier => built_in_tiers().collect(),
                Kind::KeyManager => vec!["resident"],
                Kind::GatewayGroup => vec!["default"],
                _ => Vec::new(),
            };
            let near = nearest(to.id(), known.chain(built_in));
            let reason = format!("there is no {kind} `{}`", crate::problem::shown(to.id()));
            problems.add_at(&reference.field, reason, did_you_mean(near));
        }
        Some(object) => {
            let held = object.resource();
            if let Some(Any::Tier(tier)) = held.as_ref().and_then(|it| it.resource.as_ref())
                && let Some(spec) = tier.spec.as_ref()
                && spec.level != i32::from(level)
            {
                let (reason, suggestion) = wrong_level();
                problems.add_at(&reference.field, reason, suggestion);
            }
        }
    }
}

/// Whether the API offers the subscription's tier, and takes new subscriptions at all.
fn check_offer(
    before: &Objects,
    after: &Objects,
    key: &ResourceKey,
    subscription: &SubscriptionSpec,
    problems: &mut Problems,
) {
    let (api, field) = match subscription.api_product.as_str() {
        "" => (ResourceKey::of_id(Kind::Api, &subscription.api), "spec.api"),
        product => (ResourceKey::of_id(Kind::ApiProduct, product), "spec.apiProduct"),
    };
    let held = after.get(&api);
    let held = held.as_ref().and_then(|object| object.resource());
    let offer = match held.as_ref().and_then(|held| held.resource.as_ref()) {
        Some(Any::Api(one)) => one.spec.as_ref().map(|spec| (&spec.tiers, spec.lifecycle)),
        Some(Any::ApiProduct(one)) => one.spec.as_ref().map(|spec| (&spec.tiers, spec.lifecycle)),
        _ => None,
    };
    let Some((tiers, lifecycle)) = offer else { return };
    let tier = or_default(&subscription.tier, "Unlimited");
    let offered = if tiers.is_empty() {
        vec!["Unlimited"]
    } else {
        tiers.iter().map(String::as_str).collect()
    };
    if !offered.contains(&tier) {
        let reason = format!("{api} does not offer the tier {tier}");
        problems.add_at("spec.tier", reason, format!("it offers {}", offered.join(", ")));
    }
    let is_same = |object: &crate::Object| match object.resource()?.resource.as_ref()? {
        Any::Subscription(stored) => {
            let stored = stored.spec.as_ref()?;
            let same = stored.api == subscription.api;
            Some(same && stored.api_product == subscription.api_product)
        }
        _ => None,
    };
    let is_new = before.get(key).and_then(|object| is_same(&object)) != Some(true);
    let closed = match Lifecycle::try_from(lifecycle) {
        Ok(state @ (Lifecycle::Deprecated | Lifecycle::Retired)) => Some(state),
        _ => None,
    };
    if let Some(state) = closed.filter(|_| is_new) {
        let reason = format!("{api} is {} and takes no new subscriptions", state.as_str_name());
        problems.add_at(field, reason, "subscribe to a newer version");
    }
}

fn secret_value(objects: &Objects, name: &str) -> Option<String> {
    let object = objects.get(&ResourceKey::of_id(Kind::Secret, name))?;
    match object.resource()?.into_owned().resource? {
        Any::Secret(secret) => Some(std::mem::take(&mut secret.spec?.value)),
        _ => None,
    }
}
