//! Which numbers tell how limits are counted?

use chassis::Metrics;
use prometheus_client::metrics::gauge::Gauge;

use super::sharing::Counted;

/// Gauges of what is counted here.
#[derive(Debug)]
pub struct Figures {
    gateways: Gauge,
    leased: Gauge,
    split: Gauge,
}

impl Figures {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let this =
            Self { gateways: Gauge::default(), leased: Gauge::default(), split: Gauge::default() };
        metrics.register(|to| {
            let help = "Gateways that count limits together";
            to.register("limit_gateways", help, this.gateways.clone());
            let help = "Limits that are leased, and of which something is used";
            to.register("limit_leased", help, this.leased.clone());
            let help = "Limits that gateways split";
            to.register("limit_split", help, this.split.clone());
        });
        this
    }

    pub(super) fn set(&self, counted: Counted) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.gateways.set(i64::try_from(counted.gateways).unwrap_or(i64::MAX));
        self.leased.set(count(counted.leased));
        self.split.set(count(counted.split));
    }
}
