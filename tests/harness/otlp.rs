//! A receiver of spans and metrics (OTLP over gRPC) that remembers every span and every name of a metric.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::{Request, Response, Status};

/// One span as it was received.
#[derive(Debug, Clone)]
pub struct Span {
    /// The program that sent it.
    pub service: String,
    pub name: String,
    /// Lower-case hexadecimal.
    pub trace: String,
}

/// A receiver; it ends with the test.
#[derive(Debug)]
pub struct Otlp {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Heard {
    spans: Vec<Span>,
    /// Names, by the program that sent them.
    metrics: BTreeMap<String, BTreeSet<String>>,
}

impl Otlp {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::default();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Receiver(Arc::clone(&heard))))
            .add_service(MetricsServiceServer::new(Receiver(Arc::clone(&heard))));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            drop(server.serve_with_incoming(incoming).await);
        });
        Self { address, heard, task }
    }

    /// Where to send spans and metrics.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.heard).spans.clone()
    }

    /// The names of the metrics that a program has sent so far.
    pub fn metrics(&self, service: &str) -> BTreeSet<String> {
        lock(&self.heard).metrics.get(service).cloned().unwrap_or_default()
    }

    /// The programs that have sent spans of this trace, ordered, each once.
    pub fn services(&self, trace: &str) -> Vec<String> {
        let spans = self.spans();
        let mut names: Vec<String> =
            spans.into_iter().filter(|span| span.trace == trace).map(|span| span.service).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Receiver(Arc<Mutex<Heard>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for sent in request.into_inner().resource_spans {
            let service = name(sent.resource);
            let mut heard = lock(&self.0);
            for span in sent.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace = hex(&span.trace_id);
                heard.spans.push(Span { service: service.clone(), name: span.name, trace });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for sent in request.into_inner().resource_metrics {
            let metrics = sent.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
            let names = metrics.map(|metric| metric.name);
            lock(&self.0).metrics.entry(name(sent.resource)).or_default().extend(names);
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// The `service.name` of who sent something.
fn name(resource: Option<Resource>) -> String {
    let attributes = resource.map(|resource| resource.attributes).unwrap_or_default();
    let named = attributes.into_iter().find(|pair| pair.key == "service.name");
    match named.and_then(|pair| pair.value?.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
