//! What do the workers of a gateway know together of the store?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use throttle::Subject;

use super::config::Config;
use super::counter::Counters;
use super::source::{Source, SourceError};
use crate::limits::breaker::{Breaker, Figures};

/// How often a gateway says that it is there.
const ANNOUNCE: Duration = Duration::from_secs(2);

/// A Redis or Valkey that counts for all gateways.
#[derive(Debug)]
pub struct Store {
    pub(super) source: Arc<Source>,
    pub(super) counters: Counters,
    pub(super) breaker: Breaker,
    /// This gateway's name among those who share the store.
    pub(super) node: String,
    /// How many share it, as far as it has said.
    gateways: AtomicU64,
    /// When to say next that this gateway is there.
    announce_ms: AtomicU64,
    began: Instant,
}

impl Store {
    /// The store that is configured, for the gateway `node`. Nobody is spoken to yet.
    pub fn open(
        config: &Config,
        node: &str,
        figures: &Figures,
        clock: &Clock,
    ) -> Result<Self, SourceError> {
        // A process that comes back has nothing in hand of what the one before had.
        let holder = Subject::of("holder", &[node, &clock.unix_us().to_string()]);
        Ok(Self {
            source: Arc::new(Source::open(config)?),
            counters: Counters::new(&config.prefix, holder),
            breaker: Breaker::new("store", figures),
            node: node.to_owned(),
            gateways: AtomicU64::new(0),
            announce_ms: AtomicU64::new(0),
            began: clock.instant(),
        })
    }

    /// How many gateways share it, at least one.
    pub fn gateways(&self) -> u64 {
        self.gateways.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn set_gateways(&self, count: u64) {
        self.gateways.store(count, Ordering::Relaxed);
    }

    /// Milliseconds on a clock that never goes back.
    pub(super) fn now_ms(&self, clock: &Clock) -> u64 {
        let passed = clock.instant().saturating_duration_since(self.began);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it is time to say that this gateway is there; told to one worker.
    pub(super) fn announces(&self, now_ms: u64) -> bool {
        let due = self.announce_ms.load(Ordering::Relaxed);
        let next = now_ms.saturating_add(u64::try_from(ANNOUNCE.as_millis()).unwrap_or(u64::MAX));
        let swap =
            || self.announce_ms.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        now_ms >= due && swap().is_ok()
    }
}
