//! How full is the store?

use std::fmt::Error;
use std::sync::Arc;

use cache::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The numbers of the store, for the registry.
#[derive(Clone, Debug)]
pub struct Figures(Arc<Store>);

impl Figures {
    /// Shows `store`.
    pub const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

impl Collector for Figures {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> Result<(), Error> {
        let targets = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        for (name, help, number) in [
            ("gateway_cache_bytes", "Memory that kept answers take", self.0.bytes()),
            ("gateway_cache_targets", "Targets that answers are kept for", targets),
        ] {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            gauge.encode(out.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let help = "Targets whose answers made room for others";
        let evicted = ConstCounter::new(self.0.evicted());
        let out =
            out.encode_descriptor("gateway_cache_evicted", help, None, MetricType::Counter)?;
        evicted.encode(out)
    }
}
