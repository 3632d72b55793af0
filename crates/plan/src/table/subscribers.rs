//! How do applications and subscriptions come into force?
//!
//! Their meters live here: the same limits keep the same meter, other limits take over its counts.
//! Without its tier an application or subscription is not unlimited but broken.

use std::sync::Arc;

use throttle::{Meter, MeterConfig, Subject};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::tier_spec::Level;

use super::entry::{Entry, Refusal};
use super::numbers::fresh;
use super::plan::Plan;
use super::rights::{Grant, Pair, Terms, made, subscription_subject, unused_meter};
use crate::compile::{
    ApiKeyPlan, ApplicationForm, ApplicationPlan, ConsumerPlan, Keyed, TierPlan, USUAL_PRIORITY,
    built_in_tier, compile_application, compile_subscription,
};
use crate::hash_trie::Hashed;
use crate::map::hash_of;
use crate::problem::Problems;
use crate::resource::ResourceKey;

/// An application in force.
#[derive(Clone)]
pub(super) struct ApplicationEntry {
    form: Arc<ApplicationForm>,
    plan: Arc<ApplicationPlan>,
}

impl Entry for ApplicationEntry {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Application(application) = object else { return Ok(None) };
        let Some(form) = compile_application(application, problems) else { return Ok(None) };
        let tier = plan.tier(&form.tier, Level::Application)?;
        let old = Self::current(plan, key);
        let users = tier.per_user.then(|| {
            let of = ("application-user", &[key.id()][..]);
            let mut users = Keyed::new(&form.tier, of, &tier.meter, plan.subjects);
            let counted = old.as_ref().and_then(|old| old.plan.users.as_ref());
            if let Some(counted) = counted {
                users.count_on(counted);
            }
            users
        });
        let limits = if users.is_some() { MeterConfig::unlimited() } else { tier.meter };
        let meter = carried_over(key.id(), old.as_ref().map(|old| &old.plan.meter), limits);
        let number = plan.application_number(key.id())?;
        Ok(Some(Self::new(key, number, form, (meter, users), None)))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.applications.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, _: &ResourceKey) -> Result<(), Refusal> {
        for (index, key) in self.form.keys.iter().enumerate() {
            if let Some(other) = plan.consumer(&key.key_manager, &key.consumer_key) {
                let reason =
                    format!("its consumer key is of Application/{}", other.application.name);
                return Err(Refusal::at(&format!("spec.keys[{index}].consumerKey"), reason));
            }
        }
        for (index, key) in self.form.api_keys.iter().enumerate() {
            if let Some(other) = plan.api_keys.get(&key.digest) {
                let reason =
                    format!("the key is of Application/{}", other.consumer.application.name);
                return Err(Refusal::at(&format!("spec.apiKeys[{index}].sha256"), reason));
            }
        }
        self.plan.users.iter().for_each(Keyed::put_in_force);
        for key in &self.form.api_keys {
            let consumer = ConsumerPlan {
                application: Arc::clone(&self.plan),
                key_type: key.key_type,
                key_manager: Arc::default(),
                consumer_key: Arc::clone(&key.id),
            };
            let known = ApiKeyPlan {
                consumer: Arc::new(consumer),
                scopes: key.scopes.clone(),
                restriction: key.restriction.clone(),
                ends_at: key.ends_at,
                digest: key.digest,
            };
            plan.api_keys.insert(key.digest, Arc::new(known));
        }
        for key in &self.form.keys {
            let consumer = ConsumerPlan {
                application: Arc::clone(&self.plan),
                key_type: key.key_type,
                key_manager: plan.shared_name(&key.key_manager),
                consumer_key: Arc::clone(&key.consumer_key),
            };
            plan.consumers.insert(ConsumerEntry::new(Arc::new(consumer)));
        }
        plan.applications.insert(Arc::clone(&self.plan.name), self.clone());
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        for key in &self.form.keys {
            let (manager, client) = (&*key.key_manager, &*key.consumer_key);
            plan.consumers.remove(hash_of(&(manager, client)), |it| it.is(manager, client));
        }
        for key in &self.form.api_keys {
            plan.api_keys.remove(&key.digest);
        }
        plan.applications.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.plan.broken.is_some()
    }

    fn stand_in(plan: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Application(application) = object else { return None };
        let form = compile_application(application, &mut Problems::default())?;
        let meter = Arc::new(Meter::new(MeterConfig::unlimited()));
        let number = plan.application_number(key.id()).ok()?;
        Some(Self::new(key, number, form, (meter, None), Some(Arc::clone(reason))))
    }
}

impl ApplicationEntry {
    pub(super) const fn plan(&self) -> &Arc<ApplicationPlan> {
        &self.plan
    }

    fn new(
        key: &ResourceKey,
        number: u32,
        form: ApplicationForm,
        (meter, users): (Arc<Meter>, Option<Keyed>),
        broken: Option<Arc<str>>,
    ) -> Self {
        let plan = Arc::new(ApplicationPlan {
            name: key.name().into(),
            number,
            owner: Arc::clone(&form.owner),
            tier: Arc::clone(&form.tier),
            meter,
            users,
            restriction: form.restriction.clone(),
            broken,
        });
        Self { form: Arc::new(form), plan }
    }
}

