//! How is one connection of a client served, from its first byte to its last?

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chassis::task::Tasks;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::config::Config;
use super::http::{Visit, call};
use super::pulse::Pulse;
use super::socket::Socket;
use crate::received::Peer;
use crate::worker::Worker;

/// HTTP/2 peers that do not answer a ping are gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// What an HTTP/2 client may send ahead per stream and per connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What all connections of a worker are served with.
pub(super) struct Doors {
    pub(super) worker: Rc<Worker>,
    pub(super) config: Config,
    acceptor: TlsAcceptor,
    http1: http1::Builder,
    http2: http2::Builder<OnThisThread>,
}

/// Runs the streams of an HTTP/2 connection on the thread of the connection.
#[derive(Clone, Debug)]
pub(super) struct OnThisThread(Tasks);

impl<F: Future + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, stream: F) {
        // Its end is noticed by the connection that it belongs to.
        drop(self.0.spawn_local("stream", async move {
            stream.await;
        }));
    }
}

impl Doors {
    pub(super) fn new(
        worker: Rc<Worker>,
        config: Config,
        tls: Arc<rustls::ServerConfig>,
        tasks: Tasks,
    ) -> Self {
        let head_bytes = usize::try_from(config.max_header_bytes).unwrap_or(usize::MAX);
        let mut http1 = http1::Builder::new();
        // `pipeline_flush` stays off: with it, the refusal of a head that does not parse is lost.
        http1.header_read_timeout(None).max_header_size(head_bytes);
        // Up to 100 fields are parsed without an allocation; `Received` keeps the bound below.
        if config.max_headers > 100 {
            http1.max_headers(config.max_headers);
        }
        let mut http2 = http2::Builder::new(OnThisThread(tasks));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_streams)
            .max_header_list_size(config.max_header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        Self { worker, config, acceptor: TlsAcceptor::from(tls), http1, http2 }
    }
}

/// Serves a connection until it ends, its client is lost, or the worker stops.
pub(super) async fn serve(doors: Rc<Doors>, stream: TcpStream, from: SocketAddr, secure: bool) {
    let _open = Open::count(&doors.worker);
    let pulse = Pulse::new(&doors.worker.alarms, &doors.config);
    let watched = Rc::clone(&pulse);
    let mut life = pin!(live(doors, pulse, stream, from, secure));
    let ended = std::future::poll_fn(|cx| {
        if watched.poll_lost(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        life.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        // Clients that leave in the middle are everyday.
        tracing::debug!(%from, error = &error as &dyn std::error::Error, "connection ended");
    }
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the TLS handshake took too long")]
    SlowHandshake,
    #[error("HTTP failed")]
    Http(#[source] hyper::Error),
}

async fn live(
    doors: Rc<Doors>,
    pulse: Rc<Pulse>,
    stream: TcpStream,
    from: SocketAddr,
    secure: bool,
) -> Result<(), Lost> {
    // Answers are written whole: waiting for more to send only costs time.
    stream.set_nodelay(true).map_err(Lost::Io)?;
    let (socket, frames) = if secure {
        handshake(&doors, stream, &pulse).await?
    } else {
        let mut socket = Socket::plain(stream, Rc::clone(&pulse));
        let frames = socket.starts_with_preface().await.map_err(Lost::Io)?;
        (socket, frames)
    };
    let worker = Rc::clone(&doors.worker);
    let peer = Peer::new(from.ip().to_canonical(), secure);
    let visit = Rc::new(Visit { worker, pulse: Rc::clone(&pulse), peer });
    let service = service_fn(move |request| call(Rc::clone(&visit), request));
    let io = TokioIo::new(socket);
    if frames {
        pulse.speaks_frames();
        drained(&doors.worker, doors.http2.serve_connection(io, service)).await
    } else {
        drained(&doors.worker, doors.http1.serve_connection(io, service)).await
    }
    .map_err(Lost::Http)
}

async fn handshake(
    doors: &Doors,
    stream: TcpStream,
    pulse: &Rc<Pulse>,
) -> Result<(Socket, bool), Lost> {
    let accepted =
        doors.worker.clock.timeout(doors.config.tls_timeout, doors.acceptor.accept(stream)).await;
    let accepted = accepted.map_err(|_elapsed| Lost::SlowHandshake);
    let accepted = accepted.and_then(|accepted| accepted.map_err(Lost::Handshake));
    let stream = accepted.inspect_err(|_| doors.worker.cells.handshakes_failed.add(1))?;
    let frames = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Socket::tls(stream, Rc::clone(pulse)), frames))
}

/// A connection of either protocol that can be asked to end after its calls.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn end_gracefully(self: Pin<&mut Self>);
}

impl<I, S, B> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Graceful for http2::Connection<I, S, OnThisThread>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    OnThisThread: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives a connection, and lets it end after its calls once the worker drains.
async fn drained(worker: &Worker, connection: impl Graceful) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let mut told = false;
    let drive = |cx: &mut Context<'_>| {
        if worker.draining.get() && !told {
            told = true;
            connection.as_mut().end_gracefully();
        }
        connection.as_mut().poll(cx)
    };
    std::future::poll_fn(drive).await
}

/// Counts a connection for as long as it is open.
struct Open(Rc<Worker>);

impl Open {
    fn count(worker: &Rc<Worker>) -> Self {
        worker.cells.connections.add(1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cells.connections.sub(1);
    }
}
