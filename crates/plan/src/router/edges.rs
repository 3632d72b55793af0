//! Which child of a node is behind a literal segment?
//!
//! One open-addressed table for all nodes that have several literal children: a look-up touches
//! one slot and the text it compares, wherever the nodes lie.

use crate::map::seeded;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Children by parent and segment.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// Its length is a power of two, and at most half of it is taken.
    slots: Vec<Slot>,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    parent: u32,
    text: Text,
    child: u32,
}

/// A piece of the trie's text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Text {
    /// Whether this piece of `all` is `segment`.
    pub(super) fn is(self, all: &[u8], segment: &str) -> bool {
        self.length as usize == segment.len()
            && all.get(self.start as usize..).and_then(|rest| rest.get(..segment.len()))
                == Some(segment.as_bytes())
    }
}

fn hash(parent: u32, segment: &str) -> u32 {
    let wide = seeded().hash_one((parent, segment));
    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash will do")]
    let narrow = wide as u32;
    narrow
}

impl Edges {
    const FREE: Slot = Slot { hash: 0, parent: 0, text: Text { start: 0, length: 0 }, child: NONE };

    pub(super) fn get(&self, all: &[u8], parent: u32, segment: &str) -> Option<u32> {
        let hash = hash(parent, segment);
        let mask = self.slots.len().checked_sub(1)?;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots.get(place)?;
            if slot.child == NONE {
                return None;
            }
            if slot.hash == hash && slot.parent == parent && slot.text.is(all, segment) {
                return Some(slot.child);
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds an edge that is not there yet.
    pub(super) fn insert(&mut self, parent: u32, segment: &str, text: Text, child: u32) {
        if (self.taken + 1) * 2 > self.slots.len() {
            let slots = vec![Self::FREE; (self.slots.len() * 2).max(4)];
            for slot in std::mem::replace(&mut self.slots, slots) {
                if slot.child != NONE {
                    self.put(slot);
                }
            }
        }
        self.taken += 1;
        self.put(Slot { hash: hash(parent, segment), parent, text, child });
    }

    fn put(&mut self, slot: Slot) {
        // INVARIANT: half of the table is free, so this ends.
        let mask = self.slots.len().saturating_sub(1);
        let mut place = slot.hash as usize & mask;
        while let Some(there) = self.slots.get_mut(place) {
            if there.child == NONE {
                *there = slot;
                return;
            }
            place = (place + 1) & mask;
        }
    }
}
