//! Which numbers tell how distribution is doing?

use std::sync::Arc;
use std::time::Duration;

use chassis::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Counters of the distribution; cheap to clone.
#[derive(Clone, Debug)]
pub struct Meters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    revision: Gauge,
    connected: Gauge,
    rejected: Gauge,
    propagation: Histogram,
    full: Family<Reason, Counter>,
    deltas: Counter,
    bytes: Counter,
    refused: Counter,
    repairs: Counter,
    signing: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Meters {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        let inner = Inner {
            revision: Gauge::default(),
            connected: Gauge::default(),
            rejected: Gauge::default(),
            propagation: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            full: Family::default(),
            deltas: Counter::default(),
            bytes: Counter::default(),
            refused: Counter::default(),
            repairs: Counter::default(),
            // From 10 µs to 40 ms.
            signing: Histogram::new(exponential_buckets(0.000_01, 2.0, 13)),
        };
        metrics.register(|to| {
            to.register("config_revision", "The revision in force", inner.revision.clone());
            let help = "Gateways with an open stream";
            to.register("config_gateways", help, inner.connected.clone());
            let help = "Objects that connected gateways could not put in force";
            to.register("config_rejected_objects", help, inner.rejected.clone());
            let help = "From the commit of a change to the answer of a gateway that serves it";
            to.register("config_propagation_seconds", help, inner.propagation.clone());
            let help = "Transactions that carried everything, by reason";
            to.register("config_full_syncs", help, inner.full.clone());
            let help = "Transactions that carried a difference";
            to.register("config_deltas", help, inner.deltas.clone());
            to.register("config_sent_bytes", "Bytes of transactions", inner.bytes.clone());
            let help = "Transactions that carried the buckets in which a gateway differed";
            to.register("config_repairs", help, inner.repairs.clone());
            let help = "Transactions of which gateways put nothing in force";
            to.register("config_refused_transactions", help, inner.refused.clone());
            let help = "To sign what the gateways of a slice should hold at one revision";
            to.register("config_signing_seconds", help, inner.signing.clone());
        });
        Self(Arc::new(inner))
    }

    pub(super) fn in_force(&self, revision: u64) {
        self.0.revision.set(i64::try_from(revision).unwrap_or(i64::MAX));
    }

    pub(super) fn connected(&self, by: i64) {
        self.0.connected.inc_by(by);
    }

    pub(super) fn rejected(&self, before: usize, now: usize) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.0.rejected.inc_by(count(now).saturating_sub(count(before)));
    }

    pub(super) fn sent(&self, full: Option<&'static str>, bytes: usize) {
        match full {
            Some(reason) => self.0.full.get_or_create(&Reason { reason }).inc(),
            None => self.0.deltas.inc(),
        };
        self.0.bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn repaired(&self, bytes: usize) {
        self.0.repairs.inc();
        self.0.bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn refused(&self) {
        self.0.refused.inc();
    }

    pub(super) fn signed(&self, took: Duration) {
        self.0.signing.observe(took.as_secs_f64());
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric in seconds")]
    pub(super) fn propagated(&self, span_us: i64) {
        self.0.propagation.observe(span_us.max(0) as f64 / 1e6);
    }
}
