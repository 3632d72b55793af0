//! What is in force at one revision?
//!
//! Persistent maps: the next state shares everything that did not change with the one before, so
//! a history of states costs the size of the changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use plan::{Object, Objects, ResourceKey};

use super::rollout::{ROLLOUTS, Rollout, RolloutError};
use crate::store::{
    Batch, Entry, Event, Keyring, Listing, Note, PEOPLE, Record, RecordError, Revision,
    resource_key,
};

/// All resources at one revision.
#[derive(Clone, Debug)]
pub struct State {
    /// The line of revisions that `revision` belongs to.
    pub epoch: Arc<str>,
    /// The last transaction in it.
    pub revision: Revision,
    /// What is known of that transaction.
    pub note: Note,
    /// The resources.
    pub objects: Objects,
    /// When and by which transaction each was changed.
    pub stamps: imbl::OrdMap<ResourceKey, Stamp>,
    /// The changes that are on their way or were, by their names.
    pub rollouts: imbl::OrdMap<String, Arc<Rollout>>,
    /// What is stored of people, by what follows [`PEOPLE`] in its key.
    pub people: imbl::OrdMap<Arc<str>, Bytes>,
}

/// When a resource was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// By which transaction.
    pub revision: Revision,
    /// In microseconds since the Unix epoch.
    pub created_at_us: i64,
    /// In microseconds since the Unix epoch.
    pub updated_at_us: i64,
}

/// A stored resource that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A resource.
    #[error("`{key}` cannot be read")]
    Resource {
        /// Which.
        key: String,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// A rollout.
    #[error("`{key}` cannot be read")]
    Rollout {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: RolloutError,
    },
}

impl State {
    /// What a listing of the resources and one of people say. Objects that `before` holds in the same
    /// form stay the same objects.
    pub fn listed(
        listing: Listing,
        people: Vec<Entry>,
        before: Option<&Self>,
        keys: &Keyring,
    ) -> Result<Self, StateError> {
        let mut state = Self {
            epoch: listing.epoch.into(),
            revision: listing.revision,
            note: listing.note,
            objects: before.map(|before| before.objects.clone()).unwrap_or_default(),
            stamps: imbl::OrdMap::new(),
            rollouts: imbl::OrdMap::new(),
            people: people.into_iter().filter_map(of_people).collect(),
        };
        let mut gone: BTreeSet<ResourceKey> =
            state.objects.iter().map(|object| object.key().clone()).collect();
        for entry in listing.entries {
            let Some(name) = resource_key(&entry.key) else { continue };
            let record = decode(name, entry.value, keys)?;
            let key = ResourceKey::from_wire(name);
            gone.remove(&key);
            state.put(key, record, entry.revision);
        }
        for key in gone {
            state.objects.remove(&key);
        }
        Ok(state)
    }

    /// Whether a batch makes another state: what is written beside the line of transactions does not.
    pub fn concerns(batch: &Batch) -> bool {
        batch.revision > 0 || batch.events.iter().any(|event| resource_key(&event.key).is_some())
    }

    /// The same with the rollouts of a listing, which may be a later one: its rollouts count from its
    /// own revision on.
    pub fn with_rollouts(mut self, listing: Listing, keys: &Keyring) -> Result<Self, StateError> {
        for entry in listing.entries {
            self.put_rollout(&entry.key, Some(&entry.value), keys)?;
        }
        Ok(self)
    }

    /// The change that is on its way.
    pub fn rollout(&self) -> Option<&Arc<Rollout>> {
        self.rollouts.values().find(|rollout| !rollout.has_ended())
    }

    /// The state after a transaction. An object that cannot be read keeps its last good form.
    #[must_use]
    pub fn after(&self, batch: Batch, keys: &Keyring) -> (Self, Vec<StateError>) {
        let mut state = self.clone();
        let mut errors = Vec::new();
        // A batch of revision 0 belongs to no transaction of ours.
        if batch.revision > 0 {
            state.revision = batch.revision;
            state.note = batch.note;
        }
        let revision = state.revision;
        for Event { key, value } in batch.events {
            if key.starts_with(ROLLOUTS) {
                errors.extend(state.put_rollout(&key, value.as_deref(), keys).err());
                continue;
            }
            if let Some(name) = key.strip_prefix(PEOPLE) {
                match value {
                    Some(value) => state.people.insert(name.into(), value),
                    None => state.people.remove(name),
                };
                continue;
            }
            let Some(name) = resource_key(&key) else { continue };
            let key = ResourceKey::from_wire(name);
            match value.map(|value| decode(name, value, keys)) {
                Some(Ok(record)) => state.put(key, record, revision),
                Some(Err(error)) => errors.push(error),
                None => {
                    state.objects.remove(&key);
                    state.stamps.remove(&key);
                }
            }
        }
        (state, errors)
    }

    fn put_rollout(
        &mut self,
        key: &str,
        value: Option<&[u8]>,
        keys: &Keyring,
    ) -> Result<(), StateError> {
        let name = key.strip_prefix(ROLLOUTS).unwrap_or(key);
        let Some(value) = value else {
            self.rollouts.remove(name);
            return Ok(());
        };
        let rollout = Rollout::decode(key, value, keys)
            .map_err(|source| StateError::Rollout { key: key.to_owned(), source })?;
        self.rollouts.insert(name.to_owned(), Arc::new(rollout));
        Ok(())
    }

    fn put(&mut self, key: ResourceKey, record: Record, revision: Revision) {
        let Record { resource, created_at_us, updated_at_us } = record;
        self.stamps.insert(key.clone(), Stamp { revision, created_at_us, updated_at_us });
        if self.objects.get(&key).is_none_or(|held| *held.bytes() != resource) {
            self.objects.insert(Arc::new(Object::from_wire(key, resource)));
        }
    }
}

fn of_people(entry: Entry) -> Option<(Arc<str>, Bytes)> {
    Some((entry.key.strip_prefix(PEOPLE)?.into(), entry.value))
}

fn decode(name: &str, value: Bytes, keys: &Keyring) -> Result<Record, StateError> {
    Record::decode(name, value, keys)
        .map_err(|source| StateError::Resource { key: name.to_owned(), source })
}
