//! What was, who changed it, and what is different now?

use std::collections::BTreeSet;

use plan::{Kind, Resource, ResourceKey};
use prost::Message as _;

use super::change::Manager;
use super::differing::Differing;
use super::error::ManageError;
use super::past;
use super::read::current;
use crate::history::{Past, Walk, forms_at};
use crate::people::Caller;
use crate::store::Revision;

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;
/// So many transactions are looked at for one page.
const LOOKED_AT: usize = 2000;
/// Less than what gRPC clients take in one message by default.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// Which transactions are wanted.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Only those that changed this resource.
    pub key: Option<ResourceKey>,
    /// Only those that changed one of this kind.
    pub kind: Option<Kind>,
    /// Only those of this caller; empty: of anybody.
    pub by: String,
    /// In microseconds since the Unix epoch: only those made then or later,
    pub since_us: Option<i64>,
    /// and before.
    pub until_us: Option<i64>,
    /// 0: 100; at most 1000.
    pub size: usize,
    /// Empty: the newest.
    pub token: String,
}

/// Some of them.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Newest first.
    pub entries: Vec<Past>,
    /// Empty: this was the last.
    pub next: String,
    /// What is in force.
    pub revision: Revision,
}

/// Resources as they were.
#[derive(Clone, Debug)]
pub struct PastPage {
    /// Ordered by key.
    pub resources: Vec<Resource>,
    /// Empty: this was the last.
    pub next: String,
}

fn size_of(asked: usize) -> usize {
    if asked == 0 { PAGE } else { asked.min(LARGEST_PAGE) }
}

/// Transactions that match, as far as `by` may know of them.
pub async fn history(
    by: &Caller,
    manager: &Manager,
    wanted: &HistoryQuery,
) -> Result<HistoryPage, ManageError> {
    let state = current(manager.catalog())?;
    let from = match wanted.token.as_str() {
        "" => state.revision,
        token => token.parse().map_err(|_| ManageError::PageToken)?,
    };
    let mut walk = Walk::back_from(manager.journal().store(), from);
    let (mut entries, size, mut room) = (Vec::new(), size_of(wanted.size), PAGE_BYTES);
    let mut next = String::new();
    for _ in 0..LOOKED_AT {
        let Some(found) = walk.next().await? else {
            next.clear();
            break;
        };
        next = found.base.to_string();
        // What they may not know of is no match either, whatever they look for.
        let seen = past::transaction(by, found).filter(|past| matches(wanted, past));
        if let Some(mut past) = seen {
            // Forms are not shown here, and may be large.
            past.touched.iter_mut().for_each(|one| one.before = None);
            room = room.saturating_sub(past.touched.len().min(100).saturating_mul(300));
            entries.push(past);
        }
        if entries.len() >= size || room == 0 {
            break;
        }
    }
    Ok(HistoryPage { entries, next, revision: state.revision })
}

fn matches(wanted: &HistoryQuery, past: &Past) -> bool {
    let at = past.note.committed_at_us;
    (wanted.by.is_empty() || wanted.by == past.note.by)
        && wanted.since_us.is_none_or(|since| at >= since)
        && wanted.until_us.is_none_or(|until| at < until)
        && past.touched.iter().any(|one| {
            wanted.key.as_ref().is_none_or(|key| *key == one.key)
                && wanted.kind.is_none_or(|kind| one.key.kind() == Some(kind))
        })
}

/// One resource as it was at a revision, where `by` may see it.
pub async fn as_of(
    by: &Caller,
    manager: &Manager,
    key: &ResourceKey,
    revision: Revision,
) -> Result<Resource, ManageError> {
    let state = current(manager.catalog())?;
    let forms = forms_at(manager.journal().store(), &state, revision, Some(key)).await?;
    past::form(by, forms.of(key)).ok_or_else(|| ManageError::NotFound(key.clone()))
}

/// A page of all resources as they were at a revision, of what `by` may see.
pub async fn all_as_of(
    by: &Caller,
    manager: &Manager,
    revision: Revision,
    size: usize,
    token: &str,
) -> Result<PastPage, ManageError> {
    let state = current(manager.catalog())?;
    let forms = forms_at(manager.journal().store(), &state, revision, None).await?;
    let after = (!token.is_empty()).then(|| ResourceKey::from_wire(token));
    let is_wanted = |key: &ResourceKey| {
        after.as_ref().is_none_or(|after| key > after)
            && forms.was_there(key)
            && (by.may_everything() || past::form(by, forms.of(key)).is_some())
    };
    let size = size_of(size);
    let gone = forms.touched().filter(|key| is_wanted(key)).cloned();
    let mut keys: BTreeSet<ResourceKey> = gone.collect();
    let here = state.objects.iter().map(|object| object.key().clone());
    keys.extend(here.filter(|key| is_wanted(key)).take(size + 1));
    let (mut resources, mut room, mut next) = (Vec::new(), PAGE_BYTES, String::new());
    let mut last = None::<ResourceKey>;
    for key in keys {
        let Some(resource) = forms.of(&key) else { continue };
        let left = room.checked_sub(resource.encoded_len());
        // One resource may be larger than a page and then stands alone.
        if let Some(last) = last.as_ref().filter(|_| resources.len() >= size || left.is_none()) {
            last.as_str().clone_into(&mut next);
            break;
        }
        room = left.unwrap_or(0);
        resources.push(resource);
        last = Some(key);
    }
    Ok(PastPage { resources, next })
}

/// What differs between two revisions in what `by` may see; `to` is none for the one in force.
pub async fn diff(
    by: &Caller,
    manager: &Manager,
    key: Option<&ResourceKey>,
    from: Revision,
    to: Option<Revision>,
) -> Result<Vec<Differing>, ManageError> {
    let state = current(manager.catalog())?;
    let store = manager.journal().store();
    let before = forms_at(store, &state, from, key).await?;
    let after = forms_at(store, &state, to.unwrap_or(state.revision), key).await?;
    let keys: BTreeSet<&ResourceKey> = before.touched().chain(after.touched()).collect();
    let of = |key: &&ResourceKey| {
        let [before, after] = [&before, &after].map(|forms| past::form(by, forms.of(key)));
        Differing::between(key, before.as_ref(), after.as_ref())
    };
    Ok(keys.iter().filter_map(of).collect())
}
