//! Does a caller touch many more different things than it ever did?
//!
//! Windows of ten minutes are compared with the largest one before, which fades. The windows that a caller
//! needs for its work become usual; a sweep through all identifiers does not.

use serde::{Deserialize, Serialize};

use super::few::Few;

const WINDOW_US: i64 = 600_000_000;
/// So many times the largest window before is a sweep,
const FACTOR: usize = 4;
/// when that many windows are known; before, this many times the least.
const ENOUGH: u32 = 3;
/// Things of one window that are told apart.
const MOST: usize = 4096;
/// A short list has so many.
const FEW: usize = 6;
/// What a window leaves of the largest one before, in percent.
const FADE: usize = 99;

/// The different things that one caller touched in the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sweep {
    window: i64,
    windows: u32,
    largest: usize,
    told: bool,
    #[serde(with = "super::set")]
    things: Few<u64, (), FEW>,
}

impl Sweep {
    /// The next thing, by a number for it. How many there are in this window and how many are usual at most,
    /// when that becomes too many; `least` is never too many. Told once in a window.
    pub fn touch(&mut self, at_us: i64, thing: u64, least: usize) -> Option<(usize, usize)> {
        self.turn(at_us);
        let known = if self.windows < ENOUGH { least } else { self.largest };
        self.insert(thing, least.max(known.saturating_mul(FACTOR)))
    }

    /// The same by a limit that is given.
    pub fn count(&mut self, at_us: i64, thing: u64, most: usize) -> Option<(usize, usize)> {
        self.turn(at_us);
        self.insert(thing, most)
    }

    fn insert(&mut self, thing: u64, most: usize) -> Option<(usize, usize)> {
        if self.things.len() < MOST {
            self.things.put(thing, |_| ());
        }
        let count = self.things.len();
        if self.told || count <= most.min(MOST - 1) {
            return None;
        }
        self.told = true;
        Some((count, most))
    }

    fn turn(&mut self, at_us: i64) {
        let window = at_us.div_euclid(WINDOW_US);
        if window <= self.window {
            return;
        }
        if self.things.len() > 0 {
            self.largest = (self.largest * FADE / 100).max(self.things.len());
            self.windows = self.windows.saturating_add(1);
        }
        (self.window, self.told) = (window, false);
        self.things.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows with so many different things each: in which ones is it told, with 20 that are never
    /// too many?
    #[track_caller]
    fn check(windows: &[u64], told: &[usize]) {
        let mut sweep = Sweep::default();
        let mut said = Vec::new();
        for (number, things) in windows.iter().enumerate() {
            let at_us = i64::try_from(number + 1).unwrap() * WINDOW_US;
            let found = (0..*things).filter_map(|thing| sweep.touch(at_us, thing, 20)).count();
            said.extend(std::iter::repeat_n(number, found));
        }
        assert_eq!(said, told);
        assert!(sweep.things.len() <= MOST);
    }

    #[test]
    fn a_sweep_is_many_times_what_was_usual() {
        check(&[15, 15, 15, 60, 15], &[]);
        check(&[15, 15, 15, 61], &[3]);
        check(&[15, 15, 15, 10_000], &[3]);
    }

    #[test]
    fn what_is_done_again_becomes_usual() {
        check(&[2, 2, 2, 100, 100, 100], &[3]);
    }

    #[test]
    fn a_caller_that_is_not_known_has_more_room() {
        check(&[80], &[]);
        check(&[81], &[0]);
    }
}
