//! Is it worth asking at all?
//!
//! After a few failures in a row nobody asks for a while, so that people do not wait for a timeout
//! each; then one may try, and the others wait for what they find out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row open it.
const FAILURES: u32 = 3;
/// For so long.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Whether one may ask. Whoever is let through after the pause keeps others out until `told`.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = now.checked_add(PAUSE);
                true
            }
            None => true,
        }
    }

    /// What became of it.
    pub(crate) fn told(&self, answered: bool, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.closed_until = now.checked_add(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_one_tries_every_ten_seconds() {
        let breaker = Breaker::default();
        let begun = chassis::clock::Clock::system().instant();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for second in 0..3 {
            assert!(breaker.admits(at(second)));
            breaker.told(false, at(second));
        }
        assert!(!breaker.admits(at(3)) && !breaker.admits(at(11)));
        assert!(breaker.admits(at(12)));
        assert!(!breaker.admits(at(12)), "one at a time");
        breaker.told(false, at(13));
        assert!(!breaker.admits(at(22)));
        assert!(breaker.admits(at(23)));
        breaker.told(true, at(23));
        assert!(breaker.admits(at(23)) && breaker.admits(at(23)));
    }
}
