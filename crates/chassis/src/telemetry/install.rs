//! Which subscriber listens to the spans and events of this process?

use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::export::Exporter;
use super::log::{self, Format};
use super::propagate;

/// The section `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is logged: a level, or directives like `info,gateway=debug`.
    pub log: String,
    /// How a line looks.
    pub format: Format,
    /// Where spans and metrics go, like `http://127.0.0.1:4317` (OTLP over gRPC); empty is off.
    pub otlp: String,
    /// The share of new traces that is recorded, from 0.0 to 1.0. A caller's decision is kept.
    #[serde(default = "all")]
    pub sample: f64,
    /// How often metrics go there; 0: they do not.
    #[serde(default = "minute", with = "crate::config::duration")]
    pub metrics_every: Duration,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not understood.
    #[error("`telemetry.log` = `{directives}` is not understood")]
    Directives {
        /// What was configured.
        directives: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Nothing is said; that would end the log without a word.
    #[error("nothing is said; write directives like `info,gateway=debug`, or `off`")]
    Nothing,
    /// Another subscriber is already installed.
    #[error("telemetry is already installed in this process")]
    Installed,
    /// The exporter could not be made.
    #[error("cannot export spans to `{endpoint}`")]
    Exporter {
        /// What was configured.
        endpoint: String,
        /// Why not.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Only cleartext collectors are supported, which stand on the same machine or pod.
    #[error("`telemetry.otlp` = `{0}` must begin with http://")]
    Endpoint(String),
}

/// What is to be flushed before the process ends.
#[derive(Debug)]
pub struct Telemetry {
    exporter: Option<Exporter>,
}

const fn all() -> f64 {
    1.0
}

const fn minute() -> Duration {
    Duration::from_mins(1)
}

impl Telemetry {
    /// Installs logging, and the export of spans where it is configured, for the whole process.
    /// Needs a running tokio runtime when spans are exported.
    pub fn install(config: &Config, service: &'static str, instance: &str) -> Result<Self, Error> {
        let exporter = (!config.otlp.is_empty())
            .then(|| Exporter::start(config, service, instance))
            .transpose()?;
        let spans = exporter.as_ref().map(Exporter::layer);
        tracing_subscriber::registry()
            .with(log::layer(config)?)
            .with(spans)
            .try_init()
            .map_err(|_| Error::Installed)?;
        propagate::enable(exporter.is_some());
        Ok(Self { exporter })
    }

    /// Sends what has not been sent yet. Blocks for at most two seconds.
    pub fn finish(self) {
        propagate::enable(false);
        if let Some(exporter) = self.exporter {
            exporter.finish();
        }
    }
}
