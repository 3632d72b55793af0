//! Do server-sent events come one by one, however rare they are?

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::stand::{Client, LIMIT, Stand, request};

const EVENTS: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: events, version: "1.0" }
spec:
  context: /events
  lifecycle: PUBLISHED
  type: SSE
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://EVENTS"], timeout: 0.2s } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: plain, version: "1.0" }
spec:
  context: /plain
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://EVENTS"], timeout: 0.2s } }
"#;

/// A backend that begins an answer of the media type that the path names, and sends an event each
/// time that it is told to.
struct Source {
    address: SocketAddr,
    events: mpsc::UnboundedSender<&'static str>,
    /// Told when the gateway has closed the connection.
    closed: mpsc::UnboundedReceiver<()>,
}

impl Source {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, mut sent) = mpsc::unbounded_channel::<&str>();
        let (closes, closed) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let media = if head.starts_with(b"GET /text") {
                "text/plain"
            } else {
                "Text/Event-Stream; x=y"
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            loop {
                tokio::select! {
                    event = sent.recv() => {
                        let Some(event) = event else { break };
                        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                        stream.write_all(chunk.as_bytes()).await.unwrap();
                    }
                    _ = stream.read_u8() => break,
                }
            }
            let _ = closes.send(());
        });
        Self { address, events, closed }
    }

    async fn stand(&self) -> Stand {
        Stand::start(&EVENTS.replace("EVENTS", &self.address.to_string())).await
    }
}

/// Reads until `wanted` has come.
async fn hear(client: &mut Client, wanted: &str) {
    let mut heard = Vec::new();
    let read = async {
        while !heard.ends_with(wanted.as_bytes()) {
            heard.push(client.0.read_u8().await.unwrap());
        }
    };
    let heard_in_time = tokio::time::timeout(LIMIT, read).await.is_ok();
    assert!(heard_in_time, "{wanted:?} is missing in {:?}", String::from_utf8_lossy(&heard));
}

/// Asks at `path` for events, and hears each of them before the next one is sent.
async fn check(path: &str) {
    let mut source = Source::start().await;
    let stand = source.stand().await;
    let mut client = stand.client().await;
    client.say(&request(&format!("GET {path}"), "accept: text/event-stream\r\n", "")).await;
    hear(&mut client, "\r\n\r\n").await;
    for (pause, event) in [(0, "data: 1\n\n"), (0, "data: 2\n\n"), (600, "data: 3\n\n")] {
        // Longer than the endpoint's timeout, which is for the head alone.
        stand.host.clock.sleep(std::time::Duration::from_millis(pause)).await;
        source.events.send(event).unwrap();
        hear(&mut client, event).await;
    }
    drop(client);
    let closed = tokio::time::timeout(LIMIT, source.closed.recv()).await;
    assert!(closed.is_ok(), "the backend goes on for nobody");
}

#[tokio::test]
async fn each_event_arrives_before_the_next_and_a_pause_ends_nothing() {
    check("/events/1.0/stream").await;
}

#[tokio::test]
async fn a_stream_of_events_is_one_whatever_the_type_of_its_api() {
    check("/plain/1.0/stream").await;
}

#[tokio::test]
async fn an_api_for_events_lets_other_answers_pause_too() {
    check("/events/1.0/text").await;
}

const COUNTED: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Two }, spec: { quota: { events: 2, per: 3600s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: counted, version: "1.0" }
spec:
  context: /counted
  lifecycle: PUBLISHED
  type: SSE
  tiers: [Two]
  endpoints: { production: { urls: ["http://EVENTS"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "counted:1.0", tier: Two } }
"#;

#[tokio::test]
async fn a_stream_ends_when_its_limit_of_events_is_used_up() {
    let source = Source::start().await;
    let stand = Stand::start(&COUNTED.replace("EVENTS", &source.address.to_string())).await;
    let mut client = stand.client().await;
    let fields = stand.bearer("live");
    client.say(&request("GET /counted/1.0/stream", &fields, "")).await;
    source.events.send("data: 1\n\n: a comment is free\n\n").unwrap();
    source.events.send("data: 2\n\n:\n\ndata: 3\n\n").unwrap();
    let answer = client.hear().await;
    assert_eq!(answer.body, "data: 1\n\n: a comment is free\n\ndata: 2\n\n:\n\n");
    stand.until(r#"gateway_faults_total{type="THROTTLED"}"#, 1).await;
    let again = stand.call("GET /counted/1.0/stream", &stand.bearer("live"), "").await;
    assert_eq!(again.fault(), "429 900804");
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_not_counted() {
    let source = Source::start().await;
    let stand = Stand::start(&COUNTED.replace("EVENTS", &source.address.to_string())).await;
    let mut client = stand.client().await;
    client.say(&request("GET /counted/1.0/text", &stand.bearer("live"), "")).await;
    hear(&mut client, "\r\n\r\n").await;
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        source.events.send(event).unwrap();
        hear(&mut client, event).await;
    }
}

#[tokio::test]
async fn another_answer_that_pauses_breaks_off() {
    let source = Source::start().await;
    let stand = source.stand().await;
    let mut client = stand.client().await;
    client.say(&request("GET /plain/1.0/text", "", "")).await;
    assert!(client.hear_any().await.is_none());
}
