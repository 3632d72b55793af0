//! Who calls, and with which right?

use std::collections::BTreeSet;
use std::sync::Arc;

use throttle::Meter;
use turnpike_proto::config::v1::key_type::Type;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::{Application, ApplicationSpec, Subscription, application_spec};

use super::api::unknown;
use super::api_key::{ApiKeyForm, compile_api_keys};
use super::counters::Keyed;
use super::head::{check_description, has_control, required};
use super::restriction::{RestrictionPlan, compile_restriction};
use crate::objects::or_default;
use crate::problem::{At, Problems, shown};
use crate::resource::{Kind, ResourceKey, is_name};

const MAX_KEYS: usize = 1_000;

/// Which backends a key reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `endpoints.production`.
    Production,
    /// `endpoints.sandbox`.
    Sandbox,
}

/// Which backends are meant. What is not known reaches those that do no harm.
pub(super) fn compile_key_type(number: i32, at: &At<'_>, problems: &mut Problems) -> KeyType {
    match Type::try_from(number) {
        Ok(Type::Production) => KeyType::Production,
        Ok(Type::Sandbox) => KeyType::Sandbox,
        Err(_) => {
            problems.add(at, unknown(number), "");
            KeyType::Sandbox
        }
    }
}

/// An application, ready to be metered. In this order: what every call looks at lies side by side.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ApplicationPlan {
    /// By which its rights are found.
    pub(crate) number: u32,
    /// The limits of that tier at work, where all calls are counted together; without limits where each
    /// user is counted by itself.
    pub meter: Arc<Meter>,
    /// Why its calls answer 503; `None`: it is sound.
    pub broken: Option<Arc<str>>,
    /// From where its calls may come; `None`: from everywhere.
    pub restriction: Option<Arc<RestrictionPlan>>,
    /// The limits of that tier, where each user is counted by itself.
    pub users: Option<Keyed>,
    /// Its name.
    pub name: Arc<str>,
    /// Who answers for it; empty: nobody is named.
    pub owner: Arc<str>,
    /// The tier that limits all its calls.
    pub tier: Arc<str>,
}

/// A client at a key manager, or an API key, that stands for an application.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ConsumerPlan {
    /// The application.
    pub application: Arc<ApplicationPlan>,
    /// Which backends it reaches.
    pub key_type: KeyType,
    /// The key manager of the client; empty: it is an API key.
    pub key_manager: Arc<str>,
    /// The client identifier, or that of the API key.
    pub consumer_key: Arc<str>,
}

/// A subscription, ready to be metered. In this order: what every call looks at lies side by side.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct SubscriptionPlan {
    /// Whether it may be used.
    pub state: State,
    /// The priority of that tier under overload; the lowest are let go of first.
    pub priority: u8,
    /// The limits of that tier at work.
    pub meter: Arc<Meter>,
    /// Why its calls answer 503; `None`: it is sound.
    pub broken: Option<Arc<str>>,
    /// The tier that limits its calls.
    pub tier: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The application.
    pub application: Arc<str>,
    /// `name:version` of the API.
    pub api: Arc<str>,
}

/// What an application says by itself; its meter takes its tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplicationForm {
    pub(crate) owner: Arc<str>,
    pub(crate) tier: Arc<str>,
    pub(crate) keys: Vec<KeyForm>,
    pub(crate) api_keys: Vec<ApiKeyForm>,
    pub(crate) restriction: Option<Arc<RestrictionPlan>>,
}

/// A client of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyForm {
    pub(crate) key_manager: Arc<str>,
    pub(crate) consumer_key: Arc<str>,
    pub(crate) key_type: KeyType,
}

/// What a subscription says by itself; its meter takes its tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionForm {
    pub(crate) application: Arc<str>,
    pub(crate) api: Arc<str>,
    pub(crate) tier: Arc<str>,
    pub(crate) state: State,
}

