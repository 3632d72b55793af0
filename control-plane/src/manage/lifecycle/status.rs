//! Where is an API or a product in its life, and what may be done?

use plan::{Kind, ResourceKey};
use turnpike_proto::config::v1::lifecycle::State as Life;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::living::{key_of, life_of};
use super::step::{carried, old_versions};
use crate::catalog::{Catalog, State};
use crate::manage::error::ManageError;
use crate::manage::read::current;
use crate::manage::view::revision;
use crate::people::{Caller, Sight};

/// So many resources are named that an item of the check-list would touch.
const NAMED: usize = 100;

/// Where something is in its life.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is.
    pub key: ResourceKey,
    /// Where it is.
    pub state: Life,
    /// The older versions that a first publication may deprecate.
    pub old_versions: Vec<ResourceKey>,
    /// The subscriptions that a first publication takes along.
    pub subscriptions: Vec<ResourceKey>,
    /// Of a product: the APIs that were changed after it was.
    pub outdated_by: Vec<ResourceKey>,
}

/// Where the API or product of this name and version is, as far as `by` sees it.
pub fn status(
    by: &Caller,
    catalog: &Catalog,
    name: &str,
    version: &str,
) -> Result<Status, ManageError> {
    let state = current(catalog)?;
    let key = key_of(&state, name, version)?;
    let seen = |key: &ResourceKey| {
        let held = state.objects.get(key);
        held.is_some_and(|held| held.resource().is_some_and(|it| by.sees(&it) != Sight::Nothing))
    };
    if !seen(&key) {
        return Err(ManageError::NotFound(key));
    }
    let held = state.objects.get(&key);
    let life = held.as_ref().and_then(|held| life_of(held.resource()?.as_ref()));
    let life = life.ok_or_else(|| ManageError::NotFound(key.clone()))?;
    let first = matches!(life, Life::Created | Life::Prototyped);
    let named = |mut all: Vec<ResourceKey>| {
        all.retain(&seen);
        all.truncate(NAMED);
        all
    };
    Ok(Status {
        old_versions: if first { named(old_versions(&state, &key)) } else { Vec::new() },
        subscriptions: if first { named(carried(&state, &key)) } else { Vec::new() },
        outdated_by: named(outdated_by(&state, &key)),
        state: life,
        key,
    })
}

/// The APIs of a product that were changed after it was.
fn outdated_by(state: &State, key: &ResourceKey) -> Vec<ResourceKey> {
    let Some(held) = state.objects.get(key) else { return Vec::new() };
    let Some(resource) = held.resource() else { return Vec::new() };
    let Some(Any::ApiProduct(product)) = &resource.resource else { return Vec::new() };
    let apis = product.spec.iter().flat_map(|spec| &spec.apis);
    let members = apis.map(|api| ResourceKey::new(Kind::Api, &api.name, Some(&api.version)));
    let known = revision(state, key);
    members.filter(|member| revision(state, member) > known).collect()
}
