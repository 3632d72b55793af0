//! How do limits by expressions come into force?

use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{CustomPlan, MAX_CUSTOM, compile_custom};
use crate::problem::Problems;
use crate::resource::ResourceKey;

impl Entry for Arc<CustomPlan> {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::CustomThrottle(policy) = object else { return Ok(None) };
        let compiled = compile_custom(key.name(), policy, plan.subjects, problems);
        let Some(mut custom) = compiled else { return Ok(None) };
        if let Some(old) = plan.customs.get(key.id()) {
            custom.counters.count_on(&old.counters);
        }
        Ok(Some(Self::new(custom)))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.customs.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        if plan.customs.len() >= MAX_CUSTOM {
            let reason = format!("there are {MAX_CUSTOM} already, and there may be no more");
            return Err(Refusal::at("", reason));
        }
        self.counters.put_in_force();
        plan.customs.insert(key.id().into(), Self::clone(self));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.customs.remove(key.id());
    }
}

impl Plan {
    /// The limits by expressions that are in force, in the order of their names.
    pub fn customs(&self) -> impl Iterator<Item = &Arc<CustomPlan>> {
        self.customs.values().filter(|custom| !custom.disabled)
    }

    /// Whether there are any.
    pub fn has_customs(&self) -> bool {
        !self.customs.is_empty()
    }
}
