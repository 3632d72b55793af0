//! Does gRPC pass as it should? The standard interoperability cases, and what a gateway adds.
//!
//! Messages are those of `grpc.testing.TestService`, as far as the cases need them.

use std::convert::Infallible;
use std::future::Ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{Ascii, Binary, MetadataMap, MetadataValue};
use tonic::server::{
    ClientStreamingService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::stand::{LIMIT, Stand};

const SERVICE: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: test, version: "1.0" }
spec:
  context: /grpc.testing.TestService
  defaultVersion: true
  lifecycle: PUBLISHED
  type: GRPC
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://GRPC/grpc.testing.TestService"], timeout: 0.5s } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: closed, version: "1.0" }
spec:
  context: /grpc.testing.Closed
  defaultVersion: true
  lifecycle: PUBLISHED
  type: GRPC
  endpoints: { production: { urls: ["http://GRPC/grpc.testing.TestService"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: gone, version: "1.0" }
spec:
  context: /grpc.testing.Gone
  defaultVersion: true
  lifecycle: PUBLISHED
  type: GRPC
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://127.0.0.1:1"] } }
"#;

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EchoStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Simple {
    #[prost(int32, tag = "2")]
    response_size: i32,
    #[prost(message, optional, tag = "3")]
    payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct Carried {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Message)]
struct Sum {
    #[prost(int32, tag = "1")]
    size: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Wanted {
    #[prost(int32, tag = "1")]
    size: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Output {
    #[prost(message, repeated, tag = "2")]
    wanted: Vec<Wanted>,
    #[prost(message, optional, tag = "3")]
    payload: Option<Payload>,
    #[prost(message, optional, tag = "7")]
    response_status: Option<EchoStatus>,
}

fn payload(size: i32) -> Payload {
    Payload { body: vec![0; usize::try_from(size).unwrap()] }
}

fn size(carried: &Carried) -> usize {
    carried.payload.as_ref().map_or(0, |payload| payload.body.len())
}

fn asked(status: Option<EchoStatus>) -> Result<(), Status> {
    status.map_or(Ok(()), |status| Err(Status::new(Code::from(status.code), status.message)))
}

type Later<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;
type Many = Pin<Box<dyn Stream<Item = Result<Carried, Status>> + Send>>;

/// The server's end of every method.
#[derive(Clone, Copy)]
struct Server;

/// Gives back what a client of the custom metadata case sends.
fn echoed<T>(metadata: &MetadataMap, message: T) -> Response<T> {
    let mut response = Response::new(message);
    let named =
        [("x-grpc-test-echo-initial", "x-grpc-test-echo-initial"), ("grpc-timeout", "x-timeout")];
    for (told, back) in named {
        if let Some(value) = metadata.get(told) {
            response.metadata_mut().insert(back, value.clone());
        }
    }
    response
}

impl UnaryService<Empty> for Server {
    type Response = Empty;
    type Future = Ready<Result<Response<Empty>, Status>>;

    fn call(&mut self, request: Request<Empty>) -> Self::Future {
        std::future::ready(Ok(echoed(request.metadata(), Empty {})))
    }
}

impl UnaryService<Simple> for Server {
    type Response = Carried;
    type Future = Ready<Result<Response<Carried>, Status>>;

    fn call(&mut self, request: Request<Simple>) -> Self::Future {
        let (metadata, _, simple) = request.into_parts();
        let answer = Carried { payload: Some(payload(simple.response_size)) };
        std::future::ready(asked(simple.response_status).map(|()| echoed(&metadata, answer)))
    }
}

impl ClientStreamingService<Carried> for Server {
    type Response = Sum;
    type Future = Later<Sum>;

    fn call(&mut self, request: Request<Streaming<Carried>>) -> Self::Future {
        Box::pin(async move {
            let (mut sum, mut parts) = (0, request.into_inner());
            while let Some(part) = parts.message().await? {
                sum += i32::try_from(size(&part)).unwrap();
            }
            Ok(Response::new(Sum { size: sum }))
        })
    }
}

impl ServerStreamingService<Output> for Server {
    type Response = Carried;
    type ResponseStream = Many;
    type Future = Ready<Result<Response<Many>, Status>>;

    fn call(&mut self, request: Request<Output>) -> Self::Future {
        let wanted = request.into_inner().wanted.into_iter();
        let parts = wanted.map(|wanted| Ok(Carried { payload: Some(payload(wanted.size)) }));
        std::future::ready(Ok(Response::new(Box::pin(stream::iter(parts.collect::<Vec<_>>())))))
    }
}

impl StreamingService<Output> for Server {
    type Response = Carried;
    type ResponseStream = Many;
    type Future = Ready<Result<Response<Many>, Status>>;

    fn call(&mut self, request: Request<Streaming<Output>>) -> Self::Future {
        let (metadata, _, asking) = request.into_parts();
        let parts = asking.map(|output| {
            let output = output?;
            asked(output.response_status)?;
            Ok(Carried {
                payload: Some(payload(output.wanted.iter().map(|wanted| wanted.size).sum())),
            })
        });
        // The trailing metadata of the case comes as that of a status.
        let trailing = metadata.get_bin("x-grpc-test-echo-trailing-bin").cloned();
        let last = stream::iter(trailing.map(|value| {
            let mut status = Status::aborted("trailing");
            status.metadata_mut().insert_bin("x-grpc-test-echo-trailing-bin", value);
            Err(status)
        }));
        let parts: Many = Box::pin(parts.chain(last));
        std::future::ready(Ok(echoed(&metadata, parts)))
    }
}

impl tonic::server::NamedService for Server {
    const NAME: &'static str = "grpc.testing.TestService";
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Server {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "EmptyCall" => {
                    let mut grpc = tonic::server::Grpc::new(ProstCodec::<Empty, Empty>::default());
                    grpc.unary(Self, request).await
                }
                "UnaryCall" => {
                    let mut grpc =
                        tonic::server::Grpc::new(ProstCodec::<Carried, Simple>::default());
                    grpc.unary(Self, request).await
                }
                "StreamingInputCall" => {
                    let mut grpc = tonic::server::Grpc::new(ProstCodec::<Sum, Carried>::default());
                    grpc.client_streaming(Self, request).await
                }
                "StreamingOutputCall" => {
                    let mut grpc =
                        tonic::server::Grpc::new(ProstCodec::<Carried, Output>::default());
                    grpc.server_streaming(Self, request).await
                }
                "FullDuplexCall" => {
                    let mut grpc =
                        tonic::server::Grpc::new(ProstCodec::<Carried, Output>::default());
                    grpc.streaming(Self, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// A client of the service behind the gateway.
struct Peer {
    stand: Stand,
    address: std::net::SocketAddr,
    grpc: tonic::client::Grpc<Channel>,
}

fn method(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

impl Peer {
    async fn start() -> Self {
        Self::of(SERVICE).await
    }

    async fn of(resources: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tonic::transport::Server::builder()
            .add_service(Server)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let stand = Stand::start(&resources.replace("GRPC/", &format!("{address}/"))).await;
        stand.host.tasks.spawn("backend", serving);
        let gateway = format!("http://{}", stand.serving.http()[0]);
        let channel = Channel::from_shared(gateway).unwrap().connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        Self { stand, address, grpc }
    }

    async fn unary<A, B>(
        &mut self,
        path: &'static str,
        ask: Request<A>,
    ) -> Result<Response<B>, Status>
    where
        A: Message + Default + 'static,
        B: Message + Default + 'static,
    {
        self.grpc.ready().await.unwrap();
        let call = self.grpc.unary(ask, method(path), ProstCodec::default());
        tokio::time::timeout(LIMIT, call).await.expect("an answer in time")
    }

    async fn duplex(
        &mut self,
        ask: Request<UnboundedReceiverStream<Output>>,
    ) -> Result<Response<Streaming<Carried>>, Status> {
        self.grpc.ready().await.unwrap();
        let path = method("/grpc.testing.TestService/FullDuplexCall");
        self.grpc.streaming(ask, path, ProstCodec::<Output, Carried>::default()).await
    }
}

const EMPTY: &str = "/grpc.testing.TestService/EmptyCall";
const UNARY: &str = "/grpc.testing.TestService/UnaryCall";

fn output(size: i32) -> Output {
    Output { wanted: vec![Wanted { size }], payload: Some(payload(8)), response_status: None }
}

/// Calls `path` with nothing and compares how that ends.
async fn check(path: &'static str, expected: Code) {
    let mut peer = Peer::start().await;
    let answer: Result<Response<Empty>, Status> = peer.unary(path, Request::new(Empty {})).await;
    let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
    assert_eq!(code, expected, "{path}");
}

#[tokio::test]
async fn an_empty_call_is_answered() {
    check(EMPTY, Code::Ok).await;
}

#[tokio::test]
async fn a_large_call_is_answered_whole() {
    let mut peer = Peer::start().await;
    let ask =
        Simple { response_size: 314_159, payload: Some(payload(271_828)), response_status: None };
    let answer: Response<Carried> = peer.unary(UNARY, Request::new(ask)).await.unwrap();
    assert_eq!(size(answer.get_ref()), 314_159);
}

#[tokio::test]
async fn a_client_streams() {
    let mut peer = Peer::start().await;
    let sizes = [27182, 8, 1828, 45904];
    let parts = sizes.map(|size| Carried { payload: Some(payload(size)) });
    let path = method("/grpc.testing.TestService/StreamingInputCall");
    let codec = ProstCodec::<Carried, Sum>::default();
    let sum = peer.grpc.client_streaming(Request::new(stream::iter(parts)), path, codec);
    assert_eq!(sum.await.unwrap().get_ref().size, 74_922);
}

#[tokio::test]
async fn a_server_streams() {
    let mut peer = Peer::start().await;
    let wanted = [31415, 9, 2653, 58979].map(|size| Wanted { size }).to_vec();
    let ask = Output { wanted, payload: None, response_status: None };
    let path = method("/grpc.testing.TestService/StreamingOutputCall");
    let codec = ProstCodec::<Output, Carried>::default();
    let parts = peer.grpc.server_streaming(Request::new(ask), path, codec).await.unwrap();
    let sizes: Vec<usize> = parts.into_inner().map(|part| size(&part.unwrap())).collect().await;
    assert_eq!(sizes, [31415, 9, 2653, 58979]);
}

#[tokio::test]
async fn both_take_turns() {
    let mut peer = Peer::start().await;
    let (asks, asking) = mpsc::unbounded_channel();
    asks.send(output(31415)).unwrap();
    let answers = peer.duplex(Request::new(UnboundedReceiverStream::new(asking))).await;
    let mut answers = answers.unwrap().into_inner();
    for next in [9, 2653, 58979, 0] {
        assert!(size(&answers.message().await.unwrap().unwrap()) > 0);
        if next > 0 {
            asks.send(output(next)).unwrap();
        }
    }
    drop(asks);
    assert!(answers.message().await.unwrap().is_none());
}

const COUNTED: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Two }, spec: { quota: { events: 2, per: 3600s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: counted, version: "1.0" }
spec:
  context: /grpc.testing.TestService
  defaultVersion: true
  lifecycle: PUBLISHED
  type: GRPC
  tiers: [Two]
  endpoints: { production: { urls: ["http://GRPC/grpc.testing.TestService"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "counted:1.0", tier: Two } }
"#;

#[tokio::test]
async fn messages_of_a_server_count_and_a_status_ends_them() {
    let mut peer = Peer::of(COUNTED).await;
    let token = peer.stand.token("live", &serde_json::json!({}));
    let bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().unwrap();
    let mut parts = Vec::new();
    for _ in 0..2 {
        let wanted = [31415, 0, 2653].map(|size| Wanted { size }).to_vec();
        let mut ask = Request::new(Output { wanted, payload: None, response_status: None });
        ask.metadata_mut().insert("authorization", bearer.clone());
        peer.grpc.ready().await.unwrap();
        let path = method("/grpc.testing.TestService/StreamingOutputCall");
        let codec = ProstCodec::<Output, Carried>::default();
        match peer.grpc.server_streaming(ask, path, codec).await {
            Ok(answer) => {
                let all = answer.into_inner().map(|part| part.map(|part| size(&part)));
                parts.extend(all.collect::<Vec<_>>().await);
            }
            Err(status) => parts.push(Err(status)),
        }
    }
    let [Ok(31415), Ok(0), Err(within), Err(at_once)] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert_eq!((within.code(), at_once.code()), (Code::ResourceExhausted, Code::ResourceExhausted));
}

#[tokio::test]
async fn an_empty_stream_ends_well() {
    let mut peer = Peer::start().await;
    let (_, asking) = mpsc::unbounded_channel();
    let answers = peer.duplex(Request::new(UnboundedReceiverStream::new(asking))).await;
    assert!(answers.unwrap().into_inner().message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_status_and_its_message_pass() {
    let mut peer = Peer::start().await;
    // The second is the message of the special case: white space, and what is not ASCII.
    for message in
        ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"]
    {
        let told = EchoStatus { code: 2, message: message.to_owned() };
        let ask = Simple { response_status: Some(told.clone()), ..Simple::default() };
        let status = peer.unary::<_, Carried>(UNARY, Request::new(ask)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, message));
        let (asks, asking) = mpsc::unbounded_channel();
        asks.send(Output { response_status: Some(told), ..Output::default() }).unwrap();
        let answers = peer.duplex(Request::new(UnboundedReceiverStream::new(asking))).await;
        let status = answers.unwrap().into_inner().message().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, message));
    }
}

#[tokio::test]
async fn what_nobody_serves_is_unimplemented() {
    check("/grpc.testing.TestService/UnimplementedCall", Code::Unimplemented).await;
    check("/grpc.testing.UnimplementedService/UnimplementedCall", Code::Unimplemented).await;
}

#[tokio::test]
async fn custom_metadata_passes_both_ways() {
    let mut peer = Peer::start().await;
    let (asks, asking) = mpsc::unbounded_channel();
    let mut ask = Request::new(UnboundedReceiverStream::new(asking));
    let initial: MetadataValue<Ascii> = "test_initial_metadata_value".parse().unwrap();
    let trailing = MetadataValue::<Binary>::from_bytes(b"\xab\xab\xab");
    ask.metadata_mut().insert("x-grpc-test-echo-initial", initial.clone());
    ask.metadata_mut().insert_bin("x-grpc-test-echo-trailing-bin", trailing.clone());
    asks.send(output(3)).unwrap();
    drop(asks);
    let answers = peer.duplex(ask).await.unwrap();
    assert_eq!(answers.metadata().get("x-grpc-test-echo-initial"), Some(&initial));
    let mut answers = answers.into_inner();
    assert_eq!(size(&answers.message().await.unwrap().unwrap()), 3);
    let status = answers.message().await.unwrap_err();
    let told = status.metadata().get_bin("x-grpc-test-echo-trailing-bin");
    assert_eq!(told, Some(&trailing));
}

#[tokio::test]
async fn a_call_can_be_cancelled_before_and_after_its_first_answer() {
    let mut peer = Peer::start().await;
    for ended in [1, 2] {
        let (asks, asking) = mpsc::unbounded_channel();
        let answers = peer.duplex(Request::new(UnboundedReceiverStream::new(asking))).await;
        let mut answers = answers.unwrap().into_inner();
        if ended == 2 {
            asks.send(output(31415)).unwrap();
            assert_eq!(size(&answers.message().await.unwrap().unwrap()), 31415);
        }
        drop((answers, asks));
        peer.stand.until(r#"gateway_calls_total{class="2xx"}"#, ended).await;
    }
    let _: Response<Empty> = peer.unary(EMPTY, Request::new(Empty {})).await.unwrap();
    assert_eq!(peer.stand.number("gateway_backend_connections"), 1);
}

#[tokio::test]
async fn a_deadline_ends_a_call_to_a_server_that_sleeps() {
    let mut peer = Peer::start().await;
    let (_asks, asking) = mpsc::unbounded_channel();
    let mut ask = Request::new(UnboundedReceiverStream::new(asking));
    ask.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let mut answers = peer.duplex(ask).await.unwrap().into_inner();
    let status = tokio::time::timeout(LIMIT, answers.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_server_is_told_what_is_left_of_the_deadline() {
    let mut peer = Peer::start().await;
    let mut ask = Request::new(Simple::default());
    ask.metadata_mut().insert("grpc-timeout", "7S".parse().unwrap());
    let answer: Response<Carried> = peer.unary(UNARY, ask).await.unwrap();
    let told = answer.metadata().get("x-timeout").unwrap().to_str().unwrap();
    let left: u64 = told.strip_suffix('u').unwrap().parse().unwrap();
    assert!((1_000_000..=7_000_000).contains(&left), "{told}");
}

#[tokio::test]
async fn a_stream_may_rest_longer_than_the_timeout() {
    let mut peer = Peer::start().await;
    let (asks, asking) = mpsc::unbounded_channel();
    let answers = peer.duplex(Request::new(UnboundedReceiverStream::new(asking))).await;
    let mut answers = answers.unwrap().into_inner();
    for _ in 0..2 {
        peer.stand.host.clock.sleep(Duration::from_millis(700)).await;
        asks.send(output(1)).unwrap();
        assert_eq!(size(&answers.message().await.unwrap().unwrap()), 1);
    }
}

/// A stream of a caller who has a subscription ends with `expected` when `change` comes.
async fn check_ended(change: &str, expected: Code) {
    let resources = SERVICE.replacen("  security: { schemes: [none] }\n", "", 1)
        + "---\n{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }\n"
        + "---\n{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: 'test:1.0' } }\n";
    let mut peer = Peer::of(&resources).await;
    let (asks, asking) = mpsc::unbounded_channel();
    let mut ask = Request::new(UnboundedReceiverStream::new(asking));
    let token = format!("Bearer {}", peer.stand.token("live", &serde_json::json!({})));
    ask.metadata_mut().insert("authorization", token.parse().unwrap());
    let mut answers = peer.duplex(ask).await.unwrap().into_inner();
    asks.send(output(1)).unwrap();
    assert_eq!(size(&answers.message().await.unwrap().unwrap()), 1);
    let address = peer.address;
    let filled = resources.replace("GRPC/", &format!("{address}/"));
    peer.stand.publish(&format!("{filled}---\n{change}\n"));
    let end = tokio::time::timeout(LIMIT, answers.message()).await.expect("an end in time");
    let status = end.expect_err("nobody takes it for whole");
    assert_eq!(status.code(), expected, "{status:?}");
}

#[tokio::test]
async fn a_stream_that_may_not_go_on_ends_with_a_status() {
    let denied = "{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: d }, spec: { clients: [live] } }";
    check_ended(denied, Code::PermissionDenied).await;
    let blocked = "{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: 'test:1.0', state: BLOCKED } }";
    check_ended(blocked, Code::Unauthenticated).await;
}

#[tokio::test]
async fn faults_are_statuses() {
    check("/grpc.testing.Closed/EmptyCall", Code::Unauthenticated).await;
    check("/grpc.testing.Gone/EmptyCall", Code::Unavailable).await;
}
