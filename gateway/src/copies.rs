//! How many copies of calls are on their way to mirrors?
//!
//! Nobody waits for a copy, so copies take no more than what calls can spare: so many at a time, and
//! so many bytes of bodies, per worker. What goes beyond is not copied.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::cells::Cells;

/// Bytes of bodies that copies of one worker may hold: those that are gathered while their calls
/// read them, and those that are being sent.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Of the connections of a worker copies may have this part.
const PART_OF_CONNECTIONS: usize = 4;

/// The copies of one worker.
#[derive(Debug)]
pub struct Copies {
    most: usize,
    bytes: Rc<Cell<usize>>,
    cells: Arc<Cells>,
}

/// A copy that is under way; ended when dropped.
#[derive(Debug)]
pub struct Place(Arc<Cells>);

/// Bytes that a copy holds; given back when dropped.
#[derive(Debug)]
pub struct Holding {
    bytes: Rc<Cell<usize>>,
    own: usize,
}

impl Copies {
    /// At most `most` at a time, where a worker has so many connections to backends.
    pub fn new(most: usize, connections: usize, cells: Arc<Cells>) -> Self {
        let most = most.min((connections / PART_OF_CONNECTIONS).max(1));
        Self { most, bytes: Rc::default(), cells }
    }

    /// Whether any is under way.
    pub fn any(&self) -> bool {
        self.cells.copies.under_way.get() > 0
    }

    /// A place for one more; `None`: there is none.
    pub fn place(&self) -> Option<Place> {
        let under_way = &self.cells.copies.under_way;
        if under_way.get() >= self.most as u64 {
            return None;
        }
        under_way.add(1);
        Some(Place(Arc::clone(&self.cells)))
    }

    /// Room for a copy that holds nothing yet.
    pub fn holding(&self) -> Holding {
        Holding { bytes: Rc::clone(&self.bytes), own: 0 }
    }
}

impl Holding {
    /// Takes room for `more` bytes; `false`: there is none.
    pub fn grow(&mut self, more: usize) -> bool {
        let bytes = self.bytes.get().saturating_add(more);
        let fits = bytes <= MOST_BYTES;
        if fits {
            self.bytes.set(bytes);
            self.own += more;
        }
        fits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.copies.under_way.sub(1);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.bytes.set(self.bytes.get().saturating_sub(self.own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of ten copies have a place at a time, and whether one has when another has ended.
    #[track_caller]
    fn check(most: usize, connections: usize, expected: (usize, bool)) {
        let copies = Copies::new(most, connections, Arc::default());
        let mut places: Vec<_> = (0..10).map_while(|_| copies.place()).collect();
        let found = places.len();
        drop(places.pop());
        assert_eq!((found, copies.place().is_some()), expected);
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        check(3, 4096, (3, true));
        check(0, 4096, (0, false));
    }

    #[test]
    fn calls_keep_most_of_the_connections() {
        check(128, 20, (5, true));
        check(128, 1, (1, true));
    }

    #[test]
    fn bytes_are_given_back_when_a_copy_ends() {
        let copies = Copies::new(1, 4, Arc::default());
        let (mut one, mut other) = (copies.holding(), copies.holding());
        assert!(one.grow(MOST_BYTES - 1) && other.grow(1));
        assert!(!other.grow(1) && !one.grow(1));
        drop(one);
        assert!(other.grow(MOST_BYTES - 1));
        assert!(!other.grow(1));
    }
}
