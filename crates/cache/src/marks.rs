//! How does a kept answer lose its validity before its time?
//!
//! An answer is marked with what it belongs to: its API, its path, its target and its tags. A mark
//! is a place in each row of a fixed table; making everything under a mark invalid writes one number
//! there, and an answer that was begun before the numbers of both places is dead. So a purge takes no
//! time, reaches answers that are still on their way, and needs no lock. An answer may die of the
//! purges of others, when both of its places are among theirs: that costs a call to the server and
//! nothing else, and takes thousands of purges to be likely.

use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

/// Places in a row; 8 bytes each.
const PLACES: usize = 1 << 16;

/// A place in each row.
pub(crate) type Mark = [u16; 2];

/// What answers can be made invalid by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Under<'a> {
    /// Everything.
    All,
    /// An API, by its id.
    Api(&'a str),
    /// A path below an API's context, with any query.
    Path(&'a str, &'a str),
    /// A path and query below an API's context.
    Target(&'a str, &'a str),
    /// A tag of an API's answers.
    Tag(&'a str, &'a [u8]),
    /// A tag of any API's answers.
    AnyTag(&'a [u8]),
}

#[derive(Debug)]
pub(crate) struct Marks {
    rows: [Box<[AtomicU64]>; 2],
    latest: AtomicU64,
    hasher: RandomState,
}

impl Marks {
    pub(crate) fn new(hasher: RandomState) -> Self {
        let row = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { rows: [row(), row()], latest: AtomicU64::new(0), hasher }
    }

    pub(crate) fn mark(&self, under: Under<'_>) -> Mark {
        let [_, _, _, _, a, b, c, d] = self.hasher.hash_one(under).to_be_bytes();
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
    }

    /// What an answer that is asked for now has to remember.
    pub(crate) fn now(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Whether nothing under these marks was made invalid since `begun`.
    pub(crate) fn hold(&self, marks: &[Mark], begun: u64) -> bool {
        marks
            .iter()
            .all(|mark| self.places(mark).any(|place| place.load(Ordering::Acquire) <= begun))
    }

    pub(crate) fn invalidate(&self, under: Under<'_>) {
        let number = self.latest.fetch_add(1, Ordering::AcqRel) + 1;
        for place in self.places(&self.mark(under)) {
            place.fetch_max(number, Ordering::AcqRel);
        }
    }

    /// The place of a mark in each row: all of them are there, for a row is as long as a mark counts.
    fn places(&self, mark: &Mark) -> impl Iterator<Item = &AtomicU64> {
        self.rows.iter().zip(*mark).filter_map(|(row, place)| row.get(usize::from(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an answer of `orders` under `/1` with the tag `t` survives.
    #[track_caller]
    fn check(invalid: Under<'_>, survives: bool) {
        let marks = Marks::new(RandomState::with_seeds(1, 2, 3, 4));
        let own = [
            Under::All,
            Under::Api("orders"),
            Under::Path("orders", "/1"),
            Under::Target("orders", "/1?a=b"),
            Under::Tag("orders", b"t"),
            Under::AnyTag(b"t"),
        ]
        .map(|under| marks.mark(under));
        let before = marks.now();
        assert!(marks.hold(&own, before));
        marks.invalidate(invalid);
        assert_eq!(marks.hold(&own, before), survives, "{invalid:?}");
        assert!(marks.hold(&own, marks.now()), "what comes later holds");
    }

    #[test]
    fn what_is_under_a_mark_dies_with_it() {
        check(Under::All, false);
        check(Under::Api("orders"), false);
        check(Under::Path("orders", "/1"), false);
        check(Under::Target("orders", "/1?a=b"), false);
        check(Under::Tag("orders", b"t"), false);
        check(Under::AnyTag(b"t"), false);
    }

    #[test]
    fn what_is_elsewhere_lives_on() {
        check(Under::Api("orders2"), true);
        check(Under::Path("orders", "/2"), true);
        check(Under::Target("orders", "/1?a=c"), true);
        check(Under::Tag("items", b"t"), true);
    }

    #[test]
    fn the_purges_of_others_hardly_reach_what_they_do_not_name() {
        let marks = Marks::new(RandomState::with_seeds(1, 2, 3, 4));
        let own: Vec<_> =
            (0..1000).map(|n| marks.mark(Under::Path("orders", &format!("/{n}")))).collect();
        let before = marks.now();
        for n in 0..1000 {
            marks.invalidate(Under::Path("items", &format!("/{n}")));
        }
        // With one row, 15 of them would.
        let lost = own.iter().filter(|mark| !marks.hold(&[**mark], before)).count();
        assert!(lost <= 2, "{lost} of 1000 were lost");
    }
}
