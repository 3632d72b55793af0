//! Which hash map are the tables made of?
//!
//! A persistent one: a copy costs nothing, a change the size of the change. The seeds are fixed,
//! because only administrators choose what stands in a table, and callers only look things up.

use std::hash::Hash;

use ahash::RandomState;
use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

pub(crate) type Map<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;

pub(crate) fn new_map<K: Hash + Eq + Clone, V: Clone>() -> Map<K, V> {
    Map::with_hasher(seeded())
}

pub(crate) const fn seeded() -> RandomState {
    RandomState::with_seeds(0x7475_726e, 0x7069_6b65, 0x726f_7574, 0x6572)
}

/// The hash of a thing in a [`HashTrie`](crate::hash_trie::HashTrie).
pub(crate) fn hash_of<T: Hash + ?Sized>(thing: &T) -> u32 {
    // The high half: all bits of it are as good.
    (seeded().hash_one(thing) >> 32) as u32
}
