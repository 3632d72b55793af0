//! Does what is open end when it would not be let in any more?

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

use crate::stand::{Client, ISSUER, Stand, request};
use crate::websocket::{ASKS, Sockets, ask, code, frame, soon};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1.0" }
spec:
  context: /ws
  lifecycle: PUBLISHED
  type: WS
  endpoints: { production: { urls: ["http://SOCKETS"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: streams, version: "1.0" }
spec:
  context: /streams
  lifecycle: PUBLISHED
  type: SSE
  endpoints: { production: { urls: ["http://STREAMS"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: w }, spec: { application: shop, api: "ws:1.0" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "streams:1.0" } }
"#;

/// Says an event and then nothing more; of `/held` not even a head. Told when a connection that was
/// answered or held is closed.
async fn streams() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (closes, closed) = mpsc::unbounded_channel();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(stream_events(stream, closes.clone()));
        }
    });
    (address, closed)
}

async fn stream_events(mut stream: TcpStream, closes: mpsc::UnboundedSender<()>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    if !head.starts_with(b"GET /held") {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let _ = stream.read_u8().await;
    let _ = closes.send(());
}

/// A WebSocket, a stream of events and a call that waits for its answer, all with one token.
struct Open {
    stand: Stand,
    resources: String,
    closed: mpsc::UnboundedReceiver<()>,
    socket: Client,
    events: Client,
    held: Client,
}

impl Open {
    async fn with(claims: &serde_json::Value) -> Self {
        let (sockets, (address, closed)) = (Sockets::start().await, streams().await);
        let resources = RESOURCES
            .replace("SOCKETS", &sockets.address.to_string())
            .replace("STREAMS", &address.to_string());
        let stand = Stand::start(&resources).await;
        let bearer = format!("authorization: Bearer {}\r\n", stand.token("live", claims));
        let (socket, answer) = ask(&stand, "/ws/1.0/echo", &format!("{ASKS}{bearer}")).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        let mut events = stand.client().await;
        events.say(&request("GET /streams/1.0/events", &bearer, "")).await;
        let mut heard = Vec::new();
        while !heard.ends_with(b"data: 1\n\n") {
            heard.push(soon(events.0.read_u8()).await.unwrap());
        }
        let mut held = stand.client().await;
        held.say(&request("GET /streams/1.0/held", &bearer, "")).await;
        stand.until("gateway_backend_connections", 3).await;
        Self { stand, resources, closed, socket, events, held }
    }

    /// The WebSocket still echoes, and the other two are open.
    async fn goes_on(&mut self) {
        let hello = frame(0x82, b"hello");
        self.socket.0.write_all(&hello).await.unwrap();
        let mut heard = vec![0; hello.len()];
        soon(self.socket.0.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, hello);
        for client in [&mut self.events, &mut self.held] {
            let quiet = tokio::time::timeout(Duration::from_millis(150), client.0.read_u8()).await;
            assert!(quiet.is_err(), "{quiet:?}");
        }
    }

    /// The WebSocket is closed for policy with `reason`, the events break off, and the call that
    /// waits is answered with `fault`.
    async fn ends(mut self, reason: &str, fault: &str) {
        let mut heard = vec![0; 4 + reason.len()];
        soon(self.socket.0.read_exact(&mut heard)).await.unwrap();
        assert_eq!(code(&heard), 1008);
        assert_eq!(String::from_utf8_lossy(&heard[4..]), reason);
        // Once it has said goodbye too, the connection ends as connections do.
        self.socket.0.write_all(&frame(0x88, &1008_u16.to_be_bytes())).await.unwrap();
        assert_eq!(soon(self.socket.0.read(&mut [0; 8])).await.unwrap(), 0);
        let mut rest = Vec::new();
        let _ = soon(self.events.0.read_to_end(&mut rest)).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "nobody takes it for whole: {rest:?}");
        assert_eq!(self.held.hear().await.fault(), fault);
        for _ in ["events", "held"] {
            soon(self.closed.recv()).await.expect("the backend goes on for nobody");
        }
        self.stand.until("gateway_calls_ended_total", 2).await;
    }
}

fn revocation(what: What) -> Revocation {
    // Of a later second than every token here.
    let later = Some(prost_types::Timestamp { seconds: 9_000_000_000, nanos: 0 });
    let issuer = ISSUER.to_owned();
    Revocation { issuer, what: Some(what), issued_until: later, ..Revocation::default() }
}

/// What is open goes on after `unrelated` was put in force and ends after `change` was.
async fn check(unrelated: (&str, &str), change: (&str, &str), reason: &str, fault: &str) {
    let mut open = Open::with(&json!({ "username": "ann" })).await;
    let changed = |(from, to): (&str, &str)| {
        assert!(from.is_empty() || open.resources.contains(from), "{from}");
        if from.is_empty() {
            format!("{}---\n{to}\n", open.resources)
        } else {
            open.resources.replace(from, to)
        }
    };
    let (before, after) = (changed(unrelated), changed(change));
    open.stand.publish(&before);
    open.goes_on().await;
    open.stand.publish(&after);
    open.ends(reason, fault).await;
}

const OTHER_APP: &str = "{ apiVersion: turnpike/v1, kind: Application, metadata: { name: other }, spec: { tier: Unlimited } }";

fn deny(spec: &str) -> String {
    format!(
        "{{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: {{ name: d }}, spec: {{ {spec} }} }}"
    )
}

