//! How is a resource shown to people and programs?
//!
//! With what only the control plane knows of it, and without what must not be read back: the value
//! of a secret. Listings leave texts out that may be megabytes.

use plan::{Resource, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::resource::Resource as Any;

use crate::catalog::{Stamp, State};

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

/// One resource as `List` answers it.
pub fn listed(state: &State, key: &ResourceKey) -> Option<Resource> {
    let mut resource = shown(state, key)?;
    if let Some(Any::Api(api)) = &mut resource.resource
        && let Some(definition) = api.spec.as_mut().and_then(|spec| spec.definition.as_mut())
    {
        definition.text.clear();
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
