//! What may one HTTP connection do?
//!
//! Send its first request within ten seconds and every head within the same; heads of at most
//! 64 KiB and 100 fields; 100 streams at a time. When the process drains, the request in flight is
//! answered and the connection closed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock::Clock;
use crate::shutdown::Shutdown;

pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_FIELDS: usize = 100;
const STREAMS: u32 = 100;
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(10);

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which HTTP is spoken; decided by ALPN, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// What a connection is served under.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    /// How long a client may take to send a head; usually [`HEAD_WITHIN`].
    pub(crate) head_within: Duration,
}

/// Serves one connection until it ends, is cut for a broken rule, or has drained.
pub(crate) async fn serve<I, F, Fut, B>(io: I, protocol: Protocol, guarded: Guarded, answer: F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let service = service_fn(move |request| {
        seen.store(true, Ordering::Relaxed);
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(io);
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(guarded.head_within)
                .max_headers(HEAD_FIELDS)
                .max_buf_size(HEAD_BYTES);
            drive(builder.serve_connection(io, service), &asked, guarded).await;
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
                .max_concurrent_streams(STREAMS)
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PONG_WITHIN);
            drive(builder.serve_connection(io, service), &asked, guarded).await;
        }
    }
}

async fn drive<C: Drains>(connection: C, asked: &AtomicBool, guarded: Guarded) {
    let mut connection = std::pin::pin!(connection);
    let mut first = std::pin::pin!(guarded.clock.sleep(guarded.head_within));
    let (mut waits, mut drains) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection cut");
                }
                return;
            }
            () = first.as_mut(), if waits => {
                waits = false;
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!("connection cut: no request came");
                    return;
                }
            }
            () = guarded.shutdown.wait(), if !drains => {
                drains = true;
                connection.as_mut().drain();
            }
        }
    }
}

/// A connection that can be asked to end after what is in flight.
trait Drains: Future<Output = hyper::Result<()>> {
    fn drain(self: Pin<&mut Self>);
}

impl<I, S, B> Drains for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Drains for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
