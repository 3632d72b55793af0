//! Which served calls are not stored, and which are stored too often?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::callers::Ledger;

/// More events than are under way at a time, with a few in each batch.
const UNDER_WAY: u64 = 1000;

/// What the comparison of served and stored calls came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) served: u64,
    pub(crate) unsure: u64,
    pub(crate) stored: u64,
    /// How many calls of a path are missing, and when the last of them was answered.
    pub(crate) missing: Vec<(u64, Instant)>,
    /// Paths with more calls than were made.
    pub(crate) doubled: Vec<String>,
}

impl Verdict {
    /// Compares; every call of `stored` must be in the ledger.
    pub(crate) fn of(ledger: &Ledger, stored: &HashMap<String, u64>) -> Self {
        let (served, unsure) = ledger.sums();
        let mut verdict = Self { served, unsure, stored: stored.values().sum(), ..Self::default() };
        for (path, asked) in &ledger.calls {
            let found = stored.get(path).copied().unwrap_or_default();
            if let (Some(lost @ 1..), Some(last)) = (asked.served.checked_sub(found), asked.last) {
                verdict.missing.push((lost, last));
            }
            if found > asked.served + asked.unsure {
                verdict.doubled.push(path.clone());
            }
        }
        let strange = stored.keys().filter(|path| !ledger.calls.contains_key(*path));
        verdict.doubled.extend(strange.cloned());
        verdict
    }

    /// All calls that are missing.
    pub(crate) fn lost(&self) -> u64 {
        self.missing.iter().map(|(lost, _)| lost).sum()
    }

    /// Whether all that is missing is among the `dropped` ones that were counted. A batch that is under
    /// way while the spool drops it is counted, though the collector may have it.
    pub(crate) fn is_told_by(&self, dropped: u64) -> bool {
        dropped.checked_sub(self.lost()).is_some_and(|stored| stored < UNDER_WAY)
    }

    /// Of the calls that are missing, how long before the next of these instants the earliest was
    /// answered; none: one was answered after all of them.
    pub(crate) fn longest_before(&self, instants: &[Instant]) -> Option<Duration> {
        let before = |answered: Instant| {
            // The client may read an answer a moment after who wrote it has died.
            let grace = Duration::from_secs(1);
            let next = instants.iter().filter(|instant| **instant + grace > answered).min()?;
            Some(next.saturating_duration_since(answered))
        };
        let spans: Option<Vec<Duration>> =
            self.missing.iter().map(|(_, answered)| before(*answered)).collect();
        spans.map(|spans| spans.into_iter().max().unwrap_or_default())
    }
}
