//! How were resources at a revision?
//!
//! Back from what is in force, taking each change back. That is only right while no transaction is
//! missing on the way, so each must continue the one after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use plan::{Resource, ResourceKey};

use super::error::HistoryError;
use super::record::without_value;
use super::walk::Walk;
use crate::catalog::State;
use crate::store::{Revision, Store};

/// What one answer may hold.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// What an entry costs besides its bytes.
const PER_FORM: usize = 256;

/// What was different then.
#[derive(Clone, Debug)]
pub struct Forms {
    state: Arc<State>,
    /// Of each resource that was touched since: how it was; none: it was not there.
    then: BTreeMap<ResourceKey, Option<Bytes>>,
    /// The form that went last, of those that were removed since.
    removed: BTreeMap<ResourceKey, Bytes>,
}

impl Forms {
    /// How a resource was.
    pub fn of(&self, key: &ResourceKey) -> Option<Resource> {
        match self.then.get(key) {
            Some(then) => plan::decode(then.as_ref()?).ok(),
            None => shown_form(&self.state, key),
        }
    }

    /// How a resource was last before it was removed, where it is not there now.
    pub fn last_of(&self, key: &ResourceKey) -> Option<Resource> {
        plan::decode(self.removed.get(key)?).ok()
    }

    /// The resources that were touched since.
    pub fn touched(&self) -> impl Iterator<Item = &ResourceKey> {
        self.then.keys()
    }

    /// Whether a resource was there.
    pub fn was_there(&self, key: &ResourceKey) -> bool {
        let now = || self.state.objects.get(key).is_some();
        self.then.get(key).map_or_else(now, Option::is_some)
    }
}

/// How a resource is in `state`, without the value of a secret.
pub fn shown_form(state: &State, key: &ResourceKey) -> Option<Resource> {
    without_value(&*state.objects.get(key)?)
}

/// How all resources were at `revision`, or the one that is named. `state` is what is in force.
pub async fn forms_at(
    store: &Arc<dyn Store>,
    state: &Arc<State>,
    revision: Revision,
    only: Option<&ResourceKey>,
) -> Result<Forms, HistoryError> {
    let (asked, now) = (revision, state.revision);
    if asked > now {
        return Err(HistoryError::Future { asked, now });
    }
    let (then, removed) = (BTreeMap::new(), BTreeMap::new());
    let mut forms = Forms { state: state.clone(), then, removed };
    let (mut begins, mut room) = (now, MOST_BYTES);
    let mut walk = Walk::back_from(store, now);
    while begins > asked {
        let past = walk.next().await?.filter(|past| past.revision == begins);
        let Some(past) = past else { return Err(HistoryError::Gone { asked, begins }) };
        begins = past.base;
        for one in past.touched {
            if only.is_some_and(|only| *only != one.key) {
                continue;
            }
            let size = one.before.as_ref().map_or(0, Bytes::len).saturating_add(PER_FORM);
            room = room.checked_sub(size).ok_or(HistoryError::TooMuch { asked })?;
            if let Some(before) = &one.before
                && state.objects.get(&one.key).is_none()
            {
                forms.removed.entry(one.key.clone()).or_insert_with(|| before.clone());
            }
            let replaced = forms.then.insert(one.key, one.before).flatten();
            room = room.saturating_add(replaced.map_or(0, |bytes| bytes.len()));
        }
    }
    Ok(forms)
}
