//! What happens too often for a line each: how often did it happen?
//!
//! The number of different things that are counted at a time is bounded; beyond it the client is
//! left out of the count, and no count is lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Counted {
    pub(super) event: &'static str,
    pub(super) client: String,
    pub(super) outcome: &'static str,
    /// The grant, or what else there is a fixed set of.
    pub(super) kind: &'static str,
}

#[derive(Debug)]
pub(super) struct Tally {
    most: usize,
    counts: Mutex<BTreeMap<Counted, u64>>,
}

impl Tally {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, counts: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn add(&self, mut counted: Counted, times: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= self.most && !counts.contains_key(&counted) {
            "*".clone_into(&mut counted.client);
        }
        let count = counts.entry(counted).or_default();
        *count = count.saturating_add(times);
    }

    pub(super) fn take(&self) -> BTreeMap<Counted, u64> {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `clients` each have one event counted, of two at a time; `kept` is "client=count …".
    #[track_caller]
    fn check(clients: &str, kept: &str) {
        let tally = Tally::new(2);
        for client in clients.split(' ') {
            let client = client.to_owned();
            tally.add(Counted { event: "e", client, outcome: "ok", kind: "" }, 1);
        }
        let taken = tally.take();
        let said: Vec<_> = taken.iter().map(|(c, n)| format!("{}={n}", c.client)).collect();
        assert_eq!(said.join(" "), kept);
        assert!(tally.take().is_empty());
    }

    #[test]
    fn beyond_the_bound_clients_are_counted_together() {
        check("a b a", "a=2 b=1");
        check("a b c d a", "*=2 a=2 b=1");
    }
}
