//! How do metrics reach an OpenTelemetry collector?
//!
//! Everything that `/metrics` shows is sent every so often, over OTLP gRPC. Nothing waits for it and
//! nothing is kept: numbers are cumulative, so the next sending says what a lost one did.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::export::{SEND_WITHIN, attributes};
use super::install::{Config, Error};
use super::translate::{Times, attribute, translate};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::shutdown::Shutdown;

/// Sends the metrics of one process.
#[derive(Debug)]
pub(crate) struct Sender {
    client: MetricsServiceClient<Channel>,
    resource: Resource,
    every: Duration,
    began_ns: u64,
    metrics: Metrics,
    clock: Clock,
}

impl Sender {
    /// Nothing is configured: none.
    pub(crate) fn new(
        config: &Config,
        (service, id): (&'static str, &str),
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Option<Self>, Error> {
        if config.otlp.is_empty() || config.metrics_every.is_zero() {
            return Ok(None);
        }
        let endpoint = Endpoint::from_shared(config.otlp.clone())
            .map_err(|_| Error::Endpoint(config.otlp.clone()))?;
        let channel = endpoint.timeout(SEND_WITHIN).connect_timeout(SEND_WITHIN).connect_lazy();
        let attributes = attributes(service, id).map(|(key, value)| attribute(key, value));
        Ok(Some(Self {
            client: MetricsServiceClient::new(channel),
            resource: Resource { attributes: attributes.to_vec(), ..Resource::default() },
            every: config.metrics_every,
            began_ns: nanos(&clock),
            metrics,
            clock,
        }))
    }

    /// Sends until the process ends, and once more then.
    pub(crate) async fn run(mut self, ended: Shutdown) {
        let mut outage = Outage::of("OTLP receiver", "metrics are sent when it is back");
        loop {
            let last = tokio::select! {
                biased;
                () = ended.wait() => true,
                () = self.clock.sleep(self.every) => false,
            };
            match self.send().await {
                Ok(()) => outage.over(),
                Err(error) => outage.failed(&error),
            }
            if last {
                return;
            }
        }
    }

    async fn send(&mut self) -> Result<(), SendError> {
        let text = self.metrics.render().map_err(SendError::Text)?;
        let times = Times { began_ns: self.began_ns, now_ns: nanos(&self.clock) };
        for part in translate(&text, times) {
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn send_part(&mut self, metrics: Vec<Metric>) -> Result<(), SendError> {
        let scope =
            InstrumentationScope { name: "turnpike".to_owned(), ..InstrumentationScope::default() };
        let all = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
        let resource = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![all],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let answer = self.client.export(request).await;
        let answer = answer.map_err(|status| SendError::Failed(Box::new(status)))?.into_inner();
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => {
                Err(SendError::Refused(partial.error_message))
            }
            _ => Ok(()),
        }
    }
}

/// Why metrics did not arrive.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("they cannot be written")]
    Text(#[source] std::fmt::Error),
    #[error("they cannot be sent")]
    Failed(#[source] Box<Status>),
    #[error("some are refused: {0}")]
    Refused(String),
}

fn nanos(clock: &Clock) -> u64 {
    u64::try_from(clock.unix_us()).unwrap_or_default().saturating_mul(1000)
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