/// A client in force.
#[derive(Clone, Debug)]
pub(super) struct ConsumerEntry {
    hash: u32,
    pub(super) plan: Arc<ConsumerPlan>,
}

impl ConsumerEntry {
    fn new(plan: Arc<ConsumerPlan>) -> Self {
        Self { hash: hash_of(&(&*plan.key_manager, &*plan.consumer_key)), plan }
    }

    pub(super) fn is(&self, key_manager: &str, consumer_key: &str) -> bool {
        *self.plan.consumer_key == *consumer_key && *self.plan.key_manager == *key_manager
    }
}

impl Hashed for ConsumerEntry {
    fn hash(&self) -> u32 {
        self.hash
    }
}

/// A subscription in force.
#[derive(Clone)]
pub(super) struct SubscriptionEntry {
    grant: Grant,
    /// Whether it is not another form of one that was there.
    is_new: bool,
}

impl Entry for SubscriptionEntry {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Subscription(subscription) = object else { return Ok(None) };
        let Some(form) = compile_subscription(subscription, problems) else { return Ok(None) };
        let terms = Arc::new(Terms {
            limits: plan.tier(&form.tier, Level::Subscription)?.meter,
            priority: plan.priority(&form.tier),
            tier: form.tier,
            state: form.state,
        });
        let (application, api) = (form.application, form.api);
        // Another application or API is another subscription, whatever it is called.
        let same = |old: &Grant| old.application == application && old.api == api;
        let old = plan.rights.of_name(key.id()).filter(same);
        let (is_new, old) = (old.is_none(), old.filter(|old| !old.is_broken()));
        let form = old.and_then(|old| {
            if old.terms == terms {
                return old.form;
            }
            // Under the same limits the calls of the plan before count as well, so there has to be a
            // meter for both; under others only what was counted until now counts.
            let shared = || plan.subscription(&application, &api).map(Arc::clone);
            let form = if old.terms.limits == terms.limits { shared() } else { old.form }?;
            let name = || subscription_subject(&application, &api);
            let meter = Some(form.meter.under(&terms.limits, name));
            Some(made(key.name(), &application, &api, &terms, meter, None))
        });
        Ok(Some(Self { grant: Grant { application, api, terms, form }, is_new }))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        Some(Self { grant: plan.rights.of_name(key.id())?, is_new: false })
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        let pair = Pair {
            application: plan.application_number(&self.grant.application)?,
            api: plan.api_number(&self.grant.api)?,
        };
        plan.rights.insert(key.id(), pair, &self.grant, self.is_new)
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.rights.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.grant.is_broken()
    }

    fn stand_in(_: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Subscription(subscription) = object else { return None };
        let spec = subscription.spec.as_ref()?;
        let (application, api) = (spec.application.as_str().into(), spec.api.as_str().into());
        let terms = Arc::new(Terms {
            tier: spec.tier.as_str().into(),
            limits: MeterConfig::unlimited(),
            priority: USUAL_PRIORITY,
            state: State::try_from(spec.state).unwrap_or(State::Blocked),
        });
        let broken = Some(Arc::clone(reason));
        let form = Some(made(key.name(), &application, &api, &terms, None, broken));
        Some(Self { grant: Grant { application, api, terms, form }, is_new: true })
    }
}

impl Plan {
    /// The number of an application, also of one that only subscriptions name.
    fn application_number(&self, name: &str) -> Result<u32, Refusal> {
        let held = || self.applications.get(name).map(|entry| entry.plan.number);
        self.rights.applications.number(name).or_else(held).map_or_else(fresh, Ok)
    }

    /// The number of an API or a product, also of one that only subscriptions name.
    pub(super) fn api_number(&self, id: &str) -> Result<u32, Refusal> {
        let held = || self.api(id).map(|api| api.number);
        self.rights.apis.number(id).or_else(held).map_or_else(fresh, Ok)
    }

    /// The name of a key manager; one text for all of its clients, where it is there.
    pub(super) fn shared_name(&self, key_manager: &Arc<str>) -> Arc<str> {
        let held = self.key_manager(key_manager).map(|held| &held.name);
        Arc::clone(held.unwrap_or(key_manager))
    }

    fn priority(&self, tier: &str) -> u8 {
        self.tiers.get(tier).map_or(USUAL_PRIORITY, |tier| tier.priority)
    }

    /// The tier of this name, as it is written or as it exists always.
    fn tier(&self, tier: &str, level: Level) -> Result<TierPlan, Refusal> {
        let found = match self.tiers.get(tier) {
            Some(written) => Some(written).filter(|found| found.level == level).cloned(),
            None => built_in_tier(tier, level),
        };
        found.ok_or_else(|| {
            let reason = format!("there is no tier {tier} of level {}", level.as_str_name());
            Refusal::at("spec.tier", reason)
        })
    }
}

fn carried_over(name: &str, old: Option<&Arc<Meter>>, limits: MeterConfig) -> Arc<Meter> {
    let subject = || Subject::of("application", &[name]);
    match old {
        Some(old) => old.under(&limits, subject),
        None => unused_meter(limits, subject),
    }
}
