//! Who gets through a gRPC port, and what the others cannot do to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Allow, Config, Services, channel, peer, serve};
use crate::clock::Clock;
use crate::host::Host;
use crate::pki::{Identity, development};

/// Answers every call with the name of its caller, in the metadata, once it may.
#[derive(Clone)]
struct Named {
    begun: Arc<Notify>,
    released: Arc<Semaphore>,
}

#[tonic::async_trait]
impl TraceService for Named {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.begun.notify_one();
        let _released = self.released.acquire().await;
        let caller = peer(&request).ok_or_else(|| Status::internal("no peer"))?;
        let mut response = Response::new(ExportTraceServiceResponse::default());
        let name = caller.name.parse().map_err(|_| Status::internal("no name"))?;
        response.metadata_mut().insert("caller", name);
        Ok(response)
    }
}

struct Stack {
    folder: tempfile::TempDir,
    host: Host,
    address: SocketAddr,
    service: Named,
}

impl Stack {
    /// A key manager whose service answers gateways.
    async fn new(connections: usize) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let service = Named { begun: Arc::default(), released: Arc::new(Semaphore::new(1)) };
        let host = Host::development("key-manager", folder.path()).expect("host");
        let services = Services::new(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .add(Allow::only(&["gateway"]), TraceServiceServer::new(service.clone()));
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), connections };
        let address = serve(&host, &config, services).await.expect("served");
        Self { folder, host, address, service }
    }

    fn pki(&self) -> std::path::PathBuf {
        self.folder.path().join("pki")
    }

    fn identity(&self, name: &str) -> Identity {
        identity(&self.pki(), name)
    }

    /// The name that the service sees, or the status.
    async fn call(&self, identity: &Identity, expected: &str) -> Result<String, Status> {
        let url = format!("https://localhost:{}", self.address.port());
        let channel = channel(identity, &url, expected).expect("channel");
        let mut client = TraceServiceClient::new(channel);
        let answer = client.export(ExportTraceServiceRequest::default()).await?;
        let name = answer.metadata().get("caller").and_then(|name| name.to_str().ok());
        Ok(name.unwrap_or_default().to_owned())
    }
}

fn identity(directory: &Path, name: &str) -> Identity {
    development(directory, &[name]).expect("development");
    Identity::named(directory, name).expect("identity")
}

fn check(outcome: &Result<String, Status>, expected: Result<&str, Code>) {
    let outcome = outcome.as_ref().map(String::as_str).map_err(Status::code);
    assert_eq!(outcome, expected);
}

#[tokio::test]
async fn a_service_learns_who_calls_from_the_certificate() {
    let stack = Stack::new(8).await;
    check(&stack.call(&stack.identity("gateway"), "key-manager").await, Ok("gateway"));
}

