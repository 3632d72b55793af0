//! How does a TCP connection become a stream whose other end is known?
//!
//! The handshake runs beside the accepting, ends within five seconds, and asks for a certificate of
//! our authority. What is not TLS ends there: nothing of it reaches gRPC.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::host::Host;
use crate::pki::Peer;
use crate::web::{Door, Sparse};

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// A connection after its handshake.
pub(super) struct Accepted {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    _room: OwnedSemaphorePermit,
}

/// The other end of a connection; among the extensions of every request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) peer: Option<Arc<Peer>>,
    pub(super) address: SocketAddr,
}

/// Which service sent a request, by its certificate.
pub fn peer<T>(request: &tonic::Request<T>) -> Option<&Peer> {
    peer_in(request.extensions())
}

/// The same of a request that is no message yet, by its extensions.
pub fn peer_in(extensions: &http::Extensions) -> Option<&Peer> {
    extensions.get::<Caller>()?.peer.as_deref()
}

/// Where a request comes from, by its extensions.
pub fn address_in(extensions: &http::Extensions) -> Option<SocketAddr> {
    Some(extensions.get::<Caller>()?.address)
}

/// Takes connections in until the process drains; handshakes that succeed come out of `into`.
pub(super) async fn accept(
    host: Host,
    door: Door,
    tls: TlsAcceptor,
    into: mpsc::Sender<io::Result<Accepted>>,
) {
    let refusals = Arc::new(Sparse::new(host.clock.clone()));
    loop {
        let (stream, address, room) = tokio::select! {
            accepted = door.accept() => accepted,
            () = host.shutdown.wait() => return,
        };
        let (tls, into, clock) = (tls.clone(), into.clone(), host.clock.clone());
        let shutdown = host.shutdown.clone();
        let refusals = Arc::clone(&refusals);
        host.tasks.spawn("rpc handshake", async move {
            let handshake = clock.timeout(HANDSHAKE_WITHIN, tls.accept(stream));
            let outcome = tokio::select! {
                outcome = handshake => outcome,
                () = shutdown.wait() => return,
            };
            let error = match outcome {
                Ok(Ok(stream)) => {
                    let caller = Caller { peer: named(&stream).map(Arc::new), address };
                    // Nobody receives any more when the server has drained: the stream is closed.
                    let _ = into.send(Ok(Accepted { stream, caller, _room: room })).await;
                    return;
                }
                Ok(Err(error)) => error,
                Err(late) => io::Error::new(io::ErrorKind::TimedOut, late),
            };
            if let Some(unsaid) = refusals.say() {
                tracing::warn!(%address, %error, unsaid, "rpc connection refused");
            }
        });
    }
}

fn named(stream: &TlsStream<TcpStream>) -> Option<Peer> {
    Peer::from_certificate(stream.get_ref().1.peer_certificates()?.first()?)
}

impl Connected for Accepted {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
