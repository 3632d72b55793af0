//! Which resources are held?
//!
//! A persistent set: a copy costs nothing and a change costs the size of the change. It keeps who
//! refers to whom and who claims what, so that admission asks instead of searching.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::hash::StateHash;
use super::index::Index;
use super::object::Object;
use super::relations::{claims, references};
use crate::resource::{Kind, ResourceKey};

/// A set of objects with its hash. Cheap to clone.
#[derive(Clone, Default)]
pub struct Objects {
    map: OrdMap<ResourceKey, Arc<Object>>,
    referrers: Index<ResourceKey>,
    claimants: Index<Arc<str>>,
    hash: StateHash,
}

impl Objects {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// One of them.
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Object>> {
        self.map.get(key)
    }

    /// All, by kind and then by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.map.values()
    }

    /// All of a kind, by name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Object>> {
        // No name is empty, so this is before the first.
        let first = ResourceKey::of_id(kind, "");
        self.map
            .range(first..)
            .map(|(_, object)| object)
            .take_while(move |object| object.key().kind() == Some(kind))
    }

    /// The hash of all.
    pub fn hash(&self) -> StateHash {
        self.hash
    }

    /// The resources that name `key`.
    pub fn referrers(&self, key: &ResourceKey) -> impl Iterator<Item = &ResourceKey> {
        self.referrers.get(key)
    }

    pub(crate) fn claimants(&self, thing: &str) -> impl Iterator<Item = &ResourceKey> {
        self.claimants.get(thing)
    }

    /// Adds or replaces one; the one that was there comes back.
    pub fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let before = self.link(&object);
        self.map.insert(object.key().clone(), object);
        before
    }

    /// Adds or replaces one, of which nothing but its bytes stays at hand where there are many of its
    /// kind.
    pub(crate) fn insert_folded(&mut self, object: Object) {
        self.link(&object);
        self.map.insert(object.key().clone(), Arc::new(object.folded()));
    }

    /// Takes out what is in the way of `object`, and notes what it names and claims.
    fn link(&mut self, object: &Object) -> Option<Arc<Object>> {
        let before = self.remove(object.key());
        self.hash = self.hash.plus(object.hash());
        if let Some(resource) = object.resource() {
            for reference in references(&resource) {
                self.referrers.enter(reference.to, object.key());
            }
            for claim in claims(&resource) {
                self.claimants.enter(claim.thing.into(), object.key());
            }
        }
        before
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &ResourceKey) -> Option<Arc<Object>> {
        let object = self.map.remove(key)?;
        self.hash = self.hash.minus(object.hash());
        if let Some(resource) = object.resource() {
            for reference in references(&resource) {
                self.referrers.leave(&reference.to, key);
            }
            for claim in claims(&resource) {
                self.claimants.leave(&Arc::from(claim.thing), key);
            }
        }
        Some(object)
    }

    /// Several changes.
    pub fn apply(
        &mut self,
        upserts: impl IntoIterator<Item = Arc<Object>>,
        deletes: &[ResourceKey],
    ) {
        for key in deletes {
            self.remove(key);
        }
        for object in upserts {
            self.insert(object);
        }
    }

    /// What changes `self` into `after`: new and changed objects, and keys that are gone.
    pub fn difference(&self, after: &Self) -> (Vec<Arc<Object>>, Vec<ResourceKey>) {
        let (mut upserts, mut deletes) = (Vec::new(), BTreeSet::new());
        for item in self.map.diff(&after.map) {
            match item {
                imbl::ordmap::DiffItem::Add(_, object) => upserts.push(Arc::clone(object)),
                imbl::ordmap::DiffItem::Update { new: (_, object), .. } => {
                    upserts.push(Arc::clone(object));
                }
                imbl::ordmap::DiffItem::Remove(key, _) => {
                    deletes.insert(key.clone());
                }
            }
        }
        (upserts, deletes.into_iter().collect())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({}, {})", self.map.len(), self.hash)
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
