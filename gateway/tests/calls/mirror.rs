//! Does a mirror get what the backend gets, and does nobody else notice?

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gateway::receiver::Settings;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::backend::read_request;
use crate::http2_backend;
use crate::stand::{LIMIT, Stand, request};
use crate::websocket::{ASKS, Sockets, ask};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: shop, version: "1" }
spec:
  context: /shop
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  mirror: { MORE endpoint: { urls: ["http://MIRROR/base"] } }
"#;

/// A server that notes what it reads.
pub(crate) struct Mirror {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Mirror {
    /// `answers`: whether it says anything.
    pub(crate) async fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (request, requests) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers, request.clone()));
            }
        });
        Self { address, requests }
    }

    /// The next request, head and body.
    pub(crate) async fn next(&mut self) -> String {
        let next = tokio::time::timeout(LIMIT, self.requests.recv()).await;
        next.expect("a copy in time").unwrap()
    }

    /// The paths of the copies of all calls that were answered, in order.
    async fn paths(&mut self, stand: &Stand) -> Vec<String> {
        stand.until("gateway_mirror_under_way", 0).await;
        let mut paths = Vec::new();
        while let Ok(request) = self.requests.try_recv() {
            paths.push(request.split(' ').nth(1).unwrap().to_owned());
        }
        paths.sort();
        paths
    }

    async fn stand(&self, resources: &str, more: &str) -> Stand {
        self.with(resources, more, |_| {}).await
    }

    async fn with(&self, resources: &str, more: &str, change: fn(&mut Settings)) -> Stand {
        let resources = resources.replace("MIRROR", &self.address.to_string());
        Stand::with(&resources.replace("MORE", more), change).await
    }
}

async fn serve(mut stream: TcpStream, answers: bool, requests: mpsc::UnboundedSender<String>) {
    let mut input = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut input).await {
        let _ = requests.send(request);
        let answer = b"HTTP/1.1 500 Mirror\r\nContent-Length: 6\r\nX-Mirror: yes\r\n\r\nmirror";
        if answers && stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

fn number(stand: &Stand, result: &str) -> u64 {
    stand.number(&format!("gateway_mirror_copies_total{{result=\"{result}\"}}"))
}

async fn until(stand: &Stand, result: &str, wanted: u64) {
    stand.until(&format!("gateway_mirror_copies_total{{result=\"{result}\"}}"), wanted).await;
}

/// Makes a call whose backend tells what it read, and compares that with what the mirror read.
async fn check(stand: &Stand, mirror: &mut Mirror, line: &str, fields: &str, body: &str) -> String {
    let answer = stand.call(line, fields, body).await;
    assert_eq!((answer.status, answer.field("x-mirror")), (200, None), "{answer:?}");
    let copy = mirror.next().await;
    let marked = copy.replacen("x-turnpike-mirrored: 1\r\n", "", 1);
    assert_ne!(copy, marked, "{line}");
    let host = |address: SocketAddr| format!("\r\nhost: {address}\r\n");
    let same = marked.replacen(&host(mirror.address), &host(stand.backend.address), 1);
    assert_eq!(same, answer.body, "{line}");
    copy
}

#[tokio::test]
async fn a_copy_is_what_the_backend_gets() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(RESOURCES, "").await;
    let fields = "authorization: Bearer own\r\ncookie: a=1\r\nx-forwarded-for: forged\r\n";
    check(&stand, &mut mirror, "GET /shop/1/echo/a%2Fb?c=d&c", fields, "").await;
    check(&stand, &mut mirror, "DELETE /shop/1/echo", "", "").await;
    let body = "0123456789".repeat(6553);
    for body in ["hello", &body] {
        let copy = check(&stand, &mut mirror, "POST /shop/1/echo", fields, body).await;
        assert!(copy.ends_with(&format!("\r\n\r\n{body}")));
    }
    until(&stand, "answered", 4).await;
    // Nothing but the calls themselves is counted as calls.
    assert_eq!(stand.number("gateway_calls_total{class=\"2xx\"}"), 4);
    assert_eq!(stand.number("gateway_calls_total{class=\"5xx\"}"), 0);
    assert_eq!(stand.number("gateway_backend_duration_seconds_count"), 4);
}

#[tokio::test]
async fn a_body_in_chunks_is_copied_when_all_of_it_has_come() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(RESOURCES, "").await;
    let mut client = stand.client().await;
    let chunked = "transfer-encoding: chunked\r\n";
    client.say(&request("POST /shop/1/echo", chunked, "")).await;
    client.say("3\r\nhel\r\n").await;
    // The backend has the first part, and the mirror nothing yet.
    stand.until("gateway_backend_connections", 1).await;
    assert!(mirror.requests.try_recv().is_err());
    client.say("2\r\nlo\r\n0\r\n\r\n").await;
    assert!(client.hear().await.body.ends_with("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"));
    let copy = mirror.next().await;
    assert!(copy.ends_with("\r\ncontent-length: 5\r\n\r\nhello"), "{copy}");
}

