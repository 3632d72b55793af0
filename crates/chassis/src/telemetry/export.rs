//! How do spans reach an OpenTelemetry collector?
//!
//! In batches, over OTLP gRPC, from a bounded queue: when the collector is slow or away, spans are
//! dropped and nothing else waits.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter};

use super::install::{Config, Error};

const QUEUE: usize = 8_192;
const SEND_EVERY: Duration = Duration::from_secs(1);
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(3);
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// Whose spans and metrics these are.
pub(super) fn attributes(service: &str, id: &str) -> [(&'static str, String); 4] {
    [
        ("service.name", service.to_owned()),
        ("service.namespace", "turnpike".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", id.to_owned()),
    ]
}

#[derive(Debug)]
pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    pub(super) fn start(config: &Config, service: &'static str, id: &str) -> Result<Self, Error> {
        if !config.otlp.starts_with("http://") {
            return Err(Error::Endpoint(config.otlp.clone()));
        }
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&config.otlp)
            .with_timeout(SEND_WITHIN)
            .build()
            .map_err(|source| Error::Exporter { endpoint: config.otlp.clone(), source })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let resource = Resource::builder_empty()
            .with_attributes(attributes(service, id).map(|(key, value)| KeyValue::new(key, value)))
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample)));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(sampler)
            .with_span_processor(
                BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
            )
            .build();
        Ok(Self(provider))
    }

    /// Spans of level info and above; what is logged is decided elsewhere.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("turnpike"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter::filter_fn(|metadata| {
                metadata.is_span() && *metadata.level() <= LevelFilter::INFO
            }))
    }

    pub(super) fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FINISH_WITHIN) {
            tracing::warn!(%error, "not every span reached the collector");
        }
    }
}
