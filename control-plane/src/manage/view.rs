//! How is a resource shown to people and programs?
//!
//! With what only the control plane knows of it, and without what must not be read back: the value
//! of a secret. Listings leave texts out that may be megabytes.

use plan::{Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{ApiSpec, Operation};

use crate::catalog::{Stamp, State};
use crate::people::{Caller, Sight};

/// A tier under the name that it has where none is said.
pub(super) fn tier(named: &str) -> &str {
    if named.is_empty() { "Unlimited" } else { named }
}

/// One resource as `Get` answers it.
pub fn shown(state: &State, key: &ResourceKey) -> Option<Resource> {
    let mut resource = state.objects.get(key)?.resource()?.into_owned();
    if let (Some(stamp), Some(metadata)) =
        (state.stamps.get(key), plan::metadata_mut(&mut resource))
    {
        metadata.revision = stamp.revision;
        metadata.created_at = time(stamp.created_at_us);
        metadata.updated_at = time(stamp.updated_at_us);
    }
    if let Some(Any::Secret(secret)) = &mut resource.resource
        && let Some(spec) = &mut secret.spec
    {
        spec.value.clear();
    }
    Some(resource)
}

/// The same as far as `by` may see it; none: for them it is not there.
pub fn seen(by: &Caller, state: &State, key: &ResourceKey) -> Option<Resource> {
    let resource = shown(state, key)?;
    match by.sees(&resource) {
        Sight::Nothing => None,
        Sight::Outline => Some(outline(resource)),
        Sight::Whole => Some(resource),
    }
}

/// What consumers of an interface get to see: not where and how it is served, nor who may see it.
fn outline(mut resource: Resource) -> Resource {
    if let Some(metadata) = plan::metadata_mut(&mut resource) {
        metadata.access = None;
    }
    match &mut resource.resource {
        Some(Any::Api(api)) => {
            if let Some(spec) = &mut api.spec {
                *spec = ApiSpec {
                    context: std::mem::take(&mut spec.context),
                    default_version: spec.default_version,
                    lifecycle: spec.lifecycle,
                    r#type: spec.r#type,
                    definition: spec.definition.take(),
                    security: spec.security.take(),
                    key_managers: std::mem::take(&mut spec.key_managers),
                    operations: std::mem::take(&mut spec.operations),
                    tiers: std::mem::take(&mut spec.tiers),
                    description: std::mem::take(&mut spec.description),
                    subscriptionless: spec.subscriptionless,
                    scopes: std::mem::take(&mut spec.scopes),
                    ..ApiSpec::default()
                };
                spec.operations.iter_mut().for_each(outline_of_operation);
            }
        }
        Some(Any::ApiProduct(product)) => {
            if let Some(spec) = &mut product.spec {
                spec.external_authorization = None;
                spec.access = None;
            }
        }
        _ => {}
    }
    resource
}

fn outline_of_operation(operation: &mut Operation) {
    *operation = Operation {
        method: std::mem::take(&mut operation.method),
        path: std::mem::take(&mut operation.path),
        scopes: std::mem::take(&mut operation.scopes),
        ..Operation::default()
    };
}

/// One resource as `List` answers it.
pub fn listed(by: &Caller, state: &State, key: &ResourceKey) -> Option<Resource> {
    let mut resource = seen(by, state, key)?;
    match &mut resource.resource {
        Some(Any::Api(api)) => {
            let definition = api.spec.as_mut().and_then(|spec| spec.definition.as_mut());
            if let Some(definition) = definition {
                definition.text.clear();
            }
        }
        Some(Any::XacmlPolicySet(set)) => {
            let documents = set.spec.iter_mut().flat_map(|spec| &mut spec.documents);
            documents.for_each(|document| document.text.clear());
        }
        _ => {}
    }
    Some(resource)
}

/// The revision of a resource; 0: there is none.
pub(super) fn revision(state: &State, key: &ResourceKey) -> u64 {
    state.stamps.get(key).map_or(0, |stamp: &Stamp| stamp.revision)
}

fn time(unix_us: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(unix_us.rem_euclid(1_000_000)).ok()?.saturating_mul(1000);
    (unix_us != 0).then(|| Timestamp { seconds: unix_us.div_euclid(1_000_000), nanos })
}
