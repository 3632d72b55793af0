//! How are a million small entries found by their hashes, in little more memory than their own?
//!
//! A persistent trie over the bits of a hash: a copy costs nothing, a change the size of one leaf and
//! of the branches above it. A leaf is one piece of memory without a place to spare, so an entry takes
//! its own size and a few bytes, and finding one touches one leaf. (imbl's maps reserve their nodes
//! whole, rpds has an allocation for each entry; both take several times the memory.)

use std::sync::Arc;

/// What can be put in place by a hash. Different entries may have the same one.
pub(crate) trait Hashed: Clone {
    /// How many entries a leaf holds before it becomes a branch.
    const FULL: usize = 32;
    /// How many bits of the hash choose among the children of a branch: the more, the fewer branches lie
    /// on the way to an entry, and the more memory a trie of few entries takes. 4 or 8.
    const BITS: u32 = 4;

    /// Evenly spread.
    fn hash(&self) -> u32;
}

/// A bag of entries.
#[derive(Clone, Debug)]
pub(crate) struct HashTrie<E> {
    root: Node<E>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<E> {
    Leaf(Arc<[E]>),
    Branch(Arc<[Node<E>]>),
}

impl<E> Default for HashTrie<E> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()), len: 0 }
    }
}

impl<E> HashTrie<E> {
    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<E: Hashed> HashTrie<E> {
    /// The few entries among which those of this hash are.
    pub(crate) fn near(&self, hash: u32) -> &[E] {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(entries) => return entries,
                Node::Branch(children) => {
                    let Some(child) = children.get(place::<E>(hash, depth)) else { return &[] };
                    (node, depth) = (child, depth + 1);
                }
            }
        }
    }
}

impl<E> HashTrie<E> {
    /// All, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        let mut open = vec![&self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match open.pop()? {
                    Node::Leaf(entries) => return Some(entries.iter()),
                    Node::Branch(children) => open.extend(children.iter()),
                }
            }
        });
        leaves.flatten()
    }
}

impl<E: Hashed> HashTrie<E> {
    /// Adds one more.
    pub(crate) fn insert(&mut self, entry: E) {
        self.root.put(0, entry);
        self.len += 1;
    }

    /// Takes out one of this hash.
    pub(crate) fn remove(&mut self, hash: u32, is_it: impl Fn(&E) -> bool) -> Option<E> {
        // Looked for first: branches are copied only when something changes.
        let found = self.near(hash).iter().find(|entry| is_it(entry))?.clone();
        self.root.take(0, hash, &is_it);
        self.len -= 1;
        Some(found)
    }
}

impl<E: Hashed> Node<E> {
    fn put(&mut self, depth: u32, entry: E) {
        match self {
            Self::Branch(children) => {
                let place = place::<E>(entry.hash(), depth);
                if let Some(child) = Arc::make_mut(children).get_mut(place) {
                    child.put(depth + 1, entry);
                }
            }
            Self::Leaf(entries) => {
                let all = entries.iter().cloned().chain(std::iter::once(entry));
                // Below this, no bits are left to tell entries apart.
                if entries.len() < E::FULL || depth >= u32::BITS / E::BITS {
                    *entries = all.collect();
                    return;
                }
                let mut parts = vec![Vec::new(); 1 << E::BITS];
                for entry in all {
                    if let Some(part) = parts.get_mut(place::<E>(entry.hash(), depth)) {
                        part.push(entry);
                    }
                }
                let leaves = parts.into_iter().map(|part| Self::Leaf(part.into()));
                *self = Self::Branch(leaves.collect());
            }
        }
    }

    fn take(&mut self, depth: u32, hash: u32, is_it: &impl Fn(&E) -> bool) {
        match self {
            Self::Branch(children) => {
                if let Some(child) = Arc::make_mut(children).get_mut(place::<E>(hash, depth)) {
                    child.take(depth + 1, hash, is_it);
                }
                if let Some(few) = Self::few(children) {
                    *self = Self::Leaf(few);
                }
            }
            Self::Leaf(entries) => {
                let Some(at) = entries.iter().position(is_it) else { return };
                let (before, after) = entries.split_at(at);
                *entries = before.iter().chain(after.iter().skip(1)).cloned().collect();
            }
        }
    }

    /// The entries below a branch, where they are so few that one leaf holds them well.
    fn few(children: &[Self]) -> Option<Arc<[E]>> {
        let mut all = 0;
        for child in children {
            let Self::Leaf(entries) = child else { return None };
            all += entries.len();
        }
        let leaves = children.iter().flat_map(|child| match child {
            Self::Leaf(entries) => &**entries,
            Self::Branch(_) => &[],
        });
        (all <= E::FULL / 2).then(|| leaves.cloned().collect())
    }
}

/// Which child of a branch; the high bits first.
const fn place<E: Hashed>(hash: u32, depth: u32) -> usize {
    let left = hash.unbounded_shl(depth * E::BITS);
    (left >> (u32::BITS - E::BITS)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A hash, and what tells it apart from others of that hash.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Entry(u32, u8);

    impl Hashed for Entry {
        const FULL: usize = 4;

        fn hash(&self) -> u32 {
            self.0
        }
    }

    #[track_caller]
    fn check(trie: &HashTrie<Entry>, held: &BTreeSet<Entry>) {
        assert_eq!(trie.iter().copied().collect::<BTreeSet<_>>(), *held);
        assert_eq!((trie.iter().count(), trie.is_empty()), (held.len(), held.is_empty()));
        for entry in held {
            assert!(trie.near(entry.0).contains(entry), "{entry:?}");
        }
    }

    proptest! {
        /// Few hashes, so that many entries share one or begin alike.
        #[test]
        fn a_trie_holds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((prop::sample::select(vec![0, 1, 0x10, 0x8000_0000, 0x8000_0001, u32::MAX]), any::<u8>(), any::<bool>()), 1..200),
        ) {
            let (mut trie, mut held) = (HashTrie::default(), BTreeSet::new());
            for (hash, other, puts) in steps {
                let entry = Entry(hash, other % 16);
                let (before, was) = (trie.clone(), held.clone());
                if puts && held.insert(entry) {
                    trie.insert(entry);
                } else if !puts {
                    let taken = trie.remove(hash, |one| *one == entry);
                    prop_assert_eq!(taken.is_some(), held.remove(&entry));
                }
                check(&trie, &held);
                check(&before, &was);
            }
            for entry in held {
                trie.remove(entry.0, |one| *one == entry);
            }
            prop_assert!(matches!(trie.root, Node::Leaf(ref entries) if entries.is_empty()));
        }
    }
}