#[tokio::test]
async fn who_is_not_in_the_table_of_callers_is_refused() {
    let stack = Stack::new(8).await;
    let admin = stack.identity("admin");
    check(&stack.call(&admin, "key-manager").await, Err(Code::PermissionDenied));
    let text = stack.host.metrics.render().expect("metrics");
    let refused = "turnpike_rpc_refused_total{service=\"opentelemetry.proto.collector.trace.v1.TraceService\"} 1";
    assert!(text.contains(refused), "{text}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_gets_no_connection() {
    let stack = Stack::new(8).await;
    let elsewhere = tempfile::tempdir().expect("folder");
    let stranger = identity(elsewhere.path(), "gateway");
    check(&stack.call(&stranger, "key-manager").await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_server_that_is_another_service_gets_no_call() {
    let stack = Stack::new(8).await;
    let gateway = stack.identity("gateway");
    check(&stack.call(&gateway, "control-plane").await, Err(Code::Unavailable));
}

#[tokio::test]
async fn garbage_closes_its_own_connection_and_no_other() {
    let stack = Stack::new(64).await;
    let gateway = stack.identity("gateway");
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 4096],
        &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01],
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(stack.address).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        stream.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        // Closed with an alert, or reset; in any case closed.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.len() < 64, "{answer:?}");
        check(&stack.call(&gateway, "key-manager").await, Ok("gateway"));
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_room() {
    let stack = Stack::new(1).await;
    let silent = TcpStream::connect(stack.address).await.expect("connected");
    let gateway = stack.identity("gateway");
    let mut call = Box::pin(stack.call(&gateway, "key-manager"));
    let clock = Clock::system();
    assert!(clock.timeout(Duration::from_millis(200), call.as_mut()).await.is_err());
    drop(silent);
    check(&call.await, Ok("gateway"));
}

#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_port_closes() {
    let stack = Stack::new(8).await;
    let gateway = stack.identity("gateway");
    stack.service.released.forget_permits(1);
    let in_flight = async {
        stack.service.begun.notified().await;
        stack.host.shutdown.request();
        stack.service.released.add_permits(1);
    };
    let (answered, ()) = tokio::join!(stack.call(&gateway, "key-manager"), in_flight);
    check(&answered, Ok("gateway"));
    let drained =
        stack.host.clock.timeout(Duration::from_secs(5), stack.host.tasks.finished()).await;
    assert!(drained.is_ok(), "{} tasks still run", stack.host.tasks.running());
    check(&stack.call(&gateway, "key-manager").await, Err(Code::Unavailable));
}

#[tokio::test]
async fn health_follows_readiness_and_its_watches_end_with_the_drain() {
    use tonic_health::ServingStatus::{NotServing, Serving};
    let stack = Stack::new(8).await;
    let store = stack.host.ready.condition("store");
    let url = format!("https://127.0.0.1:{}", stack.address.port());
    let channel = channel(&stack.identity("admin"), &url, "key-manager").expect("channel");
    let mut client = HealthClient::new(channel);
    let asked = HealthCheckRequest { service: String::new() };
    let mut watch = client.watch(asked).await.expect("watch").into_inner();
    let mut seen = Vec::new();
    while let Some(state) = watch.message().await.expect("state") {
        seen.push(state.status);
        match seen.len() {
            // The first answer may be from before the condition was named.
            _ if state.status == NotServing as i32 && !stack.host.shutdown.requested() => {
                store.green();
            }
            _ if state.status == Serving as i32 && stack.host.ready.is_ready() => {
                stack.host.shutdown.request();
            }
            _ => {}
        }
    }
    assert!(seen.contains(&(Serving as i32)), "{seen:?}");
    let drained =
        Clock::system().timeout(Duration::from_secs(5), stack.host.tasks.finished()).await;
    assert!(drained.is_ok());
}

#[tokio::test]
async fn reflection_lists_what_the_port_offers() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let stack = Stack::new(8).await;
    let url = format!("https://127.0.0.1:{}", stack.address.port());
    let channel = channel(&stack.identity("admin"), &url, "key-manager").expect("channel");
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(requests)
        .await
        .expect("answered")
        .into_inner();
    let answer = answers.message().await.expect("answer").and_then(|a| a.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("no list: {answer:?}")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_channel_finds_a_server_that_has_come_back() {
    let stack = Stack::new(8).await;
    let gateway = stack.identity("gateway");
    let url = format!("https://127.0.0.1:{}", stack.address.port());
    let channel = channel(&gateway, &url, "key-manager").expect("channel");
    let mut client = TraceServiceClient::new(channel);
    client.export(ExportTraceServiceRequest::default()).await.expect("first");
    stack.host.shutdown.request();
    stack.host.tasks.finished().await;
    assert!(client.export(ExportTraceServiceRequest::default()).await.is_err());

    let again = Host::development("key-manager", stack.folder.path()).expect("host");
    let services = Services::new(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .add(Allow::only(&["gateway"]), TraceServiceServer::new(stack.service.clone()));
    let config = Config { listen: stack.address, connections: 8 };
    serve(&again, &config, services).await.expect("served again");
    let deadline = Clock::system().instant() + Duration::from_secs(10);
    while let Err(status) = client.export(ExportTraceServiceRequest::default()).await {
        assert!(Clock::system().instant() < deadline, "{status}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_called_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let gateway = identity(folder.path(), "gateway");
    for address in ["http://127.0.0.1:1", "127.0.0.1:1", "https://localhost", "", "https://:1"] {
        assert!(channel(&gateway, address, "key-manager").is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_by_its_key() {
    let stack = Stack::new(8).await;
    let config = Config { listen: stack.address, connections: 8 };
    let services = Services::new(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let error = serve(&stack.host, &config, services).await.expect_err("refused");
    assert!(error.to_string().ends_with("(rpc.listen)"), "{error}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_is_cut() {
    let folder = tempfile::tempdir().expect("folder");
    let (clock, hands) = Clock::manual(Clock::system().now());
    let tls = identity(folder.path(), "key-manager");
    let host = Host::new("key-manager", "test", folder.path(), clock, tls);
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), connections: 8 };
    let services = Services::new(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let address = serve(&host, &config, services).await.expect("served");
    let mut silent = TcpStream::connect(address).await.expect("connected");
    let mut byte = [0];
    let mut closed = Box::pin(silent.read(&mut byte));
    // The time of the server only moves when its hands are moved.
    for _ in 0..100 {
        hands.advance(Duration::from_secs(6));
        let wait = Clock::system();
        if let Ok(read) = wait.timeout(Duration::from_millis(100), closed.as_mut()).await {
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
            return;
        }
    }
    panic!("the connection stays open");
}