/// Whoever waits for approval, or was not approved, has no keys.
fn check_approval(spec: &ApplicationSpec, at: &At<'_>, problems: &mut Problems) {
    match application_spec::State::try_from(spec.state) {
        Ok(application_spec::State::Approved) => {}
        Ok(_) if spec.keys.is_empty() && spec.api_keys.is_empty() => {}
        Ok(state) => {
            let field = if spec.keys.is_empty() { "apiKeys" } else { "keys" };
            let reason = format!("an application that is {} has no keys", state.as_str_name());
            problems.add(&at.name(field), reason, "have it approved first");
        }
        Err(_) => problems.add(&at.name("state"), unknown(spec.state), ""),
    }
}

pub(crate) fn compile_application(
    application: &Application,
    problems: &mut Problems,
) -> Option<ApplicationForm> {
    let spec = required(application.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    check_name(or_default(&spec.tier, "Unlimited"), &at.name("tier"), problems);
    check_approval(spec, &at, problems);
    let list = at.name("keys");
    if spec.keys.len() > MAX_KEYS {
        problems.add(&list, format!("there are {}, at most {MAX_KEYS}", spec.keys.len()), "");
        return None;
    }
    let (mut keys, mut seen) = (Vec::with_capacity(spec.keys.len()), BTreeSet::new());
    for (index, key) in spec.keys.iter().enumerate() {
        let here = list.index(index);
        let key_manager = or_default(&key.key_manager, "resident");
        check_name(key_manager, &here.name("keyManager"), problems);
        let consumer = key.consumer_key.as_str();
        if consumer.is_empty() || consumer.len() > 512 || has_control(consumer) {
            let reason = "a consumer key has 1 to 512 bytes";
            problems.add(&here.name("consumerKey"), reason, "take it from the key manager");
        } else if !seen.insert((key_manager, consumer)) {
            let reason = format!("the consumer key `{}` stands twice", shown(consumer));
            problems.add(&here.name("consumerKey"), reason, "keep one of them");
        }
        let key_type = compile_key_type(key.r#type, &here.name("type"), problems);
        keys.push(KeyForm {
            key_manager: key_manager.into(),
            consumer_key: consumer.into(),
            key_type,
        });
    }
    let api_keys = compile_api_keys(&spec.api_keys, &at.name("apiKeys"), problems);
    let restriction = compile_restriction(&spec.allowed_ips, &spec.allowed_domains, &at, problems);
    problems.is_empty().then(|| ApplicationForm {
        owner: application.metadata.as_ref().map_or("", |metadata| &metadata.owner).into(),
        tier: or_default(&spec.tier, "Unlimited").into(),
        keys,
        api_keys,
        restriction: (!restriction.is_empty()).then(|| Arc::new(restriction)),
    })
}

pub(crate) fn compile_subscription(
    subscription: &Subscription,
    problems: &mut Problems,
) -> Option<SubscriptionForm> {
    let spec = required(subscription.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_name(&spec.application, &at.name("application"), problems);
    check_name(or_default(&spec.tier, "Unlimited"), &at.name("tier"), problems);
    let (kind, field, id) = match spec.api_product.as_str() {
        "" => (Kind::Api, "api", spec.api.as_str()),
        product => (Kind::ApiProduct, "apiProduct", product),
    };
    if format!("{kind}/{id}").parse::<ResourceKey>().is_err() {
        let reason = format!("`{}` names no {kind}", shown(id));
        problems.add(&at.name(field), reason, "write `name:version`");
    }
    if !spec.api.is_empty() && !spec.api_product.is_empty() {
        let reason = "a subscription is to an API or to a product";
        problems.add(&at.name("apiProduct"), reason, "leave out one of them");
    }
    let state = State::try_from(spec.state).unwrap_or_else(|_| {
        problems.add(&at.name("state"), unknown(spec.state), "");
        State::Blocked
    });
    problems.is_empty().then(|| SubscriptionForm {
        application: spec.application.as_str().into(),
        api: id.into(),
        tier: or_default(&spec.tier, "Unlimited").into(),
        state,
    })
}

fn check_name(name: &str, at: &At<'_>, problems: &mut Problems) {
    if name.is_empty() {
        problems.add(at, "a name is missing", "");
    } else if !is_name(name) {
        problems.add(at, format!("`{}` is no name", shown(name)), "");
    }
}
