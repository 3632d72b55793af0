//! Which resources are there? Read from memory, so also while the store is away.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::{Kind, Resource, ResourceKey};
use prost::Message as _;

use super::error::ManageError;
use super::view::{listed, shown};
use crate::catalog::{Catalog, State};
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
    /// 0: 100; at most 1000.
    pub size: usize,
    /// Empty: from the beginning.
    pub token: String,
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

/// One resource.
pub fn get(catalog: &Catalog, key: &ResourceKey) -> Result<Resource, ManageError> {
    let state = current(catalog)?;
    shown(&state, key).ok_or_else(|| ManageError::NotFound(key.clone()))
}

/// A page of a kind.
pub fn list(catalog: &Catalog, kind: Kind, wanted: &PageRequest) -> Result<Page, ManageError> {
    let state = current(catalog)?;
    // No name is empty: an empty one is before the first.
    let after = after(kind, &wanted.token)?.unwrap_or_else(|| ResourceKey::of_id(kind, ""));
    let size = match wanted.size {
        0 => PAGE,
        size => size.min(LARGEST_PAGE),
    };
    let mut found = state
        .objects
        .after(&after)
        .filter(|object| {
            let resource = object.resource();
            let labels = resource.as_deref().and_then(plan::metadata).map(|m| &m.labels);
            wanted
                .labels
                .iter()
                .all(|(name, value)| labels.is_some_and(|labels| labels.get(name) == Some(value)))
        })
        .map(|object| object.key().clone());
    let (mut items, mut room, mut last) = (Vec::new(), PAGE_BYTES, None::<ResourceKey>);
    let mut next = String::new();
    for key in &mut found {
        let Some(item) = listed(&state, &key) else { continue };
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