/// `RESOURCES` with rules, and a mirror that is shown a credential.
fn ruled(protocol: &str) -> String {
    let ruled = "endpoint: { security: { apiKey: { header: X-Key, secret: key } },";
    let resources = RESOURCES.replace("MORE endpoint: {", ruled);
    let rules = "policies: { request: [{ removeHeader: { name: X-Debug } }] }\n  mirror:";
    let resources = resources.replace("mirror:", rules);
    let key =
        "{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: key }, spec: { value: k } }";
    let protocol = format!("production: {{ protocol: {protocol},");
    format!("{}---\n{key}\n", resources.replace("production: {", &protocol))
}

#[tokio::test]
async fn a_copy_has_the_trailers_that_its_rules_leave() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(&ruled("http1"), "").await;
    let mut client = stand.client().await;
    client.say(&request("POST /shop/1/echo", "transfer-encoding: chunked\r\n", "")).await;
    client.say("2\r\nhi\r\n0\r\nx-key: 1\r\nx-own: 1\r\nx-debug: 1\r\nhost: a\r\n\r\n").await;
    let answer = client.hear().await.body;
    // The credential is the mirror's, so its name is the client's own to the backend.
    assert!(answer.ends_with("2\r\nhi\r\n0\r\nx-key: 1\r\nx-own: 1\r\n\r\n"), "{answer}");
    let copy = mirror.next().await;
    assert!(copy.ends_with("2\r\nhi\r\n0\r\nx-own: 1\r\n\r\n"), "{copy}");
    assert!(copy.contains("\r\nx-key: k\r\n") && !copy.contains("content-length"), "{copy}");
    until(&stand, "answered", 1).await;
}

#[tokio::test]
async fn trailers_of_a_stream_are_copied_also_behind_a_length() {
    let backend = http2_backend::Backend::start(None).await;
    let mut mirror = Mirror::start(true).await;
    let resources =
        ruled("h2").replace("http://BACKEND/base", &format!("http://{}", backend.address));
    let stand = mirror.stand(&resources, "").await;
    for length in [None, Some(2)] {
        let own = [("x-own", "1"), ("x-debug", "1")];
        let trailers = own.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let trailers: http::HeaderMap = trailers.into_iter().collect();
        let frames = [Ok(Frame::data(Bytes::from("hi"))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed();
        let mut ask = http::Request::post("http://api.example/shop/1/echo");
        if let Some(length) = length {
            ask = ask.header("content-length", length);
        }
        let mut client = http2_backend::client(&stand).await;
        let answer = client.send_request(ask.body(body).unwrap()).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap();
        let names: Vec<_> = answer.trailers().unwrap().keys().map(ToString::to_string).collect();
        let heard = (names.concat(), answer.to_bytes());
        assert_eq!(heard, ("x-own".to_owned(), Bytes::from("hi")), "{length:?}");
        let copy = mirror.next().await;
        assert!(copy.ends_with("2\r\nhi\r\n0\r\nx-own: 1\r\n\r\n"), "{copy}");
    }
}

const SECURED: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: safe, version: "1" }
spec:
  context: /safe
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  policies: { request: [{ setHeader: { name: x-app, value: "${application.name}" } }] }
  mirror:
    endpoint: { urls: ["http://MIRROR/base"], security: { apiKey: { header: X-Key, secret: key } } }
---
{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: key }, spec: { value: k-1 } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: app }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Two }, spec: { level: subscription, quota: { requests: 2, per: 3600s } } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: app, api: "safe:1", tier: Two } }
"#;

#[tokio::test]
async fn a_mirror_sees_its_own_credential_and_not_the_callers() {
    let mut mirror = Mirror::start(true).await;
    let tiers = SECURED.replace("policies:", "tiers: [Two]\n  policies:");
    let stand = mirror.stand(&tiers, "").await;
    for left in ["1", "0"] {
        let answer = stand.call("GET /safe/1/echo", &stand.bearer("live"), "").await;
        let limit = answer.field("ratelimit").unwrap_or_default();
        assert!(limit.contains(&format!("r={left}")), "a copy counts as no call: {answer:?}");
        let copy = mirror.next().await;
        let has = |field: &str| copy.contains(&format!("\r\n{field}"));
        assert!(has("x-key: k-1\r\n") && has("x-app: app\r\n"), "{copy}");
        assert!(!has("authorization"), "{copy}");
    }
    let other = format!("authorization: Bearer {}\r\n", stand.token("gone", &json!({})));
    assert_eq!(stand.call("GET /safe/1/echo", &other, "").await.status, 403);
    assert_eq!(stand.call("GET /safe/1/echo", &stand.bearer("live"), "").await.status, 429);
    until(&stand, "answered", 2).await;
}

