//! How are a million small resources held, in little more memory than their own bytes?
//!
//! In order of their names, some tens to a piece of memory, and neighbours say nearly the same: a piece
//! is held compressed (LZ4), and opened by who looks at it. Persistent: a copy costs nothing, a change the
//! size of one piece. Bytes that are asked for are a view into their opened piece.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;

use crate::names::{put_run, take_run};

/// A piece with more entries is parted,
const MOST_ENTRIES: usize = 32;
/// and so is one with more bytes, so that a change stays small; one entry may be larger.
const MOST_BYTES: usize = 8 * 1024;
/// A piece with fewer entries is joined with the next one, where the two are few enough.
const FEW_ENTRIES: usize = 8;

/// Entries by name: each has bytes and a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    /// By the name of its first entry.
    pieces: OrdMap<Arc<str>, Piece>,
    len: usize,
}

/// Entries side by side, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece(Arc<[u8]>);

/// One of them.
#[derive(Clone, Copy)]
struct Entry<'p> {
    name: &'p str,
    number: u32,
    bytes: &'p [u8],
}

/// One of them, as it is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) bytes: Bytes,
}

impl Packed {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The entry of this name.
    pub(super) fn get(&self, name: &str) -> Option<Unpacked> {
        let piece = self.pieces.get_prev(name)?.1.opened();
        let found = entries(&piece).find(|entry| entry.name == name)?;
        Some(found.unpacked(&piece))
    }

    /// All, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = Unpacked> {
        self.pieces.values().flat_map(Piece::unpacked)
    }

    /// Those whose names come after this one.
    pub(super) fn after(&self, name: &str) -> impl Iterator<Item = Unpacked> {
        let first = self.pieces.get_prev(name).map(|(first, _)| Arc::clone(first));
        let from = first.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let pieces = self.pieces.range::<_, str>((from, Bound::Unbounded));
        pieces.flat_map(|(_, piece)| piece.unpacked()).skip_while(move |it| *it.name <= *name)
    }

    /// Adds or replaces one.
    pub(super) fn insert(&mut self, name: &str, number: u32, bytes: &[u8]) {
        let known = self.pieces.get_prev(name).or_else(|| self.pieces.get_min().map(both));
        let (first, piece) = known.map_or_else(
            || (Arc::from(name), Bytes::new()),
            |(first, piece)| (Arc::clone(first), piece.opened()),
        );
        let mut list = listed(&piece);
        let entry = Entry { name, number, bytes };
        match list.binary_search_by(|known| known.name.cmp(name)) {
            Ok(at) => {
                if let Some(known) = list.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => {
                list.insert(at, entry);
                self.len += 1;
            }
        }
        self.write(&first, &list);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Unpacked> {
        let (first, piece) = self.pieces.get_prev(name)?;
        let (first, piece) = (Arc::clone(first), piece.opened());
        let mut list = listed(&piece);
        let at = list.binary_search_by(|known| known.name.cmp(name)).ok()?;
        let taken = list.remove(at).unpacked(&piece);
        self.len -= 1;
        let next = self.pieces.range::<_, str>((after(&first), Bound::Unbounded)).next();
        let next = next.map(|(first, piece)| (Arc::clone(first), piece.opened()));
        if list.len() < FEW_ENTRIES
            && let Some((next, following)) = &next
        {
            let both: Vec<Entry<'_>> = list.iter().copied().chain(entries(following)).collect();
            if both.len() <= MOST_ENTRIES / 2 {
                self.pieces.remove(next);
                self.write(&first, &both);
                return Some(taken);
            }
        }
        self.write(&first, &list);
        Some(taken)
    }

    /// Puts this list in the place of the piece that began with `first`.
    fn write(&mut self, first: &Arc<str>, list: &[Entry<'_>]) {
        if list.first().is_none_or(|entry| entry.name != &**first) {
            self.pieces.remove(first);
        }
        let size = list.iter().map(|entry| entry.name.len() + entry.bytes.len()).sum::<usize>();
        let halved = list.len() > MOST_ENTRIES || (size > MOST_BYTES && list.len() > 1);
        let (low, high) = list.split_at(if halved { list.len() / 2 } else { list.len() });
        for part in [low, high] {
            let Some(entry) = part.first() else { continue };
            let key = if entry.name == &**first { Arc::clone(first) } else { entry.name.into() };
            self.pieces.insert(key, Piece::of(part));
        }
    }

    /// What differs in `after`: entries that are new or have other bytes, and the names of those that
    /// are gone. Both by name.
    pub(super) fn difference(&self, after: &Self) -> (Vec<Unpacked>, Vec<String>) {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for item in self.pieces.diff(&after.pieces) {
            match item {
                imbl::ordmap::DiffItem::Add(_, piece) => new.push(piece),
                imbl::ordmap::DiffItem::Remove(_, piece) => old.push(piece),
                imbl::ordmap::DiffItem::Update { old: (_, before), new: (_, after) } => {
                    old.push(before);
                    new.push(after);
                }
            }
        }
        let mut old = old.into_iter().flat_map(Piece::unpacked).peekable();
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        for entry in new.into_iter().flat_map(Piece::unpacked) {
            while let Some(gone) = old.next_if(|old| old.name < entry.name) {
                deletes.push(gone.name);
            }
            let same = old.next_if(|old| old.name == entry.name);
            if same.is_none_or(|same| same.bytes != entry.bytes) {
                upserts.push(entry);
            }
        }
        deletes.extend(old.map(|gone| gone.name));
        (upserts, deletes)
    }
}

impl Entry<'_> {
    /// A view into `piece`, where this is from.
    fn unpacked(&self, piece: &Bytes) -> Unpacked {
        let bytes = if self.bytes.is_empty() { Bytes::new() } else { piece.slice_ref(self.bytes) };
        Unpacked { name: self.name.to_owned(), number: self.number, bytes }
    }
}

fn both<A, B>(pair: &(A, B)) -> (&A, &B) {
    (&pair.0, &pair.1)
}

fn after(name: &Arc<str>) -> Bound<&str> {
    Bound::Excluded(name)
}

impl Piece {
    /// As [`entries`] reads them when it is opened.
    fn of(list: &[Entry<'_>]) -> Self {
        let size = |entry: &Entry<'_>| {
            let lengths = prost::length_delimiter_len(entry.name.len())
                + prost::length_delimiter_len(entry.bytes.len());
            entry.name.len() + entry.bytes.len() + lengths + size_of::<u32>()
        };
        let mut bytes = Vec::with_capacity(list.iter().map(size).sum());
        for entry in list {
            put_run(&mut bytes, entry.name.as_bytes());
            bytes.extend_from_slice(&entry.number.to_le_bytes());
            put_run(&mut bytes, entry.bytes);
        }
        Self(lz4_flex::block::compress_prepend_size(&bytes).into())
    }

    fn opened(&self) -> Bytes {
        // Nobody but `of` makes a piece, so it can be read.
        lz4_flex::block::decompress_size_prepended(&self.0).map(Bytes::from).unwrap_or_default()
    }

    fn unpacked(&self) -> Vec<Unpacked> {
        let piece = self.opened();
        entries(&piece).map(|entry| entry.unpacked(&piece)).collect()
    }
}

/// With room for one more.
fn listed(piece: &Bytes) -> Vec<Entry<'_>> {
    let mut list = Vec::with_capacity(MOST_ENTRIES + 1);
    list.extend(entries(piece));
    list
}

