//! How do applications and subscriptions come into force?
//!
//! Their meters live here: the same limits keep the same meter, other limits take over its counts.
//! Without its tier an application or subscription is not unlimited but broken.

use std::sync::Arc;

use throttle::{Meter, MeterConfig};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::tier_spec::Level;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{
    ApiKeyPlan, ApplicationForm, ApplicationPlan, ConsumerPlan, SubscriptionPlan, USUAL_PRIORITY,
    compile_application, compile_subscription,
};
use crate::map::{Map, new_map};
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
        let limits = plan.limits(&form.tier, Level::Application)?;
        let old = Self::current(plan, key);
        let meter = carried_over(old.as_ref().map(|old| &old.plan.meter), limits);
        Ok(Some(Self::new(key, form, meter, None)))
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
        for key in &self.form.api_keys {
            let consumer = ConsumerPlan {
                application: Arc::clone(&self.plan),
                key_type: key.key_type,
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
                consumer_key: Arc::clone(&key.consumer_key),
            };
            let (outer, inner) = (&key.key_manager, &key.consumer_key);
            put(&mut plan.consumers, outer, inner, Arc::new(consumer));
        }
        plan.applications.insert(Arc::clone(&self.plan.name), self.clone());
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        for key in &self.form.keys {
            take(&mut plan.consumers, &key.key_manager, &key.consumer_key);
        }
        for key in &self.form.api_keys {
            plan.api_keys.remove(&key.digest);
        }
        plan.applications.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.plan.broken.is_some()
    }

    fn stand_in(_: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Application(application) = object else { return None };
        let form = compile_application(application, &mut Problems::default())?;
        let meter = Arc::new(Meter::new(MeterConfig::UNLIMITED));
        Some(Self::new(key, form, meter, Some(Arc::clone(reason))))
    }
}

impl ApplicationEntry {
    fn new(
        key: &ResourceKey,
        form: ApplicationForm,
        meter: Arc<Meter>,
        broken: Option<Arc<str>>,
    ) -> Self {
        let plan = Arc::new(ApplicationPlan {
            name: key.name().into(),
            owner: Arc::clone(&form.owner),
            tier: Arc::clone(&form.tier),
            meter,
            restriction: form.restriction.clone(),
            broken,
        });
        Self { form: Arc::new(form), plan }
    }
}

impl Entry for Arc<SubscriptionPlan> {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Subscription(subscription) = object else { return Ok(None) };
        let Some(form) = compile_subscription(subscription, problems) else { return Ok(None) };
        let limits = plan.limits(&form.tier, Level::Subscription)?;
        let old = Self::current(plan, key);
        // Another application or API is another subscription, whatever it is called.
        let same = |old: &&Self| old.application == form.application && old.api == form.api;
        let meter = carried_over(old.as_ref().filter(same).map(|old| &old.meter), limits);
        Ok(Some(Self::new(SubscriptionPlan {
            name: key.name().into(),
            application: form.application,
            api: form.api,
            state: form.state,
            priority: plan.priority(&form.tier),
            tier: form.tier,
            meter,
            broken: None,
        })))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.subscriptions.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, _: &ResourceKey) -> Result<(), Refusal> {
        if let Some(other) = plan.subscription(&self.application, &self.api) {
            let reason =
                format!("Subscription/{} joins the same application and API already", other.name);
            return Err(Refusal::at("spec.api", reason));
        }
        put(&mut plan.rights, &self.application, &self.api, Self::clone(self));
        plan.subscriptions.insert(Arc::clone(&self.name), Self::clone(self));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        take(&mut plan.rights, &self.application, &self.api);
        plan.subscriptions.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn stand_in(_: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Subscription(subscription) = object else { return None };
        let spec = subscription.spec.as_ref()?;
        Some(Self::new(SubscriptionPlan {
            name: key.name().into(),
            application: spec.application.as_str().into(),
            api: spec.api.as_str().into(),
            state: State::try_from(spec.state).unwrap_or(State::Blocked),
            tier: spec.tier.as_str().into(),
            priority: USUAL_PRIORITY,
            meter: Arc::new(Meter::new(MeterConfig::UNLIMITED)),
            broken: Some(Arc::clone(reason)),
        }))
    }
}

impl Plan {
    fn priority(&self, tier: &str) -> u8 {
        self.tiers.get(tier).map_or(USUAL_PRIORITY, |tier| tier.priority)
    }

    fn limits(&self, tier: &str, level: Level) -> Result<MeterConfig, Refusal> {
        if tier == "Unlimited" {
            return Ok(MeterConfig::UNLIMITED);
        }
        let found = self.tiers.get(tier);
        found.filter(|found| found.level == level).map(|found| found.meter).ok_or_else(|| {
            let reason = format!("there is no tier {tier} of level {}", level.as_str_name());
            Refusal::at("spec.tier", reason)
        })
    }
}

fn carried_over(old: Option<&Arc<Meter>>, limits: MeterConfig) -> Arc<Meter> {
    old.map_or_else(|| Arc::new(Meter::new(limits)), |old| old.under(limits))
}

type Nested<V> = Map<Arc<str>, Map<Arc<str>, V>>;

fn put<V: Clone>(map: &mut Nested<V>, outer: &Arc<str>, inner: &Arc<str>, value: V) {
    let mut entries = map.get(outer).cloned().unwrap_or_else(new_map);
    entries.insert(Arc::clone(inner), value);
    map.insert(Arc::clone(outer), entries);
}

fn take<V: Clone>(map: &mut Nested<V>, outer: &Arc<str>, inner: &Arc<str>) {
    let Some(mut entries) = map.get(outer).cloned() else { return };
    entries.remove(inner);
    if entries.is_empty() {
        map.remove(outer);
    } else {
        map.insert(Arc::clone(outer), entries);
    }
}
