//! How do APIs come into force?

use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{ApiPlan, broken_api, compile_api};
use crate::problem::Problems;
use crate::resource::ResourceKey;

impl Entry for Arc<ApiPlan> {
    fn compile(
        _: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Api(api) = object else { return Ok(None) };
        Ok(compile_api(key, api, problems).map(Self::new))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.apis.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, _: &ResourceKey) -> Result<(), Refusal> {
        plan.contexts.insert(self).map_err(|taken| {
            let reason = format!("its path is served by {}", taken.0.key);
            Refusal::at("spec.context", reason)
        })?;
        plan.apis.insert(Self::clone(self).id.clone(), Self::clone(self));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.contexts.remove(self);
        plan.apis.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn stand_in(_: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Api(api) = object else { return None };
        broken_api(key, api, reason).map(Self::new)
    }
}
