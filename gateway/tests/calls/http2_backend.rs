//! Does a backend of HTTP/2 get what the client sends, and the client what it answers?

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::stand::{Client, LIMIT, Stand, request};

const SHARED: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: h2, version: "1.0" }
spec:
  context: /h2
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://PLAIN"], protocol: h2, timeout: 0.5s } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: old, version: "1.0" }
spec:
  context: /old
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"], protocol: h2 } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: gone, version: "1.0" }
spec:
  context: /gone
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://127.0.0.1:1"], protocol: h2 } }
"#;

/// A backend that speaks HTTP/2 only. By path: `/echo` sends back body and trailers as they come;
/// `/head` tells what it read; `/sized/N` N bytes; `/never` says nothing; `/reset` resets; `/early`
/// answers before it reads; `/silent` begins and goes no further.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Requests that nobody waits for any more.
    left: watch::Sender<usize>,
    /// Connections that were opened so far are told to end.
    leave: watch::Sender<usize>,
}

/// Counts a request that ends without an answer.
struct Waits(Arc<Seen>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.left.send_modify(|left| *left += 1);
    }
}

pub(crate) type Parts = BoxBody<Bytes, hyper::Error>;

fn full(text: impl Into<Bytes>) -> Parts {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Parts>, Infallible> {
    let path = request.uri().path().to_owned();
    let number = path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let body = match path.split('/').nth(1).unwrap_or_default() {
        "echo" => request.into_body().boxed(),
        "head" => {
            let uri = request.uri();
            let mut told = format!("{} {uri}\n", request.method());
            for (name, value) in request.headers() {
                told = told + name.as_str() + ": " + value.to_str().unwrap() + "\n";
            }
            full(told)
        }
        "sized" => full(vec![b'x'; number]),
        "never" => {
            let _waits = Waits(seen);
            std::future::pending().await
        }
        "silent" => {
            let (begun, parts) = mpsc::unbounded_channel();
            begun.send(Ok(Frame::data(Bytes::from_static(b"begun")))).unwrap();
            std::mem::forget(begun);
            StreamBody::new(UnboundedReceiverStream::new(parts)).boxed()
        }
        _ => full("early"),
    };
    Ok(Response::new(body))
}

impl Backend {
    pub(crate) async fn start(stand_tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, tls) = (Arc::clone(&shared), stand_tls.clone());
                seen.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    match tls {
                        None => serve(TokioIo::new(stream), seen).await,
                        Some(tls) => {
                            let stream = TlsAcceptor::from(tls).accept(stream).await.unwrap();
                            serve(TokioIo::new(stream), seen).await;
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    async fn stand(&self) -> Stand {
        Stand::start(&SHARED.replace("PLAIN", &self.address.to_string())).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

async fn serve(io: impl hyper::rt::Read + hyper::rt::Write + Unpin, seen: Arc<Seen>) {
    let mut leave = seen.leave.subscribe();
    let service = service_fn(|request| answer(Arc::clone(&seen), request));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = leave.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A client of the gateway that speaks HTTP/2.
pub(crate) async fn client(stand: &Stand) -> SendRequest<Parts> {
    let stream = TcpStream::connect(stand.serving.http()[0]).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    stand.host.tasks.spawn("client", connection);
    sender
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("in time")
}

/// Sends a request and compares the status, or the status and the number of the fault.
async fn check(stand: &Stand, line: &str, expected: &str) {
    let answer = stand.call(line, "", "").await;
    let shown =
        if answer.body.contains("\"code\"") { answer.fault() } else { answer.status.to_string() };
    assert_eq!(shown, expected, "{line}: {answer:?}");
}

#[tokio::test]
async fn the_head_says_what_one_of_http1_would() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    let fields = "Connection: x-mine\r\nX-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=1\r\n";
    let answer = stand.call("GET /h2/1.0/head/a%2Fb?q=1", fields, "").await;
    let name = answer.field("x-request-id").unwrap();
    let address = backend.address;
    assert_eq!(
        answer.body,
        format!(
            "GET http://{address}/head/a%2Fb?q=1\ncookie: a=1\nx-forwarded-for: 127.0.0.1\n\
             x-forwarded-proto: http\nx-forwarded-host: api.example\nx-request-id: {name}\n"
        )
    );
}

#[tokio::test]
async fn bodies_of_any_size_pass_in_both_directions() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    for size in [0, 1, 1_000, 100_000, 3_000_000] {
        let answer = stand.call(&format!("GET /h2/1.0/sized/{size}"), "", "").await;
        assert_eq!((answer.status, answer.body.len()), (200, size));
        let sent = "y".repeat(size);
        assert!(stand.call("POST /h2/1.0/echo", "", &sent).await.body == sent, "{size}");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn calls_share_connections_up_to_the_bound() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    let calls = (0..25).map(|_| async { stand.call("POST /h2/1.0/echo", "", "all").await.body });
    let bodies = soon(futures_util::future::join_all(calls)).await;
    assert!(bodies.iter().all(|body| body == "all"), "{bodies:?}");
    assert!(backend.connections() <= 3, "{} connections", backend.connections());
}

#[tokio::test]
async fn both_directions_stream_at_once_and_trailers_come_last() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    let (parts, body) = mpsc::unbounded_channel();
    let body = StreamBody::new(UnboundedReceiverStream::new(body)).boxed();
    let ask = Request::post("http://api.example/h2/1.0/echo").body(body).unwrap();
    let answer = soon(client(&stand).await.send_request(ask)).await.unwrap();
    let mut answer = answer.into_body();
    for word in ["one", "two", "three"] {
        parts.send(Ok(Frame::data(Bytes::from(word)))).unwrap();
        let heard = soon(answer.frame()).await.unwrap().unwrap();
        assert_eq!(heard.into_data().unwrap(), word);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "3".parse().unwrap());
    parts.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    drop(parts);
    let heard = soon(answer.frame()).await.unwrap().unwrap();
    assert_eq!(heard.into_trailers().unwrap(), trailers);
    assert!(soon(answer.frame()).await.is_none());
}

#[tokio::test]
async fn an_answer_that_comes_early_is_heard() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    let mut client = stand.client().await;
    client.say(&request("POST /h2/1.0/early", "content-length: 1000000\r\n", "")).await;
    let answer = client.hear().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "early"));
}

#[tokio::test]
async fn a_backend_that_fails_is_told_apart() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    check(&stand, "GET /h2/1.0/never", "504 101504").await;
    check(&stand, "GET /gone/1.0/x", "503 101503").await;
    check(&stand, "GET /old/1.0/hang-up", "502 101506").await;
    let mut client = stand.client().await;
    client.say(&request("GET /h2/1.0/silent", "", "")).await;
    assert!(client.hear_any().await.is_none(), "an answer that stalls breaks off");
    check(&stand, "GET /h2/1.0/head", "200").await;
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_stream_and_not_the_connection() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    let mut left = backend.seen.left.subscribe();
    let mut leaving: Client = stand.client().await;
    leaving.say(&request("GET /h2/1.0/never", "", "")).await;
    stand.until("gateway_backend_connections", 1).await;
    drop(leaving);
    soon(left.wait_for(|left| *left == 1)).await.unwrap();
    check(&stand, "GET /h2/1.0/head", "200").await;
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_backend_that_says_goodbye_is_called_over_a_new_connection() {
    let backend = Backend::start(None).await;
    let stand = backend.stand().await;
    for connections in 1..4 {
        check(&stand, "GET /h2/1.0/head", "200").await;
        assert_eq!(backend.connections(), connections);
        backend.seen.leave.send_modify(|times| *times += 1);
        stand.until("gateway_backend_connections", 0).await;
    }
}