#[tokio::test]
async fn a_revoked_token_ends_what_is_open_with_it() {
    for what in [
        What::Jti("mine".to_owned()),
        What::ClientId("live".to_owned()),
        What::Subject("live".to_owned()),
    ] {
        let mut open = Open::with(&json!({ "jti": "mine" })).await;
        open.stand.revocations.apply(&[revocation(What::Jti("another".to_owned()))]);
        open.goes_on().await;
        open.stand.revocations.apply(&[revocation(what)]);
        open.ends("the token was revoked", "401 900901").await;
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_while_the_call_was_let_in_ends_it_too() {
    let open = Open::with(&json!({ "jti": "mine" })).await;
    // No tick has found the calls yet.
    open.stand.revocations.apply(&[revocation(What::Jti("mine".to_owned()))]);
    open.ends("the token was revoked", "401 900901").await;
}

#[tokio::test]
async fn a_token_that_expires_ends_what_is_open_with_it() {
    let now = chassis::clock::Clock::system().unix_seconds();
    // Five seconds are allowed for clocks that differ.
    let open = Open::with(&json!({ "iat": now - 600, "exp": now - 3 })).await;
    open.ends("the token has expired", "401 900901").await;
}

#[tokio::test]
async fn a_subscription_that_is_blocked_or_gone_ends_what_is_open_with_it() {
    let one = "api: \"ws:1.0\"";
    for state in ["BLOCKED", "PROD_ONLY_BLOCKED"] {
        let mut open = Open::with(&json!({})).await;
        open.goes_on().await;
        let resources = open.resources.replace(one, &format!("{one}, state: {state}"));
        let streams = "api: \"streams:1.0\"";
        open.stand.publish(&resources.replace(streams, &format!("{streams}, state: {state}")));
        open.ends("the subscription is blocked", "401 900907").await;
    }
    let open = Open::with(&json!({})).await;
    let first = "---\n{ apiVersion: turnpike/v1, kind: Subscription";
    let (without, _) = open.resources.split_once(first).unwrap();
    open.stand.publish(without);
    open.ends("the subscription is gone", "403 900908").await;
}

#[tokio::test]
async fn an_api_that_is_not_served_any_more_ends_what_is_open_to_it() {
    let other = ("", OTHER_APP);
    let gone = "the API is not served any more";
    check(other, ("lifecycle: PUBLISHED", "lifecycle: BLOCKED"), gone, "503 700700").await;
    check(other, ("lifecycle: PUBLISHED", "lifecycle: RETIRED"), gone, "404 404").await;
    let open = Open::with(&json!({})).await;
    open.stand.publish(OTHER_APP);
    open.ends(gone, "404 404").await;
}

#[tokio::test]
async fn a_deny_policy_ends_what_it_refuses() {
    for (spares, refuses) in [
        ("users: [ben]", "users: [ann]"),
        ("applications: [other]", "applications: [shop]"),
        ("clients: [play]", "clients: [live]"),
        ("notAddresses: [127.0.0.0/8]", "addresses: [127.0.0.1]"),
        ("apis: ['ws:2.0']", "apis: ['ws:*', 'streams:1.0']"),
        ("users: [ann], expiresAt: '2001-01-01T00:00:00Z'", "users: [ann]"),
    ] {
        let (spares, refuses) = (deny(spares), deny(refuses));
        check(("", &spares), ("", &refuses), "blocked", "403 900805").await;
    }
}

#[tokio::test]
async fn streams_of_http2_are_reset_and_their_websockets_closed() {
    let open = Open::with(&json!({ "jti": "mine" })).await;
    let token = open.stand.token("live", &json!({ "jti": "mine" }));
    let stream = TcpStream::connect(open.stand.serving.http()[0]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    open.stand.host.tasks.spawn("client", connection);
    let bearer = format!("Bearer {token}");
    let events = http::Request::get("http://api.example/streams/1.0/events")
        .header("authorization", &bearer)
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let mut events = soon(sender.send_request(events)).await.unwrap();
    let first = soon(events.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
    let socket = http::Request::connect("http://api.example/ws/1.0/echo")
        .header("sec-websocket-version", "13")
        .header("authorization", &bearer)
        .extension(Protocol::from_static("websocket"))
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let socket = soon(sender.send_request(socket)).await.unwrap();
    let mut socket = TokioIo::new(hyper::upgrade::on(socket).await.unwrap());
    open.stand.revocations.apply(&[revocation(What::Jti("mine".to_owned()))]);
    let mut heard = [0; 4];
    soon(socket.read_exact(&mut heard)).await.unwrap();
    assert_eq!(code(&heard), 1008);
    let end = soon(events.body_mut().frame()).await;
    assert!(end.is_some_and(|end| end.is_err()), "nobody takes it for whole");
}

/// The time from a revocation to the end of a WebSocket, of one among many that go on.
#[tokio::test]
async fn a_revocation_ends_its_websocket_at_once() {
    const SOCKETS: usize = 40;
    let open = Open::with(&json!({})).await;
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        let jti = format!("t{number}");
        let token = open.stand.token("live", &json!({ "jti": jti }));
        let fields = format!("{ASKS}authorization: Bearer {token}\r\n");
        let (client, answer) = ask(&open.stand, "/ws/1.0/echo", &fields).await;
        assert_eq!(answer.status, 101);
        sockets.push((jti, client));
    }
    let mut took = Vec::new();
    for (jti, mut client) in sockets {
        let start = open.stand.host.clock.instant();
        open.stand.revocations.apply(&[revocation(What::Jti(jti))]);
        let mut heard = [0; 4];
        soon(client.0.read_exact(&mut heard)).await.unwrap();
        took.push(open.stand.host.clock.instant() - start);
        assert_eq!(code(&heard), 1008);
    }
    took.sort();
    let (half, most) = (took[SOCKETS / 2], took[SOCKETS - 1]);
    eprintln!("from the revocation to the close frame: p50 {half:?}, longest {most:?}");
    // A worker that waited for its tick would need half of one on average.
    assert!(half < Duration::from_millis(20), "{took:?}");
}
