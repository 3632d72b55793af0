//! What has a life?
//!
//! APIs and products; here is what both say about it.

use std::cmp::Ordering;

use plan::{Kind, Resource, ResourceKey};
use turnpike_proto::config::v1::PreviousVersion;
use turnpike_proto::config::v1::lifecycle::State as Life;
use turnpike_proto::config::v1::resource::Resource as Any;

use crate::catalog::State;
use crate::manage::error::ManageError;

/// What an API or a product says about its life, to be changed.
pub(super) struct Living<'r> {
    pub(super) lifecycle: &'r mut i32,
    pub(super) default_version: &'r mut bool,
    pub(super) previous: &'r mut Option<PreviousVersion>,
    pub(super) context: &'r str,
    pub(super) tiers: &'r [String],
}

/// What is said in `resource`; `None`: it has no life.
pub(super) fn living(resource: &mut Resource) -> Option<Living<'_>> {
    Some(match resource.resource.as_mut()? {
        Any::Api(one) => {
            let spec = one.spec.get_or_insert_default();
            Living {
                lifecycle: &mut spec.lifecycle,
                default_version: &mut spec.default_version,
                previous: &mut spec.previous,
                context: &spec.context,
                tiers: &spec.tiers,
            }
        }
        Any::ApiProduct(one) => {
            let spec = one.spec.get_or_insert_default();
            Living {
                lifecycle: &mut spec.lifecycle,
                default_version: &mut spec.default_version,
                previous: &mut spec.previous,
                context: &spec.context,
                tiers: &spec.tiers,
            }
        }
        _ => return None,
    })
}

/// Where it is in its life; `None`: it has none, or one that this version does not know.
pub(crate) fn life_of(resource: &Resource) -> Option<Life> {
    let lifecycle = match resource.resource.as_ref()? {
        Any::Api(one) => one.spec.as_ref()?.lifecycle,
        Any::ApiProduct(one) => one.spec.as_ref()?.lifecycle,
        _ => return None,
    };
    Life::try_from(lifecycle).ok()
}

/// The API or the product of this name and version; they have none in common.
pub(super) fn key_of(state: &State, name: &str, version: &str) -> Result<ResourceKey, ManageError> {
    let api = ResourceKey::new(Kind::Api, name, Some(version));
    if state.objects.get(&api).is_some() {
        return Ok(api);
    }
    let product = ResourceKey::new(Kind::ApiProduct, name, Some(version));
    match state.objects.get(&product) {
        Some(_) => Ok(product),
        None => Err(ManageError::NotFound(api)),
    }
}

/// The other versions, of the same kind and tenant: names are one for all tenants, and versions of somebody
/// else under the same name are theirs.
pub(super) fn other_versions(state: &State, key: &ResourceKey) -> Vec<ResourceKey> {
    let Some(kind) = key.kind() else { return Vec::new() };
    let tenant = |key: &ResourceKey| {
        let held = state.objects.get(key)?;
        let resource = held.resource()?;
        plan::metadata(&resource).map(|metadata| metadata.tenant.clone())
    };
    let ours = tenant(key);
    // `:` stands after all that may stand in a name, and before the first version.
    let first = ResourceKey::of_id(kind, &format!("{}:", key.name()));
    let here = state.objects.after(&first).map(|object| object.key().clone());
    let here = here.take_while(|other| other.name() == key.name());
    here.filter(|other| other != key && tenant(other) == ours).collect()
}

/// Whether a version is older than another one: numbers are compared as numbers, and what is a number
/// stands after what is none, so that `1.0.0-rc1` is older than `1.0.0`.
pub(super) fn is_older(one: &str, other: &str) -> bool {
    let parts = |version: &str| -> Vec<String> {
        version.split(['.', '-', '_']).map(str::to_owned).collect()
    };
    let (one, other) = (parts(one), parts(other));
    for (left, right) in one.iter().zip(&other) {
        match compare(left, right) {
            Ordering::Equal => {}
            unlike => return unlike == Ordering::Less,
        }
    }
    let is_text = |part: Option<&String>| part.is_some_and(|part| number(part).is_none());
    // What is longer is younger, unless it goes on with a word.
    match one.len().cmp(&other.len()) {
        Ordering::Less => !is_text(other.get(one.len())),
        Ordering::Greater => is_text(one.get(other.len())),
        Ordering::Equal => false,
    }
}

fn compare(left: &str, right: &str) -> Ordering {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => left.cmp(right),
    }
}

/// The number that a part is, with a `v` before it or without.
fn number(part: &str) -> Option<u64> {
    part.strip_prefix(['v', 'V']).unwrap_or(part).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions from the oldest to the youngest.
    #[track_caller]
    fn check(order: &str) {
        let versions: Vec<&str> = order.split(' ').collect();
        for (at, one) in versions.iter().enumerate() {
            for (other_at, other) in versions.iter().enumerate() {
                assert_eq!(is_older(one, other), at < other_at, "{one} {other}");
            }
        }
    }

    #[test]
    fn versions_have_an_order() {
        check("1.0.0-rc1 1.0.0 1.0.1 1.2 1.10 2");
        check("v1 v2 v10");
        check("2024-12-31 2025-01-01 2025-01-01.1");
        check("alpha beta 1");
    }
}
