//! Has somebody guessed too often who a client is? (KM-102)
//!
//! Counted by client and network together: who guesses from elsewhere keeps no client out. An attempt is
//! counted before its secret is looked at, so that of guesses which come at once none is free; one that was
//! right makes the others forgotten. In the memory of this process and within bounds: a token request
//! writes nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::{ClientId, network};
use crate::store::Failures;

/// So many pairs are remembered at least, twice as many at most.
const REMEMBERED: usize = 10_000;

#[derive(Debug)]
pub struct Guesses {
    rules: Failures,
    counts: Mutex<Counts>,
}

/// Whoever was not heard of while the younger half filled up is forgotten.
#[derive(Debug, Default)]
struct Counts {
    younger: HashMap<Who, Count>,
    older: HashMap<Who, Count>,
}

/// A client, and from where it asks.
type Who = (ClientId, String);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    failures: i64,
    last_at: i64,
    blocked_until: i64,
}

/// An attempt that was counted.
#[must_use = "an attempt that was right does not count"]
#[derive(Debug)]
pub(super) struct Attempt<'l> {
    guesses: &'l Guesses,
    who: Who,
}

impl Guesses {
    pub fn new(rules: Failures) -> Self {
        Self { rules, counts: Mutex::default() }
    }

    /// `None`: there were too many, and this one is not looked at.
    pub(super) fn begin(
        &self,
        client: &ClientId,
        address: Option<IpAddr>,
        now: i64,
    ) -> Option<Attempt<'_>> {
        let who = (client.clone(), network(address));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = counts.take(&who);
        if count.last_at < now.saturating_sub(self.rules.forget_seconds) {
            count = Count::default();
        }
        let admitted = now >= count.blocked_until;
        if admitted {
            count.failures = count.failures.saturating_add(1);
            count.last_at = now;
            let wait = self.rules.wait(count.failures);
            if wait > 0 {
                count.blocked_until = now.saturating_add(wait);
            }
        }
        counts.put(who.clone(), count);
        admitted.then_some(Attempt { guesses: self, who })
    }
}

impl Attempt<'_> {
    /// It was right: what failed before is forgotten, and nobody waits for it.
    pub(super) fn succeeded(self) {
        let mut counts = self.guesses.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.take(&self.who);
    }
}

impl Counts {
    fn take(&mut self, who: &Who) -> Count {
        let found = self.younger.remove(who).or_else(|| self.older.remove(who));
        found.unwrap_or_default()
    }

    fn put(&mut self, who: Who, count: Count) {
        if self.younger.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(who, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Failures =
        Failures { free: 3, wait_seconds: 60, longest_seconds: 900, forget_seconds: 3600 };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn client(name: &str) -> ClientId {
        ClientId::parse(name).expect("an identifier")
    }

    /// Attempts of client `a` from network 1 at these seconds, each right or wrong; `said` is `+` for each
    /// that was looked at.
    #[track_caller]
    fn check(attempts: &[(i64, bool)], said: &str) {
        let guesses = Guesses::new(RULES);
        let mut looked = String::new();
        for (now, right) in attempts {
            let attempt = guesses.begin(&client("a"), Some(address(1)), *now);
            looked.push(if attempt.is_some() { '+' } else { '-' });
            if let Some(attempt) = attempt.filter(|_| *right) {
                attempt.succeeded();
            }
        }
        assert_eq!(looked, said);
    }

    #[test]
    fn after_some_failures_one_waits_longer_each_time() {
        let wrong = |seconds: &[i64]| seconds.iter().map(|at| (*at, false)).collect::<Vec<_>>();
        check(&wrong(&[0, 0, 0, 1]), "+++-");
        check(&wrong(&[0, 0, 0, 59, 60, 179, 180]), "+++-+-+");
        check(&wrong(&[0, 0, 0, 3601, 3601, 3601, 3601]), "++++++-");
    }

    #[test]
    fn what_is_right_never_counts() {
        check(&[(0, true); 100], &"+".repeat(100));
        check(&[(0, false), (0, false), (0, true), (0, false), (1, true)], "+++++");
    }

    #[test]
    fn guesses_at_once_are_not_free_and_right_ones_at_once_do_not_block() {
        let guesses = Guesses::new(RULES);
        let begin = |now| guesses.begin(&client("a"), Some(address(1)), now);
        let open: Vec<_> = (0..3).map(|_| begin(0).expect("looked at")).collect();
        assert!(begin(0).is_none(), "the fourth at once");
        open.into_iter().for_each(Attempt::succeeded);
        assert!(begin(0).is_some());
    }

    #[test]
    fn who_guesses_elsewhere_keeps_no_client_out() {
        let guesses = Guesses::new(RULES);
        for _ in 0..10 {
            let _ = guesses.begin(&client("a"), Some(address(66)), 0);
        }
        assert!(guesses.begin(&client("a"), Some(address(66)), 0).is_none());
        assert!(guesses.begin(&client("a"), Some(address(1)), 0).is_some());
        assert!(guesses.begin(&client("b"), Some(address(66)), 0).is_some());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let guesses = Guesses::new(RULES);
        for number in 0..3 * REMEMBERED {
            let _ = guesses.begin(&client(&format!("c{number}")), Some(address(1)), 0);
        }
        let counts = guesses.counts.lock().expect("counts");
        assert!(counts.younger.len() + counts.older.len() <= 2 * REMEMBERED);
    }
}