#[tokio::test]
async fn nobody_waits_for_a_mirror_that_does_not_answer() {
    let mut mirror = Mirror::start(false).await;
    let stand = mirror.stand(RESOURCES, "").await;
    for _ in 0..10 {
        assert_eq!(stand.call("POST /shop/1/echo", "", "hello").await.status, 200);
    }
    // The gateway of this stand has eight at a time.
    for _ in 0..8 {
        assert!(mirror.next().await.ends_with("hello"));
    }
    assert_eq!((number(&stand, "dropped"), number(&stand, "answered")), (2, 0));
    // A stop cuts them off long before the calls' own time is over.
    stand.host.shutdown.request();
    let ended = stand.host.clock.timeout(Duration::from_secs(5), stand.serving.drained()).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn a_mirror_that_is_down_changes_nothing() {
    let resources = RESOURCES.replace("MIRROR", "127.0.0.1:1");
    let stand = Stand::start(&resources.replace("MORE", "")).await;
    for _ in 0..5 {
        let answer = stand.call("POST /shop/1/echo", "", "hello").await;
        assert_eq!((answer.status, answer.body.ends_with("hello")), (200, true));
    }
    until(&stand, "failed", 5).await;
}

#[tokio::test]
async fn the_share_that_is_asked_for_is_copied() {
    for (percent, expected) in [(0, 0..=0), (50, 60..=140), (100, 200..=200)] {
        let mut mirror = Mirror::start(true).await;
        let stand = mirror.stand(RESOURCES, &format!("percent: {percent},")).await;
        let mut client = stand.client().await;
        for _ in 0..200 {
            client.say(&request("GET /shop/1/sized/1", "", "")).await;
            assert_eq!(client.hear().await.status, 200);
        }
        // What finds no place belongs to the share, too.
        let copied = mirror.paths(&stand).await.len() as u64 + number(&stand, "dropped");
        assert!(expected.contains(&copied), "{copied} of 200 at {percent} percent");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_copied() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(RESOURCES, "maxBodyBytes: 4,").await;
    let chunked = "transfer-encoding: chunked\r\n";
    for (fields, body) in [("", "hello"), (chunked, "")] {
        let mut client = stand.client().await;
        client.say(&request("POST /shop/1/echo", fields, body)).await;
        if body.is_empty() {
            client.say("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").await;
        }
        let answer = client.hear().await;
        assert!(answer.status == 200 && answer.body.contains("lo"), "{answer:?}");
    }
    assert_eq!(number(&stand, "too_long"), 2);
    assert_eq!(stand.call("POST /shop/1/four", "", "four").await.status, 200);
    assert_eq!(mirror.paths(&stand).await, ["/base/four"]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_copied() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(RESOURCES, "").await;
    let mut client = stand.client().await;
    client.say(&request("POST /shop/1/echo", "content-length: 5\r\n", "")).await;
    client.say("hel").await;
    stand.until("gateway_backend_connections", 1).await;
    drop(client);
    until(&stand, "incomplete", 1).await;
    assert!(mirror.paths(&stand).await.is_empty());
}

const OPERATIONS: &str = r#"
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: parts, version: "1" }
spec:
  context: /parts
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  mirror: { endpoint: { urls: ["http://MIRROR/api"] } }
  operations:
    - { method: GET, path: /a }
    - { method: GET, path: /b, mirror: { off: true } }
    - { method: GET, path: /c, mirror: { endpoint: { urls: ["http://MIRROR/own"] } } }
    - { method: GET, path: "/sized/{n}", cache: { ttl: 60s } }
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: bundle, version: "1" }
spec:
  context: /bundle
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  apis: [ { name: parts, version: "1" } ]
"#;

#[tokio::test]
async fn an_operation_has_its_own_mirror_or_none() {
    let mut mirror = Mirror::start(true).await;
    let stand = mirror.stand(&format!("{RESOURCES}{OPERATIONS}"), "").await;
    for path in ["/parts/1/a", "/parts/1/b", "/parts/1/c", "/bundle/1/c"] {
        assert_eq!(stand.call(&format!("GET {path}"), "", "").await.status, 200);
    }
    assert_eq!(mirror.paths(&stand).await, ["/api/a", "/own/c", "/own/c"]);
    // An answer from the cache reaches neither.
    for _ in 0..2 {
        assert_eq!(stand.call("GET /parts/1/sized/3", "", "").await.body, "xxx");
    }
    assert_eq!(mirror.paths(&stand).await, ["/api/sized/3"]);
}

#[tokio::test]
async fn a_copy_is_not_copied_again_and_only_who_is_trusted_says_what_is_one() {
    let mut mirror = Mirror::start(true).await;
    let said = "x-turnpike-mirrored: yes\r\n";
    let stand = mirror.stand(RESOURCES, "").await;
    let forged = stand.call("GET /shop/1/echo", said, "").await;
    assert!(!forged.body.contains("mirrored"), "{forged:?}");
    assert!(mirror.paths(&stand).await.is_empty());
    let trusting = |settings: &mut Settings| {
        settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    };
    let stand = mirror.with(RESOURCES, "", trusting).await;
    let copy = stand.call("GET /shop/1/echo", said, "").await;
    assert!(copy.body.contains("\r\nx-turnpike-mirrored: 1\r\n"), "{copy:?}");
    assert!(mirror.paths(&stand).await.is_empty());
}

const SOCKETS: &str = r#"
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1" }
spec:
  context: /ws
  lifecycle: PUBLISHED
  type: WS
  security: { schemes: [none] }
  endpoints: { production: { urls: ["ws://SOCKETS"] } }
  mirror: { endpoint: { urls: ["ws://MIRROR"] } }
"#;

#[tokio::test]
async fn a_websocket_is_not_copied() {
    let (mut mirror, sockets) = (Mirror::start(true).await, Sockets::start().await);
    let resources = format!("{RESOURCES}{SOCKETS}");
    let resources = resources.replace("SOCKETS", &sockets.address.to_string());
    let stand = mirror.stand(&resources, "").await;
    let (_open, answer) = ask(&stand, "/ws/1/echo", ASKS).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(stand.call("GET /ws/1/fine", "", "").await.status, 200);
    assert_eq!(mirror.paths(&stand).await, ["/fine"]);
}

const STREAMS: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: grpc, version: "1" }
spec:
  context: /grpc
  lifecycle: PUBLISHED
  type: GRPC
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://STREAMS"] } }
  mirror: { maxBodyBytes: 4, endpoint: { urls: ["http://COPIES"], timeout: 0.2s } }
