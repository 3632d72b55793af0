//! How many different things does one caller touch within a time?
//!
//! Objects of one operation, for who tries one identifier after the other; networks that one key comes
//! from, for a key that is passed around.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What was seen within a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spread {
    most: usize,
    within_us: i64,
    last: HashMap<u64, i64>,
}

impl Spread {
    /// Told when there are more than `most` different ones within `within_us`; then counting begins
    /// anew. Holds `most` at most.
    pub fn new(most: usize, within_us: i64) -> Self {
        Self { most, within_us, last: HashMap::new() }
    }

    /// The next thing, by a number for it; how many different ones there are, when that is told.
    pub fn touch(&mut self, at_us: i64, thing: u64) -> Option<usize> {
        self.last.insert(thing, at_us);
        if self.last.len() <= self.most {
            return None;
        }
        let since = at_us.saturating_sub(self.within_us);
        self.last.retain(|_, last_us| *last_us > since);
        let count = self.last.len();
        (count > self.most).then(|| {
            self.last.clear();
            count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `calls` calls a second apart, each for one of `things`; how often is it told?
    #[track_caller]
    fn check(calls: u64, things: u64, expected: usize) {
        let mut spread = Spread::new(20, 60_000_000);
        let at = |call: u64| i64::try_from(call).unwrap() * 1_000_000;
        let told = (0..calls).filter_map(|call| spread.touch(at(call), call % things));
        assert_eq!(told.count(), expected);
    }

    #[test]
    fn more_different_things_than_a_caller_needs_are_told() {
        check(1000, 20, 0);
        check(20, 1000, 0);
        check(21, 1000, 1);
        check(42, 1000, 2);
    }

    #[test]
    fn things_that_come_slowly_are_no_sweep() {
        let mut spread = Spread::new(20, 60_000_000);
        assert!(
            (0..1000_u64).all(|n| spread.touch(i64::try_from(n).unwrap() * 4_000_000, n).is_none())
        );
        assert!(spread.last.len() <= 21);
    }
}
