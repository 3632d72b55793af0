//! What does a client hear before the answer?

use std::sync::Arc;

use bytes::Bytes;
use chassis::task::Tasks;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::stand::{Client, LIMIT, Stand, request};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: raw, version: "1.0" }
spec:
  context: /raw
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  cors: { allowOrigins: ["https://shop.example"] }
  endpoints: { production: { urls: ["http://127.0.0.1:PORT"], protocol: PROTOCOL, timeout: 5s } }
  policies: { response: [ { removeHeader: { name: X-Secret } } ] }
"#;
const HINTS: &str = "HTTP/1.1 103 Early Hints|Link: </a.css>|X-Secret: 1|X-Mine: 1|Connection: x-mine|\
                     Content-Length: 5|Access-Control-Allow-Origin: *||";
const TOLD: &str = "HTTP/1.1 103 Early Hints|link: </a.css>||";
const ANSWER: &str = "HTTP/1.1 200 OK|Content-Length: 2||hi";

fn wire(text: &str) -> String {
    text.replace('|', "\r\n")
}

async fn stand(port: u16, protocol: &str) -> Stand {
    let resources = RESOURCES.replace("PORT", &port.to_string());
    Stand::start(&resources.replace("PROTOCOL", protocol)).await
}

/// A backend that says `first` when it has read a head, and the answer when it may.
async fn backend(tasks: &Tasks, first: String, may: Arc<Notify>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn("raw-backend", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = Vec::new();
            while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
                if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            stream.write_all(first.as_bytes()).await.unwrap();
            may.notified().await;
            stream.write_all(wire(ANSWER).as_bytes()).await.unwrap();
        }
    });
    port
}

/// Reads `expected` and nothing else.
async fn hears(client: &mut Client, expected: &str) {
    let expected = wire(expected);
    let mut heard = vec![0; expected.len()];
    let read = tokio::time::timeout(LIMIT, client.0.read_exact(&mut heard)).await;
    read.expect("in time").unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[tokio::test]
async fn early_hints_come_before_the_answer_and_say_what_the_answer_may_say() {
    let (tasks, may) = (Tasks::default(), Arc::<Notify>::default());
    let first = wire(&format!("HTTP/1.1 102 Processing||{HINTS}"));
    let stand = stand(backend(&tasks, first, Arc::clone(&may)).await, "http1").await;
    let mut client = stand.client().await;
    client.say(&request("GET /raw/1.0/x", "", "")).await;
    hears(&mut client, &format!("HTTP/1.1 102 Processing||{TOLD}")).await;
    may.notify_one();
    let answer = client.hear().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hi"));
}

#[tokio::test]
async fn a_client_that_waits_with_its_body_hears_both() {
    let (tasks, may) = (Tasks::default(), Arc::<Notify>::default());
    let first = wire(&format!("{HINTS}HTTP/1.1 100 Continue||"));
    let stand = stand(backend(&tasks, first, Arc::clone(&may)).await, "http1").await;
    let mut client = stand.client().await;
    let fields = "expect: 100-continue\r\ncontent-length: 2\r\n";
    client.say(&request("POST /raw/1.0/x", fields, "")).await;
    let mut heard = [String::new(), String::new()];
    for one in &mut heard {
        while !one.ends_with("\r\n\r\n") {
            one.push(char::from(client.0.read_u8().await.unwrap()));
        }
    }
    heard.sort();
    assert_eq!(heard, [wire("HTTP/1.1 100 Continue||"), wire(TOLD)]);
    client.say("ab").await;
    may.notify_one();
    assert_eq!(client.hear().await.status, 200);
}

#[tokio::test]
async fn who_does_not_understand_hints_hears_none() {
    let (tasks, may) = (Tasks::default(), Arc::<Notify>::default());
    let stand = stand(backend(&tasks, wire(HINTS), Arc::clone(&may)).await, "http1").await;
    let mut client = stand.client().await;
    client.say("GET /raw/1.0/x HTTP/1.0\r\nhost: a\r\n\r\n").await;
    may.notify_one();
    assert_eq!(client.hear().await.status, 200);
    // The HTTP/2 library has no way to say anything before the answer.
    let stream = TcpStream::connect(stand.serving.http()[0]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    stand.host.tasks.spawn("client", connection);
    let ask = http::Request::get("http://api.example/raw/1.0/x").body(Empty::<Bytes>::new());
    may.notify_one();
    let answer = sender.send_request(ask.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hi");
}

/// A backend of HTTP/2 that says so many hints, and the answer when it may.
async fn http2_backend(tasks: &Tasks, hints: usize, may: Arc<Notify>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn("http2-backend", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut answering) = connection.accept().await.unwrap().unwrap();
        for _ in 0..hints {
            let mut hint = Response::new(());
            *hint.status_mut() = StatusCode::EARLY_HINTS;
            let mut headers = HeaderMap::new();
            headers.insert("link", HeaderValue::from_static("</a.css>"));
            headers.insert("x-secret", HeaderValue::from_static("1"));
            *hint.headers_mut() = headers;
            answering.send_informational(hint).unwrap();
        }
        let answer = async {
            may.notified().await;
            let mut body = answering.send_response(Response::new(()), false)?;
            body.send_data(Bytes::from_static(b"hi"), true)
        };
        let serve = async { while connection.accept().await.is_some() {} };
        let (_, ()) = tokio::join!(answer, serve);
    });
    port
}

#[tokio::test]
async fn hints_of_a_backend_of_http2_reach_a_client_too() {
    let (tasks, may) = (Tasks::default(), Arc::<Notify>::default());
    let stand = stand(http2_backend(&tasks, 1, Arc::clone(&may)).await, "h2").await;
    let mut client = stand.client().await;
    client.say(&request("GET /raw/1.0/x", "", "")).await;
    hears(&mut client, TOLD).await;
    may.notify_one();
    assert_eq!(client.hear().await.body, "hi");
}

#[tokio::test]
async fn there_is_an_end_of_hints_over_http2_as_well() {
    let (tasks, may) = (Tasks::default(), Arc::<Notify>::default());
    let stand = stand(http2_backend(&tasks, 40, may).await, "h2").await;
    let mut client = stand.client().await;
    // Not with GET, which would be tried again.
    client.say("POST /raw/1.0/x HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.hear().await.fault(), "502 101506");
}
