//! What do metrics tell about usage events?

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of the events, over all workers.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Handed to the spool by workers.
    pub(crate) recorded: Counter,
    /// Dropped by workers because the spool did not keep up.
    pub(crate) dropped_by_workers: Counter,
    /// The part of `dropped_by_workers` that no batch has reported yet.
    pub(crate) unreported: AtomicU64,
    /// Dropped by the spool: its bound was reached, the disk failed, or the collector will never
    /// take them.
    pub(crate) dropped_by_spool: Counter,
    /// Size of the spool on disk.
    pub(crate) spool_bytes: Gauge,
    /// Batches in the spool that the collector does not have.
    pub(crate) waiting: Gauge,
}

impl Figures {
    /// Shows them to Prometheus.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let usage = registry.sub_registry_with_prefix("usage");
        usage.register("events", "Usage events handed to the spool", self.recorded.clone());
        usage.register(
            "events_dropped_by_workers",
            "Usage events dropped because the spool did not keep up",
            self.dropped_by_workers.clone(),
        );
        usage.register(
            "events_dropped_by_spool",
            "Usage events dropped because the spool was full, its disk failed, or the collector refused them",
            self.dropped_by_spool.clone(),
        );
        usage.register("spool_bytes", "Size of the usage spool", self.spool_bytes.clone());
        usage.register(
            "spool_batches",
            "Batches of usage events that the collector has not acknowledged",
            self.waiting.clone(),
        );
    }
}
