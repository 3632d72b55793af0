//! Does one trace run through several services, and does it reach a collector?
//!
//! A collector that speaks OTLP listens in this process; it is what an operator would run. Spans are
//! exported by the whole process, so everything stands in one test.

#![expect(clippy::expect_used, reason = "a test that cannot go on must stop")]

use std::time::Duration;

use chassis::rpc::{Allow, Services};
use chassis::telemetry::{Config, Format, Telemetry};
use chassis::{Clock, Host, Tasks, rpc, telemetry};
use http::{HeaderMap, HeaderValue};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Hands on what it is sent: a collector, and also the service that is called.
#[derive(Clone)]
struct Receiver(mpsc::UnboundedSender<(String, Span)>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let service = resource
                .resource
                .iter()
                .flat_map(|resource| &resource.attributes)
                .find(|attribute| attribute.key == "service.name")
                .map(|attribute| format!("{:?}", attribute.value))
                .unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let _ = self.0.send((service.clone(), span));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector; its address and the spans that reach it.
async fn collector(tasks: &Tasks) -> (String, mpsc::UnboundedReceiver<(String, Span)>) {
    let (found, spans) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address");
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Receiver(found)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tasks.spawn("collector", server);
    (format!("http://{address}"), spans)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// What a gateway does with a request: a span that continues the caller's trace, and a call.
async fn forward(gateway: &Host, key_manager: &str, headers: &HeaderMap) {
    let span = tracing::info_span!("request", otel.name = "GET /orders", otel.kind = "server");
    telemetry::extract(headers).adopt(&span);
    let channel = rpc::channel(&gateway.tls, key_manager, "key-manager").expect("channel");
    let call = async move {
        assert!(telemetry::traceparent().is_some_and(|value| value.contains(TRACE)));
        let request = rpc::traced(Request::new(ExportTraceServiceRequest::default()));
        TraceServiceClient::new(channel).export(request).await.expect("called");
    };
    call.instrument(span).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_runs_from_the_caller_through_two_services_to_the_collector() {
    let folder = tempfile::tempdir().expect("folder");
    let key_manager = Host::development("key-manager", folder.path()).expect("host");
    let gateway = Host::development("gateway", folder.path()).expect("host");
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_str(&traceparent).expect("value"));

    // While nothing is exported, nothing is read and nothing is written.
    assert!(!telemetry::enabled());
    let mut untouched = HeaderMap::new();
    telemetry::inject(&mut untouched);
    assert!(untouched.is_empty() && telemetry::traceparent().is_none());

    let (otlp, mut spans) = collector(&gateway.tasks).await;
    let config = Config {
        log: "error".to_owned(),
        format: Format::Text,
        otlp,
        sample: 1.0,
        metrics_every: Duration::ZERO,
    };
    let exporter = Telemetry::install(&config, "gateway", "test").expect("installed");
    assert!(telemetry::enabled());

    let (nobody, _) = mpsc::unbounded_channel();
    let services = Services::new(&[])
        .add(Allow::only(&["gateway"]), TraceServiceServer::new(Receiver(nobody)));
    let listen = rpc::Config { listen: ([127, 0, 0, 1], 0).into(), connections: 8 };
    let address = rpc::serve(&key_manager, &listen, services).await.expect("served");
    forward(&gateway, &format!("https://{address}"), &headers).await;
    tokio::task::spawn_blocking(|| exporter.finish()).await.expect("flushed");

    let mut found = Vec::new();
    while found.len() < 2 {
        let span = Clock::system().timeout(Duration::from_secs(20), spans.recv()).await;
        found.push(span.expect("a span in time").expect("a span"));
    }
    let span = |name: &str| {
        let named = found.iter().find(|(_, span)| span.name == name);
        named.unwrap_or_else(|| panic!("no `{name}` in {found:#?}"))
    };
    let (service, request) = span("GET /orders");
    let (_, called) = span("opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert!(service.contains("gateway"), "{service}");
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), CALLER, "the parent from the header is kept");
    assert_eq!(hex(&called.trace_id), TRACE);
    assert_eq!(called.parent_span_id, request.span_id, "the call continues the request");
    assert_eq!(called.kind, SpanKind::Server as i32);
    assert!(!telemetry::enabled(), "after the end nothing is traced");
}
