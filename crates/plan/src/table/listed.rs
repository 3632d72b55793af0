//! Which APIs are there, by what they are called?
//!
//! Found by `name:version`, which the API itself keeps: with thousands of them, a table with names of its
//! own and places to spare would take as much memory again as what a call looks at.

use std::sync::Arc;

use crate::compile::ApiPlan;
use crate::hash_trie::{HashTrie, Hashed};
use crate::map::hash_of;

/// APIs by their ids. Persistent: a copy costs nothing.
#[derive(Clone, Default)]
pub(super) struct Listed(HashTrie<Entry>);

#[derive(Clone)]
struct Entry {
    hash: u32,
    api: Arc<ApiPlan>,
}

impl Hashed for Entry {
    fn hash(&self) -> u32 {
        self.hash
    }
}

impl Entry {
    fn is(&self, id: &str) -> bool {
        *self.api.id == *id
    }
}

impl Listed {
    /// The API of this id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<ApiPlan>> {
        self.0.find(hash_of(id), |entry| entry.is(id)).map(|entry| &entry.api)
    }

    /// All, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ApiPlan>> {
        self.0.iter().map(|entry| &entry.api)
    }

    /// Adds an API, in the place of the one of its id.
    pub(super) fn insert(&mut self, api: &Arc<ApiPlan>) {
        self.remove(&api.id);
        self.0.insert(Entry { hash: hash_of(&*api.id), api: Arc::clone(api) });
    }

    /// Takes the API of this id out.
    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(hash_of(id), |entry| entry.is(id));
    }
}
