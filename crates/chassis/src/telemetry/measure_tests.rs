//! Do metrics reach a receiver, and is one that was away told everything when it is back?

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response};

use super::*;
use crate::readiness::Readiness;
use crate::task::Tasks;
use crate::telemetry::Format;

const PATIENCE: Duration = Duration::from_secs(30);

struct Receiver(mpsc::UnboundedSender<ResourceMetrics>);

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for resource in request.into_inner().resource_metrics {
            let _ = self.0.send(resource);
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn receive(listener: TcpListener, tasks: &Tasks) -> mpsc::UnboundedReceiver<ResourceMetrics> {
    let (found, metrics) = mpsc::unbounded_channel();
    let server = tonic::transport::Server::builder()
        .add_service(MetricsServiceServer::new(Receiver(found)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tasks.spawn("receiver", server);
    metrics
}

fn config(otlp: &str, every: Duration) -> Config {
    Config {
        log: "error".to_owned(),
        format: Format::Text,
        otlp: otlp.to_owned(),
        sample: 1.0,
        metrics_every: every,
    }
}

fn sender(to: &TcpListener, every: Duration, metrics: Metrics) -> Sender {
    let config = config(&format!("http://{}", to.local_addr().unwrap()), every);
    Sender::new(&config, ("gateway", "g-1"), metrics, Clock::system()).unwrap().unwrap()
}

async fn within<F: Future>(work: F) -> F::Output {
    Clock::system().timeout(PATIENCE, work).await.unwrap()
}

/// The value of a counter in what was received.
fn count_of(name: &str, received: &ResourceMetrics) -> Option<Value> {
    let metrics = received.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    match metrics.into_iter().find(|metric| metric.name == name)?.data.as_ref()? {
        Data::Sum(sum) => sum.data_points.first()?.value,
        _ => None,
    }
}

#[tokio::test]
async fn all_metrics_reach_a_receiver_also_after_it_was_away() {
    let (tasks, metrics) = (Tasks::default(), Metrics::new("gateway"));
    let calls = Counter::<u64>::default();
    metrics.register(|registry| registry.register("calls", "Calls", calls.clone()));
    calls.inc_by(3);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sender = sender(&listener, Duration::from_millis(20), metrics);
    let ended = Shutdown::new(Readiness::default());
    tasks.spawn("sender", sender.run(ended.clone()));
    // The first who connects is hung up on.
    drop(within(listener.accept()).await.unwrap());
    let mut received = receive(listener, &tasks);

    let first = within(received.recv()).await.unwrap();
    assert_eq!(count_of("turnpike_calls", &first), Some(Value::AsInt(3)));
    let attributes = first.resource.unwrap().attributes;
    let says = |key: &str, value: &str| attributes.contains(&attribute(key, value.to_owned()));
    assert!(says("service.name", "gateway") && says("service.instance.id", "g-1"));
    assert!(says("service.namespace", "turnpike"));
    calls.inc_by(4);
    while count_of("turnpike_calls", &within(received.recv()).await.unwrap())
        != Some(Value::AsInt(7))
    {}
    ended.request();
}

#[tokio::test]
async fn what_was_not_sent_yet_is_sent_at_the_end() {
    let (tasks, metrics) = (Tasks::default(), Metrics::new("gateway"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sender = sender(&listener, Duration::from_hours(1), metrics);
    let mut received = receive(listener, &tasks);
    let ended = Shutdown::new(Readiness::default());
    let sending = tasks.spawn("sender", sender.run(ended.clone()));
    ended.request();
    within(sending).await.unwrap();
    let last = received.try_recv().unwrap();
    let metrics = last.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    assert!(metrics.into_iter().any(|metric| metric.name == "turnpike_build"), "{last:?}");
}

#[tokio::test]
async fn where_nothing_is_configured_nothing_is_sent() {
    let none = |otlp: &str, every| {
        let config = config(otlp, every);
        let metrics = Metrics::new("gateway");
        Sender::new(&config, ("gateway", "g-1"), metrics, Clock::system()).unwrap().is_none()
    };
    assert!(none("", Duration::from_mins(1)));
    assert!(none("http://127.0.0.1:4317", Duration::ZERO));
    assert!(!none("http://127.0.0.1:4317", Duration::from_mins(1)));
}
