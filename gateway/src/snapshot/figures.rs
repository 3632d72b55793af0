//! What do metrics tell about the configuration in force?

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chassis::Clock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::state::State;

type ByState = Family<[(&'static str, &'static str); 1], Gauge>;

/// Everything that is counted about configuration.
#[derive(Clone, Debug)]
pub struct Figures {
    revision: ByState,
    stale: Gauge,
    staleness: Staleness,
    confirmed: Gauge,
    objects: Gauge,
    rejected: Gauge,
    propagation: Histogram,
    applying: Histogram,
    transactions: Counter,
    full_syncs: Counter,
    failed_syncs: Counter,
    refused_syncs: Counter,
}

impl Figures {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let figures = Self {
            revision: Family::default(),
            stale: Gauge::default(),
            staleness: Staleness::from_now(),
            confirmed: Gauge::default(),
            objects: Gauge::default(),
            rejected: Gauge::default(),
            propagation: seconds(),
            applying: seconds(),
            transactions: Counter::default(),
            full_syncs: Counter::default(),
            failed_syncs: Counter::default(),
            refused_syncs: Counter::default(),
        };
        figures.stale.set(1);
        figures.register(registry.sub_registry_with_prefix("config"));
        figures
    }

    fn register(&self, r: &mut Registry) {
        r.register("revision", "Revision of the configuration", self.revision.clone());
        let stale = "1: no control plane has confirmed the configuration in force";
        r.register("stale", stale, self.stale.clone());
        r.register_collector(Box::new(self.staleness.clone()));
        let confirmed = "When the configuration in force was last confirmed or changed, Unix time";
        let unit = Unit::Seconds;
        r.register_with_unit("confirmed_timestamp", confirmed, unit, self.confirmed.clone());
        r.register("objects", "Objects that are held", self.objects.clone());
        let rejected = "Objects that are held and cannot be served as they are";
        r.register("rejected_objects", rejected, self.rejected.clone());
        let propagation = "From the commit of a change to the swap in this gateway";
        r.register_with_unit("propagation", propagation, Unit::Seconds, self.propagation.clone());
        let applying = "From the arrival of a change to the swap in this gateway";
        r.register_with_unit("applying", applying, Unit::Seconds, self.applying.clone());
        r.register("transactions", "Changes put in force", self.transactions.clone());
        let full = "Changes that replaced everything";
        r.register("full_syncs", full, self.full_syncs.clone());
        let failed = "Changes that did not lead to the promised hash";
        r.register("failed_syncs", failed, self.failed_syncs.clone());
        let refused = "Changes and confirmations for which no control plane of ours vouches";
        r.register("refused_syncs", refused, self.refused_syncs.clone());
    }

    /// A revision was offered.
    pub fn offered(&self, revision: u64) {
        self.revision(revision, "offered");
    }

    /// A configuration is in force.
    pub fn in_force(&self, state: &State) {
        let figure = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.revision(state.revision, "applied");
        self.objects.set(figure(state.plan.objects().len()));
        self.rejected.set(figure(state.plan.rejected().len()));
    }

    /// The configuration in force is that of the control plane, at this moment.
    pub fn confirmed(&self, unix_seconds: i64) {
        self.stale.set(0);
        self.staleness.0.store(CONFIRMED, Ordering::Relaxed);
        self.confirmed.set(unix_seconds);
    }

    /// Nobody confirms the configuration any more.
    pub fn stale(&self) {
        self.stale.set(1);
        self.staleness.begin();
    }

    /// A change was put in force.
    pub fn applied(&self, took: Duration, since_commit: Option<Duration>, full: bool) {
        self.transactions.inc();
        self.full_syncs.inc_by(full.into());
        self.applying.observe(took.as_secs_f64());
        if let Some(span) = since_commit {
            self.propagation.observe(span.as_secs_f64());
        }
    }

    /// A change did not lead to the promised hash.
    pub fn diverged(&self) {
        self.failed_syncs.inc();
    }

    /// Nobody of ours vouches for what was sent.
    pub fn refused(&self) {
        self.refused_syncs.inc();
    }

    fn revision(&self, revision: u64, state: &'static str) {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        self.revision.get_or_create(&[("state", state)]).set(revision);
    }
}

/// Since when no control plane confirms the configuration: Unix time, or `CONFIRMED`.
#[derive(Clone, Debug)]
struct Staleness(Arc<AtomicI64>);

/// A control plane does so now.
const CONFIRMED: i64 = i64::MAX;

impl Staleness {
    fn from_now() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().unix_seconds())))
    }

    /// Nobody confirms it any more; said again, it counts from the first time.
    fn begin(&self) {
        let now = Clock::system().unix_seconds();
        let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
        // Another value was there: it is stale already.
        let _ = self.0.compare_exchange(CONFIRMED, now, set, read);
    }

    fn seconds(&self) -> i64 {
        let since = self.0.load(Ordering::Relaxed);
        let now = Clock::system().unix_seconds();
        if since == CONFIRMED { 0 } else { now.saturating_sub(since).max(0) }
    }
}

impl Collector for Staleness {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "For how long no control plane has confirmed the configuration in force";
        let unit = Some(&Unit::Seconds);
        let out = out.encode_descriptor("staleness", help, unit, MetricType::Gauge)?;
        ConstGauge::new(self.seconds()).encode(out)
    }
}

/// From 250 µs to 16 s.
fn seconds() -> Histogram {
    let bounds = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];
    Histogram::new(bounds.into_iter().chain([0.5, 1.0, 2.5, 5.0, 16.0]))
}
