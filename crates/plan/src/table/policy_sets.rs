//! How do policy sets come into force?

use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{PolicySetPlan, compile_policy_set};
use crate::problem::Problems;
use crate::resource::ResourceKey;

impl Entry for Arc<PolicySetPlan> {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::XacmlPolicySet(set) = object else { return Ok(None) };
        Ok(compile_policy_set(key.name(), set, plan.named(), problems).map(Self::new))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.policy_sets.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        plan.policy_sets.insert(key.id().into(), Self::clone(self));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.policy_sets.remove(key.id());
    }
}

impl Plan {
    /// The policy set of this name, as far as it is good.
    pub fn policy_set(&self, name: &str) -> Option<&Arc<PolicySetPlan>> {
        self.policy_sets.get(name)
    }
}

#[cfg(test)]
#[path = "policy_sets_tests.rs"]
mod tests;
