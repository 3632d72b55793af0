//! What do metrics tell about counters on disk?

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Everything that is counted about them.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Those that were found at the start.
    pub(super) restored: Gauge,
    pub(super) written: Counter,
    pub(super) failures: Counter,
    /// Files that were set aside.
    pub(super) damaged: Counter,
}

impl Figures {
    /// Registers them.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let figures = Self::default();
        let r = registry.sub_registry_with_prefix("counters");
        let restored = "Counters of quotas that were found on disk at the start";
        r.register("restored", restored, figures.restored.clone());
        r.register(
            "written",
            "Counters of quotas that were written to disk",
            figures.written.clone(),
        );
        let failures = "Writings that failed: what they held is tried again";
        r.register("write_failures", failures, figures.failures.clone());
        let damaged = "Files of counters that were damaged and set aside";
        r.register("damaged_files", damaged, figures.damaged.clone());
        figures
    }
}
