//! How often may a stranger make us write a line?
//!
//! Once a second: whoever sends garbage to a port must not be able to fill the disk with our logs.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Clock;

/// Lets one line a second through and counts the others.
#[derive(Debug)]
pub(crate) struct Sparse {
    clock: Clock,
    last_second: AtomicI64,
    unsaid: AtomicU64,
}

impl Sparse {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self { clock, last_second: AtomicI64::new(i64::MIN), unsaid: AtomicU64::new(0) }
    }

    /// `Some(n)`: say it now; `n` were not said since the last time.
    pub(crate) fn say(&self) -> Option<u64> {
        let now = self.clock.unix_seconds();
        if self.last_second.swap(now, Ordering::Relaxed) == now {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_flood_becomes_one_line_a_second_that_counts_the_rest() {
        let (clock, hands) = Clock::manual(UNIX_EPOCH);
        let sparse = Sparse::new(clock);
        let said = [sparse.say(), sparse.say(), sparse.say()];
        assert_eq!(said, [Some(0), None, None]);
        hands.advance(Duration::from_secs(1));
        assert_eq!([sparse.say(), sparse.say()], [Some(2), None]);
    }
}
