//! A receiver of traces (OTLP over gRPC) that remembers every span.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
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
pub struct Traces {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Traces {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let spans = Arc::new(Mutex::new(Vec::new()));
        let service = TraceServiceServer::new(Receiver(spans.clone()));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            drop(server.serve_with_incoming(incoming).await);
        });
        Self { address, spans, task }
    }

    /// Where to send spans.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

impl Drop for Traces {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
            let service = attributes
                .into_iter()
                .find(|pair| pair.key == "service.name")
                .and_then(|pair| pair.value?.value)
                .map(|value| match value {
                    Value::StringValue(text) => text,
                    other => format!("{other:?}"),
                })
                .unwrap_or_default();
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace = hex(&span.trace_id);
                known.push(Span { service: service.clone(), name: span.name, trace });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
