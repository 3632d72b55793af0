//! How do products come into force?
//!
//! They are made of APIs that are in force, and made anew with each of them.

use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::apis::{link_tls, unlink_tls};
use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{ApiPlan, broken_product, compile_product};
use crate::problem::Problems;
use crate::resource::ResourceKey;

/// A product in force.
#[derive(Clone)]
pub(super) struct ProductEntry(Arc<ApiPlan>);

impl Entry for ProductEntry {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::ApiProduct(product) = object else { return Ok(None) };
        let members = |id: &str| plan.apis.get(id).cloned();
        let compiled = compile_product(key, product, &members, plan.named(), problems);
        let Some(product) = compiled else { return Ok(None) };
        let product = match plan.products.get(key.id()) {
            Some(old) => product.sharing(old),
            None => product,
        };
        Ok(Some(Self(Arc::new(product.numbered(plan.api_number(key.id())?)))))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.products.get(key.id()).cloned().map(Self)
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        if plan.apis.get(key.id()).is_some() {
            return Err(Refusal::at(
                "metadata.name",
                format!("it is the name of Api/{}", key.id()),
            ));
        }
        plan.contexts.insert(&self.0).map_err(|taken| {
            let reason = format!("its path is served by {}", taken.0.key);
            Refusal::at("spec.context", reason)
        })?;
        link_tls(plan, &self.0);
        self.0.put_limits_in_force();
        plan.products.insert(Arc::clone(&self.0.id), Arc::clone(&self.0));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.contexts.remove(&self.0);
        unlink_tls(plan, &self.0);
        plan.products.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.0.broken.is_some()
    }

    fn stand_in(plan: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::ApiProduct(product) = object else { return None };
        let number = plan.api_number(key.id()).ok()?;
        let product = broken_product(key, product, reason)?;
        Some(Self(Arc::new(product.numbered(number))))
    }
}
