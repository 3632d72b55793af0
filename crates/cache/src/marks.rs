//! How does a kept answer lose its validity before its time?
//!
//! An answer is marked with what it belongs to: its API, its path, its target and its tags. A mark
//! is a place in a fixed table; making everything under a mark invalid writes one number there, and
//! an answer that was begun before that number is dead. So a purge takes no time, reaches answers
//! that are still on their way, and needs no lock. Two names that share a place share their purges,
//! which costs a call to the server and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

/// Places in the table; 8 bytes each.
const PLACES: usize = 64 * 1024;

/// A place in the table.
pub(crate) type Mark = u32;

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
    places: Box<[AtomicU64]>,
    latest: AtomicU64,
    hasher: RandomState,
}

impl Marks {
    pub(crate) fn new(hasher: RandomState) -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { places, latest: AtomicU64::new(0), hasher }
    }

    pub(crate) fn mark(&self, under: Under<'_>) -> Mark {
        let place = self.hasher.hash_one(under) % (PLACES as u64);
        u32::try_from(place).unwrap_or(0)
    }

    /// What an answer that is asked for now has to remember.
    pub(crate) fn now(&self) -> u64 {
        self.latest.load(Ordering::Acquire)
    }

    /// Whether nothing under these marks was made invalid since `begun`.
    pub(crate) fn hold(&self, marks: &[Mark], begun: u64) -> bool {
        marks.iter().all(|mark| {
            let place = self.places.get(*mark as usize);
            place.is_none_or(|place| place.load(Ordering::Acquire) <= begun)
        })
    }

    pub(crate) fn invalidate(&self, under: Under<'_>) {
        let number = self.latest.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(place) = self.places.get(self.mark(under) as usize) {
            place.fetch_max(number, Ordering::AcqRel);
        }
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
}