fn entries(piece: &Bytes) -> impl Iterator<Item = Entry<'_>> {
    let mut rest: &[u8] = piece;
    std::iter::from_fn(move || {
        let name = std::str::from_utf8(take_run(&mut rest)?).ok()?;
        let (number, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let bytes = take_run(&mut rest)?;
        Some(Entry { name, number: u32::from_le_bytes(*number), bytes })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Held = BTreeMap<String, (u32, Vec<u8>)>;

    #[track_caller]
    fn check(packed: &Packed, held: &Held) {
        let all: Vec<_> =
            packed.iter().map(|it| (it.name, (it.number, it.bytes.to_vec()))).collect();
        assert_eq!(all, held.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(packed.len(), held.len());
        for name in held.keys().cloned().chain([String::new(), "n2x".to_owned(), "z".to_owned()]) {
            let later: Vec<String> = packed.after(&name).map(|it| it.name).collect();
            let expected = held.keys().filter(|key| **key > name).cloned();
            assert_eq!(later, expected.collect::<Vec<_>>(), "after {name}");
        }
        for (name, (number, bytes)) in held {
            let found = packed.get(name).unwrap();
            assert_eq!((found.number, &found.bytes[..]), (*number, &bytes[..]));
        }
        let pieces: Vec<usize> = packed.pieces.values().map(|it| it.unpacked().len()).collect();
        assert!(pieces.iter().all(|many| (1..=MOST_ENTRIES).contains(many)), "{pieces:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn packed_entries_are_those_that_were_put_in_and_not_taken_out(
            steps in prop::collection::vec((0..400_u32, 0..3_u32, prop::sample::select(vec![0, 9, 9, 9, 9000])), 1..600),
        ) {
            let (mut packed, mut held) = (Packed::default(), Held::new());
            let (middle, mut then) = (steps.len() / 2, None);
            for (at, (number, what, size)) in steps.into_iter().enumerate() {
                let name = format!("n{number}");
                if what == 0 {
                    let taken = packed.remove(&name).map(|it| it.number);
                    prop_assert_eq!(taken, held.remove(&name).map(|(number, _)| number));
                } else {
                    let bytes = vec![u8::try_from(what).unwrap(); size];
                    packed.insert(&name, number + what, &bytes);
                    held.insert(name, (number + what, bytes));
                }
                if at == middle {
                    then = Some((packed.clone(), held.clone()));
                }
            }
            check(&packed, &held);
            let (before, was) = then.unwrap();
            check(&before, &was);
            let (upserts, deletes) = before.difference(&packed);
            let changed = held.iter().filter(|(name, (_, bytes))| was.get(*name).is_none_or(|(_, was)| was != bytes));
            let upserts: Vec<String> = upserts.into_iter().map(|it| it.name).collect();
            prop_assert_eq!(upserts, changed.map(|(name, _)| name.clone()).collect::<Vec<_>>());
            let gone = was.keys().filter(|name| !held.contains_key(*name)).cloned();
            prop_assert_eq!(deletes, gone.collect::<Vec<_>>());
            for name in held.keys() {
                packed.remove(name);
            }
            prop_assert!(packed.pieces.is_empty());
        }
    }
}
