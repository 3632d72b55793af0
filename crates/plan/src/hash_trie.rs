//! How are a million small entries found by their hashes, in little more memory than their own?
//!
//! A persistent trie over the bits of a hash: a copy costs nothing, a change the size of one leaf and
//! of the branches above it. A leaf is one piece of memory without a place to spare, so an entry takes
//! its own size and a few bytes. Above it stands which rungs of it are taken, so finding an entry
//! touches the branches, which are few, and of the leaf most often nothing but the entry: among a
//! million, only that is not in the processor's caches. (imbl's maps reserve their nodes whole, rpds has
//! an allocation for each entry; both take several times the memory.)

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
    Leaf(Leaf<E>),
    Branch(Arc<[Node<E>]>),
}

/// Entries whose hashes begin alike. The next bits of a hash say on which of 64 rungs it is.
#[derive(Clone, Debug)]
struct Leaf<E> {
    /// A bit for each rung that an entry is on.
    taken: u64,
    /// The first of each rung, in the order of the rungs; then the others of all rungs.
    entries: Arc<[E]>,
}

/// How many bits of a hash say the rung.
const RUNG_BITS: u32 = u64::BITS.ilog2();

impl<E> Default for HashTrie<E> {
    fn default() -> Self {
        Self { root: Node::Leaf(Leaf::default()), len: 0 }
    }
}

impl<E> Default for Leaf<E> {
    fn default() -> Self {
        Self { taken: 0, entries: Arc::default() }
    }
}

impl<E> HashTrie<E> {
    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<E: Hashed> HashTrie<E> {
    /// One of this hash.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(&E) -> bool) -> Option<&E> {
        let (leaf, rung) = self.leaf(hash)?;
        // Nine of ten are the first on their rung: while memory is asked for it, nothing else is looked at.
        let first = leaf.first(rung).filter(|entry| is_it(entry));
        first.or_else(|| leaf.others().iter().find(|entry| is_it(entry)))
    }

    /// The few entries among which all of this hash are.
    pub(crate) fn alike(&self, hash: u32) -> impl Iterator<Item = &E> {
        let near = self.leaf(hash).into_iter();
        near.flat_map(|(leaf, rung)| leaf.first(rung).into_iter().chain(leaf.others()))
    }

    /// The leaf where entries of this hash are, and their rung of it.
    fn leaf(&self, hash: u32) -> Option<(&Leaf<E>, u32)> {
        let (mut node, mut left) = (&self.root, hash);
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, rung::<E>(left, 0))),
                Node::Branch(children) => {
                    node = children.get(place::<E>(left, 0))?;
                    left <<= E::BITS;
                }
            }
        }
    }
}

impl<E> Leaf<E> {
    /// The first entry on a rung.
    fn first(&self, rung: u32) -> Option<&E> {
        // Its own bit is the highest one, after those of the rungs before.
        let up_to = self.taken << (u64::BITS - 1 - rung);
        let before = (up_to << 1).count_ones() as usize;
        self.entries.get(before).filter(|_| up_to >> (u64::BITS - 1) == 1)
    }

    /// The entries that are not the first on their rung.
    fn others(&self) -> &[E] {
        self.entries.get(self.taken.count_ones() as usize..).unwrap_or_default()
    }
}

impl<E: Hashed> Leaf<E> {
    fn of(mut entries: Vec<E>, depth: u32) -> Self {
        entries.sort_unstable_by_key(|entry| rung::<E>(entry.hash(), depth));
        let (mut taken, mut others) = (0, Vec::new());
        let mut all = Vec::with_capacity(entries.len());
        for entry in entries {
            let bit = 1 << rung::<E>(entry.hash(), depth);
            let to = if taken & bit == 0 { &mut all } else { &mut others };
            to.push(entry);
            taken |= bit;
        }
        all.append(&mut others);
        Self { taken, entries: all.into() }
    }
}

impl<E> HashTrie<E> {
    /// All, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        let mut open = vec![&self.root];
        let leaves = std::iter::from_fn(move || {
            loop {
                match open.pop()? {
                    Node::Leaf(leaf) => return Some(leaf.entries.iter()),
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
        let found = self.find(hash, &is_it)?.clone();
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
            Self::Leaf(leaf) => {
                let mut all = leaf.entries.to_vec();
                all.push(entry);
                // Below this, no bits are left to tell entries apart.
                if all.len() <= E::FULL || depth >= u32::BITS / E::BITS {
                    *leaf = Leaf::of(all, depth);
                    return;
                }
                let mut parts = vec![Vec::new(); 1 << E::BITS];
                for entry in all {
                    if let Some(part) = parts.get_mut(place::<E>(entry.hash(), depth)) {
                        part.push(entry);
                    }
                }
                let leaves = parts.into_iter().map(|part| Self::Leaf(Leaf::of(part, depth + 1)));
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
                    *self = Self::Leaf(Leaf::of(few, depth));
                }
            }
            Self::Leaf(leaf) => {
                let Some(at) = leaf.entries.iter().position(is_it) else { return };
                let (before, after) = leaf.entries.split_at(at);
                let left = before.iter().chain(after.iter().skip(1)).cloned();
                *leaf = Leaf::of(left.collect(), depth);
            }
        }
    }

    /// The entries below a branch, where they are so few that one leaf holds them well.
    fn few(children: &[Self]) -> Option<Vec<E>> {
        let mut all = 0;
        for child in children {
            let Self::Leaf(leaf) = child else { return None };
            all += leaf.entries.len();
        }
        let leaves = children.iter().flat_map(|child| match child {
            Self::Leaf(leaf) => &*leaf.entries,
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

/// Which rung of a leaf: the bits after those that led to it.
const fn rung<E: Hashed>(hash: u32, depth: u32) -> u32 {
    hash.unbounded_shl(depth * E::BITS) >> (u32::BITS - RUNG_BITS)
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
            assert!(trie.find(entry.0, |one| one == entry).is_some(), "{entry:?}");
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
            prop_assert!(matches!(trie.root, Node::Leaf(ref leaf) if leaf.entries.is_empty()));
        }
    }
}
