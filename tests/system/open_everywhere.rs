//! Does everything that is open end at every gateway when its caller may not call any more?
//!
//! A WebSocket, a stream of events, a gRPC call that streams and a long answer, each at three gateways,
//! under each way to end a caller.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fleet::{BOUND, Call, End, Fleet, GATEWAYS, HOME};
use crate::streams::{backend, head, soon};

const APIS: [(&str, &str); 4] =
    [("sockets", "WS"), ("events", "SSE"), ("grpc", "GRPC"), ("long", "HTTP")];
const NAMES: [&str; 4] = ["sockets", "events", "grpc", "long"];

fn resources(backend: SocketAddr) -> String {
    let api = |(name, kind): (&str, &str)| {
        format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \"1.0.0\" }}\n\
             spec:\n  context: /{name}\n  lifecycle: PUBLISHED\n  type: {kind}\n  \
             endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n"
        )
    };
    APIS.map(api).concat()
}

/// What is open at one gateway.
enum Open {
    Socket(TcpStream),
    /// Over HTTP/1.1, of which the first event has come.
    Answer(&'static str, TcpStream),
    /// Of which the first message has come.
    Grpc(http::Response<Incoming>),
}

impl Open {
    /// One that has begun, of the API `name`.
    async fn begin(gateway: SocketAddr, name: &'static str, call: &Call) -> Self {
        if name == "grpc" {
            return Self::Grpc(grpc(gateway, call).await);
        }
        let mut stream = TcpStream::connect(gateway).await.expect("a gateway");
        let asks = if name == "sockets" {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET /{name}/1.0.0/x HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {}\r\n\
             X-Forwarded-For: {}\r\n{asks}\r\n",
            call.token, call.from
        );
        stream.write_all(request.as_bytes()).await.expect("a gateway");
        let head = soon(head(&mut stream)).await.expect("a head");
        if name == "sockets" {
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            return Self::Socket(stream);
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut event = Vec::new();
        while !event.ends_with(b"data: 1\n\n") {
            event.push(soon(stream.read_u8()).await.expect("an event"));
        }
        Self::Answer(name, stream)
    }

    /// Waits until it is ended, as its kind is.
    async fn ends(self) -> (&'static str, Instant) {
        match self {
            Self::Socket(mut stream) => {
                let mut frame = [0; 4];
                soon(stream.read_exact(&mut frame)).await.expect("a close frame");
                assert_eq!((frame[0], &frame[2..]), (0x88, &1008_u16.to_be_bytes()[..]));
                ("sockets", Instant::now())
            }
            Self::Answer(name, mut stream) => {
                let mut rest = Vec::new();
                let _ = soon(stream.read_to_end(&mut rest)).await;
                assert!(!rest.ends_with(b"0\r\n\r\n"), "nobody takes it for whole: {rest:?}");
                (name, Instant::now())
            }
            Self::Grpc(mut answer) => {
                let trailers = loop {
                    let frame = soon(answer.body_mut().frame()).await;
                    let frame = frame.expect("trailers").expect("no reset");
                    if let Ok(trailers) = frame.into_trailers() {
                        break trailers;
                    }
                };
                let status = trailers.get("grpc-status").expect("a status");
                assert!(["16", "7"].contains(&status.to_str().expect("a number")), "{status:?}");
                ("grpc", Instant::now())
            }
        }
    }
}

async fn grpc(gateway: SocketAddr, call: &Call) -> http::Response<Incoming> {
    let stream = TcpStream::connect(gateway).await.expect("a gateway");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post("http://api.example/grpc/1.0.0/x")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", call.token))
        .header("x-forwarded-for", &call.from)
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let mut answer = soon(sender.send_request(request)).await.expect("an answer");
    assert!(answer.headers().get("grpc-status").is_none(), "{answer:?}");
    let message = soon(answer.body_mut().frame()).await.expect("a message").expect("a message");
    assert_eq!(message.into_data().expect("a message"), [0; 5][..]);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_open_ends_at_every_gateway_however_its_caller_is_ended() {
    let mut fleet = Fleet::start(GATEWAYS, &resources(backend().await)).await;
    let (shop, other) = (fleet.app("shop", &NAMES).await, fleet.app("other", &NAMES).await);
    fleet.publish().await;
    let ann = fleet.person("ann").await;
    let text = |text: &str| vec![text.to_owned()];
    let ends: [(&str, Vec<End>); 10] = [
        ("token", vec![]),
        ("client", vec![End::Client(shop.client.clone())]),
        ("user", vec![End::User(ann.clone())]),
        ("application", vec![End::Application(shop.name.clone())]),
        (
            "by-api",
            vec![End::deny(|spec| spec.apis = NAMES.map(|name| format!("{name}:*")).to_vec())],
        ),
        ("by-application", vec![End::deny(|spec| spec.applications = text("shop"))]),
        ("by-user", vec![End::deny(|spec| spec.users = text(&ann))]),
        ("by-address", vec![End::deny(|spec| spec.addresses = text("192.0.2.7"))]),
        ("by-range", vec![End::deny(|spec| spec.addresses = text("192.0.2.1-192.0.2.9"))]),
        (
            "subscription",
            NAMES
                .map(|api| End::Subscription {
                    application: shop.name.clone(),
                    api: api.to_owned(),
                })
                .to_vec(),
        ),
    ];
    // Somebody else is in the middle of something at each gateway, and stays there.
    let theirs = Call::new("/events/1.0.0/x", &fleet.token(&other, None).await).from(HOME);
    for (kind, mut ends) in ends {
        let token = fleet.token(&shop, Some("ann")).await;
        if kind == "token" {
            ends.push(End::Token(token.clone()));
        }
        let call = Call::new("/events/1.0.0/x", &token).from("192.0.2.7");
        let (mut open, mut others) = (Vec::new(), Vec::new());
        for gateway in &fleet.gateways {
            lets_in(gateway.http(), &call).await;
            for name in NAMES {
                open.push(Open::begin(gateway.http(), name, &call).await);
            }
            lets_in(gateway.http(), &theirs).await;
            others.push(Open::begin(gateway.http(), "sockets", &theirs).await);
        }
        let waits: Vec<_> = open.into_iter().map(|open| tokio::spawn(open.ends())).collect();
        let begun = Instant::now();
        for (number, end) in ends.iter().enumerate() {
            fleet.end(&format!("{kind}-{number}"), end).await;
        }
        let answered = Instant::now();
        let mut longest = NAMES.map(|name| (name, Duration::ZERO));
        for wait in waits {
            let (name, at) = wait.await.expect("an end");
            assert!(at > begun, "{kind}: {name} ended before it was to");
            let (_, longest) = longest.iter_mut().find(|(known, _)| *known == name).expect("one");
            *longest = (*longest).max(at.saturating_duration_since(answered));
        }
        println!("{kind}: longest from the answer to the end: {longest:?}");
        assert!(longest.iter().all(|(_, took)| *took < BOUND), "{kind}: {longest:?}");
        for open in others {
            // An API that is blocked is blocked for everybody.
            if kind == "by-api" {
                open.ends().await;
                continue;
            }
            let Open::Socket(mut stream) = open else { panic!("a WebSocket") };
            let quiet = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
            assert!(quiet.is_err(), "{kind} ended what others have open: {quiet:?}");
        }
        for (number, end) in ends.iter().enumerate() {
            fleet.lift(&format!("{kind}-{number}"), end).await;
        }
    }
}

/// Waits until the gateway knows that this caller may call.
async fn lets_in(gateway: SocketAddr, call: &Call) {
    harness::eventually("the caller is let in", 2 * BOUND, async || {
        let mut stream = TcpStream::connect(gateway).await.ok()?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {}\r\nX-Forwarded-For: \
             {}\r\n\r\n",
            call.target, call.token, call.from
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        head(&mut stream).await?.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}
