//! Does a revocation reach what is open, through all the real programs, and how soon?

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harness::Stack;
use harness::resources::application;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use turnpike_proto::identity::v1::RevokeRequest;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What;

use crate::streams::{backend, head, soon};

/// How many sockets are ended, each by the end of its own token.
const SOCKETS: usize = 20;

fn resources(backend: SocketAddr) -> String {
    let api = |name: &str, kind: &str| {
        format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \"1.0.0\" }}\n\
             spec:\n  context: /{name}\n  lifecycle: PUBLISHED\n  type: {kind}\n  \
             endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n\
             ---\napiVersion: turnpike/v1\nkind: Subscription\nmetadata: {{ name: shop-{name} }}\n\
             spec: {{ application: shop, api: \"{name}:1.0.0\" }}\n"
        )
    };
    api("sockets", "WS") + &api("events", "SSE") + &application("shop", &[])
}

/// A connection on which the gateway has begun to answer, and with which status.
async fn ask(stack: &Stack, path: &str, token: &str, fields: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(stack.gateway()).await.expect("a gateway");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {token}\r\n{fields}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a gateway");
    let head = soon(head(&mut stream)).await.expect("a whole head");
    (stream, head.split(' ').nth(1).unwrap_or_default().to_owned())
}

async fn open(stack: &Stack, path: &str, token: &str, fields: &str, expected: &str) -> TcpStream {
    let (stream, status) = ask(stack, path, token, fields).await;
    assert_eq!(status, expected, "{path}");
    stream
}

/// Waits until the gateway knows that calls with this token may be made.
async fn lets_in(stack: &Stack, token: &str) {
    harness::eventually("the gateway lets the caller in", Duration::from_secs(5), async || {
        (ask(stack, "/events/1.0.0/x", token, "").await.1 == "200").then_some(())
    })
    .await;
}

async fn open_socket(stack: &Stack, token: &str) -> TcpStream {
    let asks = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    open(stack, "/sockets/1.0.0/x", token, asks, "101").await
}

async fn revoke(key_manager: &Channel, token: &str) {
    let request = RevokeRequest { what: Some(What::Token(token.to_owned())) };
    let answer = RevocationsClient::new(key_manager.clone()).revoke(request).await;
    assert!(answer.expect("revoked").into_inner().sequence > 0);
}

/// A close frame of this code.
async fn closes(socket: &mut TcpStream, code: u16) {
    let mut frame = [0; 4];
    soon(socket.read_exact(&mut frame)).await.expect("a close frame");
    assert_eq!((frame[0], &frame[2..]), (0x88, &code.to_be_bytes()[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_ends_when_its_token_is_revoked_or_its_subscription_blocked() {
    let stack = Stack::start_uncounted(&[]).await;
    stack.apply(&resources(backend().await)).await;
    stack.generate_keys("shop").await;
    let first = stack.token("shop").await;
    lets_in(&stack, &first).await;

    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let token = stack.token("shop").await;
        sockets.push((open_socket(&stack, &token).await, token));
    }
    let key_manager = stack.channel("admin", "key-manager");
    let mut took = Vec::new();
    for (socket, token) in &mut sockets {
        let start = Instant::now();
        let end = async {
            closes(socket, 1008).await;
            start.elapsed()
        };
        let ((), end) = tokio::join!(revoke(&key_manager, token), end);
        took.push(end);
    }
    took.sort();
    let (half, most) = (took[SOCKETS / 2], took[SOCKETS - 1]);
    println!("from Revoke to the close frame, {SOCKETS} sockets: p50 {half:?}, longest {most:?}");
    // A key manager and a gateway that were looked at every second would need half of one.
    assert!(half < Duration::from_millis(200), "{took:?}");

    let token = stack.token("shop").await;
    let mut events = open(&stack, "/events/1.0.0/x", &token, "", "200").await;
    let start = Instant::now();
    revoke(&key_manager, &token).await;
    let mut rest = Vec::new();
    let _ = soon(events.read_to_end(&mut rest)).await;
    println!("from Revoke to the end of the events: {:?}", start.elapsed());
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("data: 1\n\n"), "{rest:?}");
    assert!(!rest.ends_with("0\r\n\r\n"), "nobody takes it for whole: {rest:?}");

    // What administrators block ends what is open, and lifting it lets in again.
    let mut socket = open_socket(&stack, &first).await;
    stack.turnpike(&["block", "shop-sockets", "--wait", "all"]).await;
    closes(&mut socket, 1008).await;
    stack.turnpike(&["unblock", "shop-sockets", "--wait", "all"]).await;
    let mut socket = open_socket(&stack, &first).await;
    let blocked = ["block", "--ip", "127.0.0.0/8", "--for", "1h", "--reason", "test"];
    let said = stack.try_turnpike(&blocked).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("turnpike delete DenyPolicy block-ip-127.0.0.0-8-"), "{said}");
    closes(&mut socket, 1008).await;
    let answer = stack.client().with_token(&first).get("/events/1.0.0/x").await;
    assert_eq!(answer.verdict(), "403 900805");
    stack.turnpike(&["unblock", "--ip", "127.0.0.0/8"]).await;
    lets_in(&stack, &first).await;
}
