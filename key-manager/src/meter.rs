//! What does the key manager count?

use std::time::Duration;

use chassis::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::issue::Ring;

/// Every label has a fixed set of values: nothing that a client sends becomes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Issued {
    grant: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    endpoint: &'static str,
}

/// The names of plug-ins are configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plugin {
    plugin: String,
}

/// Administrators name providers, clients do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Provider {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    plugin: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Algorithm {
    algorithm: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedProvider {
    provider: String,
    result: &'static str,
}

/// The counters; cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    tokens: Family<Issued, Counter>,
    answers: Family<Answered, Counter>,
    seconds: Family<Endpoint, Histogram>,
    introspections: Family<Kind, Counter>,
    revocations: Family<Kind, Counter>,
    watchers: Gauge,
    head: Gauge,
    keys: Gauge,
    rotations: Family<Algorithm, Gauge>,
    noticed: Family<Kind, Counter>,
    plugins: Family<Asked, Counter>,
    plugin_seconds: Family<Plugin, Histogram>,
    providers: Family<Provider, Gauge>,
    asked: Family<AskedProvider, Counter>,
}

impl Meter {
    pub fn new(metrics: &Metrics) -> Self {
        let meter = Self {
            tokens: Family::default(),
            answers: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new([0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0])
            }),
            introspections: Family::default(),
            revocations: Family::default(),
            watchers: Gauge::default(),
            head: Gauge::default(),
            keys: Gauge::default(),
            rotations: Family::default(),
            noticed: Family::default(),
            plugins: Family::default(),
            plugin_seconds: Family::new_with_constructor(|| {
                Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0])
            }),
            providers: Family::default(),
            asked: Family::default(),
        };
        metrics.register(|to| {
            to.register("tokens_issued", "Token requests", meter.tokens.clone());
            to.register("endpoint_requests", "Requests by answer", meter.answers.clone());
            to.register("endpoint_seconds", "Time to the answer", meter.seconds.clone());
            to.register("introspections", "Tokens looked at", meter.introspections.clone());
            to.register("revocations", "Lines written to the log", meter.revocations.clone());
            to.register("revocation_watchers", "Open watch streams", meter.watchers.clone());
            to.register("revocation_log_head", "Last sequence seen", meter.head.clone());
            to.register("fraud_signals", "What looked like fraud", meter.noticed.clone());
            to.register("plugin_calls", "Plug-ins asked, by answer", meter.plugins.clone());
            let seconds = meter.plugin_seconds.clone();
            to.register("plugin_seconds", "Time to the answer of a plug-in", seconds);
            to.register("signing_keys", "Keys published", meter.keys.clone());
            to.register(
                "signing_key_rotation_timestamp_seconds",
                "When another key signs",
                meter.rotations.clone(),
            );
            let healthy = "Whether a provider answered when it was asked last";
            to.register("provider_healthy", healthy, meter.providers.clone());
            to.register("provider_requests", "Requests to providers", meter.asked.clone());
        });
        meter
    }

    /// A token request ended; `result` is "ok" or the error code.
    pub fn token(&self, grant: &'static str, result: &'static str) {
        self.tokens.get_or_create(&Issued { grant, result }).inc();
    }

    pub fn answered(&self, endpoint: &'static str, status: u16, took: Duration) {
        self.answers.get_or_create(&Answered { endpoint, status }).inc();
        self.seconds.get_or_create(&Endpoint { endpoint }).observe(took.as_secs_f64());
    }

    pub fn introspected(&self, active: bool) {
        let kind = if active { "active" } else { "inactive" };
        self.introspections.get_or_create(&Kind { kind }).inc();
    }

    /// A line was written for a token, a client or a subject.
    pub fn revoked(&self, kind: &'static str) {
        self.revocations.get_or_create(&Kind { kind }).inc();
    }

    /// Something looked like fraud.
    pub fn noticed(&self, kind: &'static str) {
        self.noticed.get_or_create(&Kind { kind }).inc();
    }

    /// A plug-in was asked; `result` is what it said, or why it said nothing.
    pub fn asked_plugin(&self, plugin: &str, result: &'static str, took: Duration) {
        let plugin = plugin.to_owned();
        self.plugins.get_or_create(&Asked { plugin: plugin.clone(), result }).inc();
        self.plugin_seconds.get_or_create(&Plugin { plugin }).observe(took.as_secs_f64());
    }

    /// A provider was asked something.
    pub fn provider(&self, name: &str, well: bool) {
        let result = if well { "ok" } else { "failed" };
        self.providers.get_or_create(&Provider { provider: name.to_owned() }).set(i64::from(well));
        self.asked.get_or_create(&AskedProvider { provider: name.to_owned(), result }).inc();
    }

    /// A provider is no more.
    pub fn provider_gone(&self, name: &str) {
        self.providers.remove(&Provider { provider: name.to_owned() });
        for result in ["ok", "failed"] {
            self.asked.remove(&AskedProvider { provider: name.to_owned(), result });
        }
    }

    /// Counts a watch stream until the answer is dropped.
    pub fn watching(&self) -> Watching {
        self.watchers.inc();
        Watching(self.watchers.clone())
    }

    pub fn head(&self, sequence: u64) {
        self.head.set(i64::try_from(sequence).unwrap_or(i64::MAX));
    }

    pub fn keys(&self, ring: &Ring) {
        self.keys.set(i64::try_from(ring.published()).unwrap_or(i64::MAX));
        for (algorithm, at) in ring.rotations() {
            self.rotations.get_or_create(&Algorithm { algorithm: algorithm.name() }).set(*at);
        }
    }
}

/// One open watch stream.
#[derive(Debug)]
pub struct Watching(Gauge);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.dec();
    }
}
