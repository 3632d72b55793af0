//! How is one connection of a client served, from its first byte to its last?

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chassis::task::Tasks;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::config::Config;
use super::crowd::{Crowd, Place};
use super::http1;
use super::http2::{Stall, Streams, Watched, call};
use super::proxy_protocol::{self, ProxyError};
use super::pulse::Pulse;
use super::socket::Socket;
use super::tunnel::Bounds;
use super::visit::Visit;
use crate::certificate::ClientCertificate;
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
    tasks: Tasks,
    acceptor: TlsAcceptor,
    http2: http2::Builder<Streams>,
    streams: Streams,
    crowd: Arc<Crowd>,
    callers: Rc<http1::Callers>,
}

/// How connections begin at a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// Under TLS.
    pub(super) secure: bool,
    /// With a PROXY header, before anything else.
    pub(super) proxied: bool,
}

impl Doors {
    pub(super) fn new(
        worker: Rc<Worker>,
        config: Config,
        tls: Arc<rustls::ServerConfig>,
        tasks: Tasks,
        crowd: Arc<Crowd>,
    ) -> Self {
        let streams = Streams::new(tasks.clone());
        let mut http2 = http2::Builder::new(streams.clone());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_streams)
            .max_header_list_size(config.max_header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN)
            // RFC 8441: WebSocket over one stream.
            .enable_connect_protocol();
        let (acceptor, callers) = (TlsAcceptor::from(tls), Rc::default());
        Self { worker, config, tasks, acceptor, http2, streams, crowd, callers }
    }
}

