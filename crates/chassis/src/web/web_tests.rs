//! What a slow client achieves, and what a drain leaves unfinished.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::{Guarded, Protocol, serve};
use crate::clock::Clock;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::task::Tasks;

const HEAD_WITHIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection whose answers take `pause`; the shutdown that drains it.
fn connection(protocol: Protocol, pause: Duration) -> (DuplexStream, Shutdown) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let shutdown = Shutdown::new(Readiness::default());
    let clock = Clock::system();
    let guarded =
        Guarded { clock: clock.clone(), shutdown: shutdown.clone(), head_within: HEAD_WITHIN };
    let answer = move |_: Request<Incoming>| {
        let clock = clock.clone();
        async move {
            clock.sleep(pause).await;
            Response::new(Full::new(Bytes::from_static(b"done")))
        }
    };
    Tasks::default().spawn("connection", serve(far, protocol, guarded, answer));
    (near, shutdown)
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
        let (stream, _shutdown) = connection(protocol, Duration::ZERO);
        let said = until_closed(stream).await;
        assert!(!said.contains("done"), "{said}");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_head_byte_by_byte_is_cut() {
    let (mut stream, _shutdown) = connection(Protocol::Http1, Duration::ZERO);
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\n".iter().cycle() {
            Clock::system().sleep(Duration::from_millis(20)).await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    assert!(Clock::system().timeout(PATIENCE, drip).await.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn a_client_that_keeps_its_connection_idle_is_cut_after_its_answer() {
    let (mut stream, _shutdown) = connection(Protocol::Http1, Duration::ZERO);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    assert!(until_closed(stream).await.ends_with("done"));
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_then_closes() {
    let (mut stream, shutdown) = connection(Protocol::Http1, Duration::from_millis(300));
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    Clock::system().sleep(Duration::from_millis(50)).await;
    shutdown.request();
    let said = until_closed(stream).await;
    assert!(said.contains("connection: close") && said.ends_with("done"), "{said}");
}