"#;

/// Sends `parts` as a stream to `path` and reads the answer to its end.
async fn stream(stand: &Stand, path: &str, parts: &[&'static str]) {
    let frames: Vec<_> = parts.iter().map(|part| Ok(Frame::data(Bytes::from(*part)))).collect();
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed();
    let uri = format!("http://api.example/grpc/1/{path}");
    let request = http::Request::post(uri).body(body).unwrap();
    let answer = http2_backend::client(stand).await.send_request(request).await.unwrap();
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, parts.concat());
}

#[tokio::test]
async fn a_stream_is_copied_when_it_has_ended_and_is_short() {
    let backend = http2_backend::Backend::start(None).await;
    let mirror = http2_backend::Backend::start(None).await;
    let resources = STREAMS.replace("STREAMS", &backend.address.to_string());
    let resources = resources.replace("COPIES", &mirror.address.to_string());
    let stand = Stand::start(&resources).await;
    stream(&stand, "echo", &["he", "y"]).await;
    until(&stand, "answered", 1).await;
    stream(&stand, "echo", &["he", "llo"]).await;
    until(&stand, "too_long", 1).await;
    assert_eq!((number(&stand, "answered"), mirror.connections()), (1, 1));
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_for_ever() {
    let mirror = http2_backend::Backend::start(None).await;
    let urls = format!("http://{}/silent", mirror.address);
    let resources = RESOURCES.replace("http://MIRROR/base", &urls);
    let resources = resources.replace("urls:", "protocol: PROTOCOL, urls:");
    let resources = resources.replacen("PROTOCOL", "http1", 1).replacen("PROTOCOL", "h2", 1);
    let stand =
        Stand::start(&resources.replace("MORE endpoint: {", "endpoint: { timeout: 0.2s,")).await;
    assert_eq!(stand.call("GET /shop/1/echo", "", "").await.status, 200);
    until(&stand, "failed", 1).await;
}

#[tokio::test]
async fn a_mirror_is_made_sure_of_like_a_backend() {
    let stand = Stand::start("").await;
    let authority = format!(
        "---\napiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: ours }}\nspec:\n  use: backend_ca\n  chain: |\n    {}",
        stand.authority()
    );
    let resources = RESOURCES.replace("http://MIRROR/base", "https://localhost:SECURE/sized/1");
    for (trust, result) in [("authorities: [ours]", "answered"), ("serverName: other", "failed")] {
        let tls = format!("endpoint: {{ tls: {{ {trust} }},");
        let resources = resources.replace("MORE endpoint: {", &tls);
        stand.publish(&format!("{resources}{authority}"));
        assert_eq!(stand.call("GET /shop/1/echo", "", "").await.status, 200);
        until(&stand, result, 1).await;
    }
}