/// Serves a connection until it ends, its client is lost, or the worker stops.
pub(super) async fn serve(doors: Rc<Doors>, stream: TcpStream, from: SocketAddr, manners: Manners) {
    let _open = Open::count(&doors.worker);
    let pulse = Pulse::new(&doors.worker.alarms, &doors.config);
    let watched = Rc::clone(&pulse);
    let worker = Rc::clone(&doors.worker);
    let mut life = pin!(live(doors, pulse, stream, from, manners));
    let ended = std::future::poll_fn(|cx| {
        // A client that is lost may still be told, so the connection is asked first.
        if let ended @ Poll::Ready(_) = life.as_mut().poll(cx) {
            return ended;
        }
        // At the end of a drain also who has not said a word yet is waited for no more.
        if worker.waits_no_more.get() && watched.is_quiet() {
            return Poll::Ready(Ok(()));
        }
        watched.poll_lost(cx).map(Ok)
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
    #[error("the client has too many connections")]
    Crowded,
    #[error("no proxy that is trusted")]
    NoProxy,
    #[error("the proxy did not say whose connection it is")]
    Proxy(#[source] ProxyError),
    #[error("the proxy took too long to say whose connection it is")]
    SlowProxy,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the TLS handshake took too long")]
    SlowHandshake,
    #[error("HTTP/2 failed")]
    Http2(#[source] hyper::Error),
}

async fn live(
    doors: Rc<Doors>,
    pulse: Rc<Pulse>,
    mut stream: TcpStream,
    from: SocketAddr,
    manners: Manners,
) -> Result<(), Lost> {
    let client = if manners.proxied {
        // What is rare is boxed, so that the future of every connection stays small.
        Box::pin(handed_on(&doors, &mut stream, from)).await?
    } else {
        from
    };
    let client = client.ip().to_canonical();
    let _place = place(&doors, client)?;
    // Answers are written whole: waiting for more to send only costs time.
    stream.set_nodelay(true).map_err(Lost::Io)?;
    let (socket, frames, certificate) = if manners.secure {
        // What is done once, and what few need, is boxed: the rest stays for as long as the
        // connection.
        Box::pin(handshake(&doors, stream, &pulse)).await?
    } else {
        let mut socket = Socket::plain(stream, Rc::clone(&pulse));
        let frames = socket.starts_with_preface().await.map_err(Lost::Io)?;
        (socket, frames, None)
    };
    let worker = Rc::clone(&doors.worker);
    let peer = Peer { certificate, ..Peer::new(client, manners.secure) };
    let Config { websocket_idle, websocket_max_message, .. } = doors.config;
    let visit = Rc::new(Visit {
        worker,
        pulse: Rc::clone(&pulse),
        peer,
        websockets: Bounds { patience: websocket_idle, message: websocket_max_message },
        tasks: doors.tasks.clone(),
        callers: Rc::clone(&doors.callers),
    });
    if frames {
        pulse.speaks_frames();
        let streams = doors.streams.clone();
        let Config { stall_timeout, min_rate, .. } = doors.config;
        let service = service_fn(move |request| {
            let stall = Stall::new(&visit.worker.alarms, stall_timeout, min_rate);
            streams.announce(&stall);
            call(Rc::clone(&visit), stall, request)
        });
        let Config { max_control_frames, max_resets, .. } = doors.config;
        let watched =
            Watched::new(socket, Rc::clone(&doors.worker), max_control_frames, max_resets);
        let connection = doors.http2.serve_connection(TokioIo::new(watched), service);
        Box::pin(drained(&doors.worker, connection)).await.map_err(Lost::Http2)
    } else {
        let most = usize::try_from(doors.config.max_header_bytes).unwrap_or(usize::MAX);
        http1::serve(&visit, socket, most).await.map_err(Lost::Io)
    }
}

/// Whose connection a proxy hands on.
async fn handed_on(
    doors: &Doors,
    stream: &mut TcpStream,
    from: SocketAddr,
) -> Result<SocketAddr, Lost> {
    let Worker { proxies, clock, cells, .. } = &*doors.worker;
    let said = if proxies.trusts(from.ip().to_canonical()) {
        let said = clock.timeout(doors.config.tls_timeout, proxy_protocol::read(stream)).await;
        said.map_err(|_elapsed| Lost::SlowProxy).and_then(|said| said.map_err(Lost::Proxy))
    } else {
        Err(Lost::NoProxy)
    };
    Ok(said.inspect_err(|_| cells.unproxied.add(1))?.unwrap_or(from))
}

/// A place for one more connection of this client; none is taken by whom many may come through.
fn place(doors: &Doors, client: IpAddr) -> Result<Option<Place>, Lost> {
    let uncounted =
        !doors.crowd.counts() || client.is_loopback() || doors.worker.proxies.trusts(client);
    if uncounted {
        return Ok(None);
    }
    let place = doors.crowd.enter(client);
    if place.is_none() {
        doors.worker.cells.crowded.add(1);
        return Err(Lost::Crowded);
    }
    Ok(place)
}

async fn handshake(
    doors: &Doors,
    stream: TcpStream,
    pulse: &Rc<Pulse>,
) -> Result<(Socket, bool, Option<Rc<ClientCertificate>>), Lost> {
    let accepted =
        doors.worker.clock.timeout(doors.config.tls_timeout, doors.acceptor.accept(stream)).await;
    let accepted = accepted.map_err(|_elapsed| Lost::SlowHandshake);
    let accepted = accepted.and_then(|accepted| accepted.map_err(Lost::Handshake));
    let stream = accepted.inspect_err(|_| doors.worker.cells.handshakes_failed.add(1))?;
    let session = stream.get_ref().1;
    let frames = session.alpn_protocol() == Some(b"h2");
    let certificate = session.peer_certificates().and_then(ClientCertificate::shown).map(Rc::new);
    Ok((Socket::tls(stream, Rc::clone(pulse)), frames, certificate))
}

/// Drives an HTTP/2 connection, and lets it end after its calls once the worker drains or memory is
/// short.
async fn drained<I, S, B>(
    worker: &Worker,
    connection: http2::Connection<I, S, Streams>,
) -> hyper::Result<()>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Streams: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    let mut connection = pin!(connection);
    let mut told = false;
    let drive = |cx: &mut Context<'_>| {
        if !told && (worker.draining.get() || !worker.gate.keeps()) {
            told = true;
            connection.as_mut().graceful_shutdown();
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
