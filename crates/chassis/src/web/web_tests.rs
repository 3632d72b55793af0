//! What a slow client achieves, and what a drain leaves unfinished.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};

use super::{Guarded, Protocol, serve};
use crate::clock::Clock;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::task::Tasks;

const HEAD_WITHIN: Duration = Duration::from_millis(200);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection; the shutdown that drains it, and what its service has begun to answer: each
/// answer is given when the other end of its channel is dropped.
struct Served {
    stream: DuplexStream,
    shutdown: Shutdown,
    begun: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

fn connection(protocol: Protocol, head_within: Duration) -> Served {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let shutdown = Shutdown::new(Readiness::default());
    let (begin, begun) = mpsc::unbounded_channel();
    let guarded = Guarded { clock: Clock::system(), shutdown: shutdown.clone(), head_within };
    let answer = move |_: Request<Incoming>| {
        let (release, released) = oneshot::channel::<()>();
        let _ = begin.send(release);
        async move {
            let _ = released.await;
            Response::new(Full::new(Bytes::from_static(b"done")))
        }
    };
    Tasks::default().spawn("connection", serve(far, protocol, guarded, answer));
    Served { stream: near, shutdown, begun }
}

/// Everything that comes until the connection is closed.
async fn until_closed(mut stream: DuplexStream) -> String {
    let mut answer = Vec::new();
    let read = Clock::system().timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let said = until_closed(connection(protocol, HEAD_WITHIN).stream).await;
        assert!(!said.contains("done"), "{said}");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_head_byte_by_byte_is_cut() {
    let mut served = connection(Protocol::Http1, HEAD_WITHIN);
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\n".iter().chain(std::iter::repeat(&b'x')) {
            Clock::system().sleep(HEAD_WITHIN / 10).await;
            if served.stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    assert!(Clock::system().timeout(PATIENCE, drip).await.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_client_that_keeps_its_connection_idle_is_cut_after_its_answer() {
    let mut served = connection(Protocol::Http1, HEAD_WITHIN);
    served.stream.write_all(GET).await.expect("written");
    drop(served.begun.recv().await.expect("a request"));
    assert!(until_closed(served.stream).await.ends_with("done"));
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_then_closes() {
    let mut served = connection(Protocol::Http1, Duration::from_hours(1));
    served.stream.write_all(GET).await.expect("written");
    let release = served.begun.recv().await.expect("a request");
    served.shutdown.request();
    drop(release);
    let said = until_closed(served.stream).await;
    assert!(said.ends_with("done"), "{said}");
}
