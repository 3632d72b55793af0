//! Which subscriptions are held?
//!
//! There may be a million where there are ten thousand of everything else, so they are packed, and
//! what they name and claim is noted by their numbers instead of their keys.

use bytes::Bytes;
use imbl::OrdMap;

use super::object::Object;
use super::packed::{Packed, Unpacked};
use super::relations::{claims, references};
use crate::hash_trie::{HashTrie, Hashed};
use crate::map::hash_of;
use crate::names::Names;
use crate::resource::{Kind, ResourceKey};

/// The number of one that cannot be read: it names nothing.
const UNREADABLE: u32 = u32::MAX;

/// Subscriptions, and who is named by which. Persistent: a copy costs nothing.
#[derive(Clone, Default)]
pub(super) struct Subscriptions {
    packed: Packed,
    /// By number.
    names: Names,
    /// By what they name.
    naming: OrdMap<ResourceKey, HashTrie<Number>>,
    claimants: HashTrie<Claimant>,
}

/// The number of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u32);

impl Hashed for Number {
    // Four bytes each: a leaf stays small.
    const FULL: usize = 128;

    fn hash(&self) -> u32 {
        self.0.wrapping_mul(0x9e37_79b1)
    }
}

/// A subscription that claims something of this hash.
#[derive(Clone, Copy, Debug)]
struct Claimant {
    hash: u32,
    number: u32,
}

impl Hashed for Claimant {
    fn hash(&self) -> u32 {
        self.hash
    }
}

impl Subscriptions {
    pub(super) const fn len(&self) -> usize {
        self.packed.len()
    }

    /// One of them.
    pub(super) fn get(&self, key: &ResourceKey) -> Option<Object> {
        let Unpacked { number, bytes, .. } = self.packed.get(key.id())?;
        Some(object(key.clone(), number, bytes))
    }

    /// All, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = Object> {
        self.packed.iter().map(unpacked)
    }

    /// Those after this one, by name.
    pub(super) fn after(&self, key: &ResourceKey) -> impl Iterator<Item = Object> {
        self.packed.after(key.id()).map(unpacked)
    }

    /// Adds one that is not there yet. `notes_claims`: whether what it claims is noted.
    pub(super) fn insert(&mut self, object: &Object, notes_claims: bool) {
        let name = object.key().id();
        let resource = object.resource();
        let number = resource.as_ref().and_then(|_| self.names.add(name)).unwrap_or(UNREADABLE);
        if let Some(resource) = resource.filter(|_| number != UNREADABLE) {
            for reference in references(&resource) {
                if let Some(naming) = self.naming.get_mut(&reference.to) {
                    naming.insert(Number(number));
                    continue;
                }
                let mut naming = HashTrie::default();
                naming.insert(Number(number));
                self.naming.insert(reference.to, naming);
            }
            let claims = if notes_claims { claims(&resource) } else { Vec::new() };
            for claim in claims {
                self.claimants.insert(Claimant { hash: hash_of(&*claim.thing), number });
            }
        }
        self.packed.insert(name, number, object.bytes());
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, key: &ResourceKey) -> Option<Object> {
        let Unpacked { number, bytes, .. } = self.packed.remove(key.id())?;
        let object = object(key.clone(), number, bytes);
        if let Some(resource) = object.resource() {
            for reference in references(&resource) {
                self.names_no_more(number, &reference.to);
            }
            for claim in claims(&resource) {
                self.claimants.remove(hash_of(&*claim.thing), |it| it.number == number);
            }
            self.names.remove(number);
        }
        Some(object)
    }

    fn names_no_more(&mut self, number: u32, to: &ResourceKey) {
        let Some(naming) = self.naming.get_mut(to) else { return };
        naming.remove(Number(number).hash(), |it| it.0 == number);
        if naming.is_empty() {
            self.naming.remove(to);
        }
    }

    /// Those that name `key`, in no order.
    pub(super) fn naming(&self, key: &ResourceKey) -> impl Iterator<Item = ResourceKey> {
        let numbers = self.naming.get(key).into_iter().flat_map(HashTrie::iter);
        numbers.map(|number| self.key(number.0))
    }

    /// Those that claim `thing`.
    pub(super) fn claimants(&self, thing: &str) -> impl Iterator<Item = ResourceKey> {
        let hash = hash_of(thing);
        let alike = self.claimants.alike(hash).filter(move |it| it.hash == hash);
        alike.map(|it| self.key(it.number)).filter(move |key| {
            let held = self.get(key);
            let resource = held.as_ref().and_then(Object::resource);
            resource.is_some_and(|it| claims(&it).iter().any(|claim| claim.thing == thing))
        })
    }

    /// What differs in `after`.
    pub(super) fn difference(&self, after: &Self) -> (Vec<Object>, Vec<ResourceKey>) {
        let (upserts, deletes) = self.packed.difference(&after.packed);
        let key = |name: String| ResourceKey::of_id(Kind::Subscription, &name);
        (upserts.into_iter().map(unpacked).collect(), deletes.into_iter().map(key).collect())
    }

    /// Whether nothing is left of those that have gone.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.packed.len() == 0 && self.naming.is_empty() && self.claimants.is_empty()
    }

    fn key(&self, number: u32) -> ResourceKey {
        ResourceKey::of_id(Kind::Subscription, self.names.get(number))
    }
}

fn unpacked(Unpacked { name, number, bytes }: Unpacked) -> Object {
    object(ResourceKey::of_id(Kind::Subscription, &name), number, bytes)
}

fn object(key: ResourceKey, number: u32, bytes: Bytes) -> Object {
    Object::packed(key, bytes, number != UNREADABLE)
}
