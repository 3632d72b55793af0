//! Which resources are there? Read from memory, so also while the store is away.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::{Kind, Resource, ResourceKey};
use prost::Message as _;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::error::ManageError;
use super::view::{listed, seen};
use crate::catalog::{Catalog, State};
use crate::people::Caller;
use crate::store::Revision;

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;
/// Less than what gRPC clients take in one message by default.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// Which part of a kind is wanted.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Only resources with all of these.
    pub labels: BTreeMap<String, String>,
    /// Only those of this owner; empty: of anybody.
    pub owner: String,
    /// Only those whose name starts so.
    pub name_prefix: String,
    /// Only Apis and products with this context; empty: with any.
    pub context: String,
    /// Only Apis and products in one of these states; empty: in any.
    pub lifecycles: Vec<Lifecycle>,
    /// 0: 100; at most 1000.
    pub size: usize,
    /// Empty: from the beginning.
    pub token: String,
}

impl PageRequest {
    /// Filters that a kind has no field for are refused: what they would leave out cannot be said.
    fn check(&self, kind: Kind) -> Result<(), ManageError> {
        let is_served = matches!(kind, Kind::Api | Kind::ApiProduct);
        let named =
            [("context", !self.context.is_empty()), ("lifecycle", !self.lifecycles.is_empty())];
        match named.into_iter().find(|(_, is_asked)| *is_asked && !is_served) {
            Some((filter, _)) => Err(ManageError::Filter { kind, filter }),
            None => Ok(()),
        }
    }

    fn means(&self, resource: &Resource) -> bool {
        let Some(metadata) = plan::metadata(resource) else { return false };
        let has = |(name, value): (&String, &String)| metadata.labels.get(name) == Some(value);
        let (context, lifecycle) = match &resource.resource {
            Some(Any::Api(api)) => {
                let spec = api.spec.as_ref();
                (spec.map(|it| it.context.as_str()), spec.map(|it| it.lifecycle))
            }
            Some(Any::ApiProduct(product)) => {
                let spec = product.spec.as_ref();
                (spec.map(|it| it.context.as_str()), spec.map(|it| it.lifecycle))
            }
            _ => (None, None),
        };
        self.labels.iter().all(has)
            && (self.owner.is_empty() || metadata.owner == self.owner)
            && (self.context.is_empty() || context == Some(self.context.as_str()))
            && (self.lifecycles.is_empty()
                || self.lifecycles.iter().any(|state| lifecycle == Some(i32::from(*state))))
    }
}

/// A part of a kind.
#[derive(Clone, Debug)]
pub struct Page {
    /// Ordered by key, without their texts.
    pub items: Vec<Resource>,
    /// Empty: this was the last.
    pub next: String,
    /// What it shows.
    pub revision: Revision,
}

/// One resource, as far as `by` may see it.
pub fn get(by: &Caller, catalog: &Catalog, key: &ResourceKey) -> Result<Resource, ManageError> {
    let state = current(catalog)?;
    seen(by, &state, key).ok_or_else(|| ManageError::NotFound(key.clone()))
}

/// A page of a kind, of what `by` may see.
pub fn list(
    by: &Caller,
    catalog: &Catalog,
    kind: Kind,
    wanted: &PageRequest,
) -> Result<Page, ManageError> {
    let state = current(catalog)?;
    wanted.check(kind)?;
    // No name is empty: an empty one is before the first.
    let after = after(kind, &wanted.token)?.unwrap_or_else(|| ResourceKey::of_id(kind, ""));
    let size = match wanted.size {
        0 => PAGE,
        size => size.min(LARGEST_PAGE),
    };
    let mut found = state
        .objects
        .after(&after)
        .filter(|object| object.key().name().starts_with(&wanted.name_prefix))
        .filter(|object| object.resource().is_some_and(|resource| wanted.means(&resource)))
        .map(|object| object.key().clone());
    let (mut items, mut room, mut last) = (Vec::new(), PAGE_BYTES, None::<ResourceKey>);
    let mut next = String::new();
    for key in &mut found {
        let Some(item) = listed(by, &state, &key) else { continue };
        let left = room.checked_sub(item.encoded_len());
        // One resource may be larger than a page and then stands alone.
        if let Some(last) = last.as_ref().filter(|_| items.len() >= size || left.is_none()) {
            next = URL_SAFE_NO_PAD.encode(last.id());
            break;
        }
        room = left.unwrap_or(0);
        items.push(item);
        last = Some(key);
    }
    Ok(Page { items, next, revision: state.revision })
}

pub(super) fn current(catalog: &Catalog) -> Result<Arc<State>, ManageError> {
    catalog.current().ok_or(ManageError::NotLoaded)
}

fn after(kind: Kind, token: &str) -> Result<Option<ResourceKey>, ManageError> {
    if token.is_empty() {
        return Ok(None);
    }
    let id = URL_SAFE_NO_PAD.decode(token).map_err(|_| ManageError::PageToken)?;
    let id = String::from_utf8(id).map_err(|_| ManageError::PageToken)?;
    Ok(Some(ResourceKey::of_id(kind, &id)))
}
