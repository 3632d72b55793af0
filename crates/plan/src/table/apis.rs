//! How do APIs come into force?

use std::hash::Hash;
use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{
    ApiPlan, BackendTlsPlan, EndpointPlan, broken_api, compile_api, usual_key_managers,
};
use crate::map::Map;
use crate::problem::Problems;
use crate::resource::ResourceKey;

impl Entry for Arc<ApiPlan> {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Api(api) = object else { return Ok(None) };
        let compiled = compile_api(key, api, plan.named(), problems);
        let Some(api) = compiled else { return Ok(None) };
        let api = match plan.apis.get(key.id()) {
            Some(old) => api.sharing(old),
            None => api,
        };
        let mut api = api.alike(&plan.alike).numbered(plan.api_number(key.id())?);
        let is_shared = |name: &Arc<str>| Arc::ptr_eq(name, &plan.shared_name(name));
        if !Arc::ptr_eq(&api.key_managers, &usual_key_managers())
            && !api.key_managers.iter().all(is_shared)
        {
            api.key_managers = api.key_managers.iter().map(|name| plan.shared_name(name)).collect();
        }
        Ok(Some(Self::new(api)))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.apis.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        if plan.products.contains_key(key.id()) {
            let reason = format!("it is the name of ApiProduct/{}", key.id());
            return Err(Refusal::at("metadata.name", reason));
        }
        plan.contexts.insert(self).map_err(|taken| {
            let reason = format!("its path is served by {}", taken.0.key);
            Refusal::at("spec.context", reason)
        })?;
        link_tls(plan, self);
        self.put_limits_in_force();
        if let Some(jwt) = &self.backend_jwt {
            count(&mut plan.jwt_fields, &jwt.header, true);
            if jwt.enabled {
                count(&mut plan.jwt_algorithms, &jwt.algorithm, true);
            }
        }
        plan.apis.insert(self);
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.contexts.remove(self);
        unlink_tls(plan, self);
        if let Some(jwt) = &self.backend_jwt {
            count(&mut plan.jwt_fields, &jwt.header, false);
            if jwt.enabled {
                count(&mut plan.jwt_algorithms, &jwt.algorithm, false);
            }
        }
        plan.apis.remove(key.id());
    }

    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn stand_in(plan: &Plan, key: &ResourceKey, object: &Any, reason: &Arc<str>) -> Option<Self> {
        let Any::Api(api) = object else { return None };
        let number = plan.api_number(key.id()).ok()?;
        broken_api(key, api, reason).map(|api| Self::new(api.numbered(number)))
    }
}

/// How an API's gateway and its servers make sure of each other, where it is not as everywhere.
fn tls_of(api: &ApiPlan) -> impl Iterator<Item = &Arc<BackendTlsPlan>> {
    api.endpoints().filter_map(|endpoint: &Arc<EndpointPlan>| endpoint.tls.as_ref())
}

/// Takes note of how `api`'s servers are made sure of.
pub(super) fn link_tls(plan: &mut Plan, api: &ApiPlan) {
    for tls in tls_of(api) {
        let known = plan.backend_tls.get(&tls.id).map_or(0, |(users, _)| *users);
        plan.backend_tls.insert(tls.id, (known + 1, Arc::clone(tls)));
    }
}

/// Forgets how `api`'s servers are made sure of, where no others are made sure of so.
pub(super) fn unlink_tls(plan: &mut Plan, api: &ApiPlan) {
    for tls in tls_of(api) {
        match plan.backend_tls.remove(&tls.id) {
            Some((users, tls)) if users > 1 => {
                plan.backend_tls.insert(tls.id, (users - 1, tls));
            }
            _ => {}
        }
    }
}

/// Counts one more user of `key`, or one less: what nobody uses any more is gone.
fn count<K: Clone + Eq + Hash>(users: &mut Map<K, usize>, key: &K, more: bool) {
    let known = users.get(key).copied().unwrap_or_default();
    match if more { known.saturating_add(1) } else { known.saturating_sub(1) } {
        0 => drop(users.remove(key)),
        left => drop(users.insert(key.clone(), left)),
    }
}
