//! How are the calls of single APIs, while a control plane compares gateways?
//!
//! A rollout is judged by the APIs that its change reaches: the calls of all others would hide that one of
//! them fails. Only those that were asked about are counted, and only for as long; while nobody asks, a
//! call pays one relaxed load. Like all cells these are written by one worker, without a lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::cell::Cell;
use crate::latencies::Latencies;

/// So many APIs are told apart, whatever a control plane asks for.
const MOST: usize = 64;

/// What a worker counts of the APIs that are compared.
#[derive(Debug, Default)]
pub struct Compared {
    any: AtomicBool,
    apis: ArcSwap<BTreeMap<Box<str>, Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    calls: Cell,
    server_errors: Cell,
    latencies: Latencies,
}

impl Compared {
    /// Whether any API is compared.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Counts these from now on, from nothing, and no others; an API is called `name:version`.
    pub fn these(&self, apis: &[String]) {
        let counted = apis.iter().take(MOST).map(|api| (api.as_str().into(), Counts::default()));
        let counted: BTreeMap<Box<str>, Counts> = counted.collect();
        self.any.store(!counted.is_empty(), Ordering::Relaxed);
        self.apis.store(Arc::new(counted));
    }

    /// A call of `api` was answered with `status`; 0: its client left before. INVARIANT: called by one
    /// thread only.
    pub fn count(&self, api: &str, status: u16, total_us: u64) {
        let apis = self.apis.load();
        let Some(counts) = apis.get(api) else { return };
        counts.latencies.add(total_us);
        if status > 0 {
            counts.calls.add(1);
            counts.server_errors.add(u64::from(status >= 500));
        }
    }

    /// Hands out how many calls each API has had, how many of them were answered 5xx, and up to how many
    /// microseconds how many took, in order, those without a call too.
    pub fn each(&self, mut told: impl FnMut(&str, u64, u64, &mut dyn Iterator<Item = (u64, u64)>)) {
        for (api, counts) in self.apis.load().iter() {
            let Counts { calls, server_errors, latencies } = counts;
            told(api, calls.get(), server_errors.get(), &mut latencies.spans());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(compared: &Compared, expected: &[(&str, u64, u64, u64)]) {
        let mut found = Vec::new();
        compared.each(|api, calls, errors, spans| {
            let spans: u64 = spans.map(|(_, calls)| calls).sum();
            found.push((api.to_owned(), calls, errors, spans));
        });
        let found: Vec<_> = found
            .iter()
            .map(|(api, calls, errors, spans)| (api.as_str(), *calls, *errors, *spans))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_was_asked_about_is_counted_and_from_then_on() {
        let compared = Compared::default();
        assert!(!compared.any());
        compared.count("a:1", 200, 10);
        compared.these(&["a:1".to_owned(), "b:1".to_owned()]);
        assert!(compared.any());
        compared.count("a:1", 200, 10);
        compared.count("a:1", 503, 10);
        compared.count("a:1", 0, 10);
        compared.count("c:1", 200, 10);
        check(&compared, &[("a:1", 2, 1, 3), ("b:1", 0, 0, 0)]);
        compared.these(&["a:1".to_owned()]);
        check(&compared, &[("a:1", 0, 0, 0)]);
        compared.these(&[]);
        check(&compared, &[]);
        assert!(!compared.any());
    }

    #[test]
    fn no_more_are_told_apart_than_there_is_room_for() {
        let compared = Compared::default();
        compared.these(&(0..1000).map(|n| format!("a{n}:1")).collect::<Vec<_>>());
        let mut count = 0;
        compared.each(|_, _, _, _| count += 1);
        assert_eq!(count, MOST);
    }
}
