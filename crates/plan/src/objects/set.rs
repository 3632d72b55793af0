//! Which resources are held?
//!
//! A persistent set: a copy costs nothing and a change costs the size of the change. It keeps who
//! refers to whom and, where changes are admitted, who claims what, so that admission asks instead of
//! searching.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use turnpike_proto::config::v1::Resource;

use super::hash::StateHash;
use super::index::Index;
use super::object::Object;
use super::relations::{claims, references};
use super::subscriptions::Subscriptions;
use crate::resource::{Kind, ResourceKey};

/// A set of objects with its hash. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    /// All but subscriptions.
    map: OrdMap<ResourceKey, Arc<Object>>,
    subscriptions: Subscriptions,
    referrers: Index<ResourceKey>,
    /// None: nobody asks.
    claimants: Option<Index<Arc<str>>>,
    hash: StateHash,
}

impl Objects {
    /// Nothing.
    pub fn new() -> Self {
        Self { claimants: Some(Index::default()), ..Self::admitted_elsewhere() }
    }

    /// Nothing, where it is no question who claims what: whoever holds this has admitted nothing of it.
    /// What thousands of APIs claim takes more memory than what they refer to.
    pub(crate) fn admitted_elsewhere() -> Self {
        Self {
            map: OrdMap::new(),
            subscriptions: Subscriptions::default(),
            referrers: Index::default(),
            claimants: None,
            hash: StateHash::default(),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.map.len() + self.subscriptions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn get(&self, key: &ResourceKey) -> Option<Arc<Object>> {
        if is_packed(key) {
            return self.subscriptions.get(key).map(Arc::new);
        }
        self.map.get(key).cloned()
    }

    /// What a Secret or a Certificate says; `None` where it is not there or cannot be read.
    pub(crate) fn at_hand(&self, key: &ResourceKey) -> Option<&Resource> {
        self.map.get(key)?.at_hand()
    }

    /// All, by kind and then by name.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Object>> {
        // No name is empty, so this is where subscriptions would begin.
        let here = ResourceKey::of_id(Kind::Subscription, "");
        let before = self.map.range(..here.clone()).map(|(_, object)| Arc::clone(object));
        let after = self.map.range(here..).map(|(_, object)| Arc::clone(object));
        before.chain(self.subscriptions.iter().map(Arc::new)).chain(after)
    }

    /// All of a kind, by name.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = Arc<Object>> {
        // No name is empty, so this is before the first.
        let first = ResourceKey::of_id(kind, "");
        let others = self
            .map
            .range(first..)
            .map(|(_, object)| Arc::clone(object))
            .take_while(move |object| object.key().kind() == Some(kind));
        let subscriptions = (kind == Kind::Subscription).then(|| self.subscriptions.iter());
        subscriptions.into_iter().flatten().map(Arc::new).chain(others)
    }

    /// Those of the kind of `key` that come after it, by name.
    pub fn after<'s>(&'s self, key: &'s ResourceKey) -> impl Iterator<Item = Arc<Object>> {
        let range = (Bound::Excluded(key), Bound::Unbounded);
        let others = self.map.range::<_, ResourceKey>(range).map(|(_, object)| Arc::clone(object));
        let others = others.take_while(move |object| object.key().kind() == key.kind());
        let subscriptions = is_packed(key).then(|| self.subscriptions.after(key));
        subscriptions.into_iter().flatten().map(Arc::new).chain(others)
    }

    /// The hash of all.
    pub fn hash(&self) -> StateHash {
        self.hash
    }

    /// The resources that name `key`: by name, and then the subscriptions among them in no order.
    pub fn referrers(&self, key: &ResourceKey) -> impl Iterator<Item = ResourceKey> {
        self.other_referrers(key).cloned().chain(self.subscriptions_naming(key))
    }

    pub(crate) fn subscriptions_naming(
        &self,
        key: &ResourceKey,
    ) -> impl Iterator<Item = ResourceKey> {
        self.subscriptions.naming(key)
    }

    /// The same without the subscriptions, of which there may be many.
    pub(crate) fn other_referrers(&self, key: &ResourceKey) -> impl Iterator<Item = &ResourceKey> {
        self.referrers.get(key)
    }

    /// Who claims a thing. Where that is not noted, everything is looked at.
    pub(crate) fn claimants(&self, thing: &str) -> impl Iterator<Item = ResourceKey> {
        let noted = self.claimants.iter().flat_map(move |claimants| {
            self.subscriptions.claimants(thing).chain(claimants.get(thing).cloned())
        });
        let all = self.claimants.is_none().then(|| self.iter()).into_iter().flatten();
        let claim = move |object: &Arc<Object>| {
            object.resource().is_some_and(|it| claims(&it).iter().any(|one| one.thing == thing))
        };
        noted.chain(all.filter(claim).map(|object| object.key().clone()))
    }

    /// Adds or replaces one; the one that was there comes back.
    pub fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let before = self.link(&object);
        if !is_packed(object.key()) {
            self.map.insert(object.key().clone(), object);
        }
        before
    }

    /// Adds or replaces one, of which nothing but its bytes stays at hand where there are many of its
    /// kind.
    pub(crate) fn insert_folded(&mut self, object: Object) {
        self.link(&object);
        if !is_packed(object.key()) {
            self.map.insert(object.key().clone(), Arc::new(object.folded()));
        }
    }

    /// Takes out what is in the way of `object`, and notes what it names and claims.
    fn link(&mut self, object: &Object) -> Option<Arc<Object>> {
        let before = self.remove(object.key());
        self.hash = self.hash.plus(object.hash());
        if is_packed(object.key()) {
            self.subscriptions.insert(object, self.claimants.is_some());
        } else if let Some(resource) = object.resource() {
            for reference in references(&resource) {
                self.referrers.enter(reference.to, object.key());
            }
            if let Some(claimants) = &mut self.claimants {
                for claim in claims(&resource) {
                    claimants.enter(claim.thing.into(), object.key());
                }
            }
        }
        before
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &ResourceKey) -> Option<Arc<Object>> {
        if is_packed(key) {
            let object = self.subscriptions.remove(key)?;
            self.hash = self.hash.minus(object.hash());
            return Some(Arc::new(object));
        }
        let object = self.map.remove(key)?;
        self.hash = self.hash.minus(object.hash());
        if let Some(resource) = object.resource() {
            for reference in references(&resource) {
                self.referrers.leave(&reference.to, key);
            }
            if let Some(claimants) = &mut self.claimants {
                for claim in claims(&resource) {
                    claimants.leave(&Arc::from(claim.thing), key);
                }
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
        let (changed, gone) = self.subscriptions.difference(&after.subscriptions);
        upserts.extend(changed.into_iter().map(Arc::new));
        deletes.extend(gone);
        (upserts, deletes.into_iter().collect())
    }
}

impl Default for Objects {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({}, {})", self.len(), self.hash)
    }
}

fn is_packed(key: &ResourceKey) -> bool {
    key.kind() == Some(Kind::Subscription)
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
