//! How does an HTTPS port take in, limit and drain its connections?
//!
//! HTTP/2 and HTTP/1.1 by ALPN; the handshake ends within five seconds; a good client certificate
//! is put among the request's extensions, a bad one ends the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;

use crate::host::Host;
use crate::pki::{self, ClientAuth, Peer};
use crate::web::{Door, Guarded, HEAD_WITHIN, Protocol, serve as serve_connection};

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A section like `[https]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The certificate's file; empty is the service's own certificate.
    #[serde(default)]
    pub certificate: String,
    /// The key's file; empty is the service's own key.
    #[serde(default)]
    pub key: String,
    /// How many connections there may be at a time.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// Who called; among the extensions of every request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// The certificate that the client has proven to own, if any.
    pub certificate: Option<CertificateDer<'static>>,
    /// The service of ours that is named by it, if any.
    pub peer: Option<Peer>,
}

/// Why the port did not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {listen}")]
    Listen {
        /// What was configured.
        listen: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("no certificate to serve HTTPS with")]
    Identity(#[from] pki::Error),
}

const fn connections() -> usize {
    1024
}

/// Opens an HTTPS port and serves it until the process drains; returns where it listens.
pub async fn serve<F, Fut, B>(
    host: &Host,
    config: &Config,
    auth: ClientAuth,
    answer: F,
) -> Result<SocketAddr, Error>
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listen = config.listen;
    let identity = host.identity(&config.certificate, &config.key, "")?;
    let tls = TlsAcceptor::from(identity.https_config(auth, &["h2", "http/1.1"])?);
    let door = Door::open(listen, config.connections, host.clock.clone()).await;
    let door = door.map_err(|source| Error::Listen { listen, source })?;
    let address = door.address().map_err(|source| Error::Listen { listen, source })?;
    let guarded = Guarded {
        clock: host.clock.clone(),
        shutdown: host.shutdown.clone(),
        head_within: HEAD_WITHIN,
    };
    let host = host.clone();
    host.tasks.clone().spawn("https", async move {
        loop {
            let (stream, peer, permit) = tokio::select! {
                accepted = door.accept() => accepted,
                () = host.shutdown.wait() => return,
            };
            let (tls, answer, guarded) = (tls.clone(), answer.clone(), guarded.clone());
            let connection = connect(tls, stream, peer, permit, guarded, answer);
            host.tasks.spawn("https connection", connection);
        }
    });
    tracing::info!(%address, "https listen");
    Ok(address)
}

async fn connect<F, Fut, B>(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    _room: OwnedSemaphorePermit,
    guarded: Guarded,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let handshake = guarded.clock.timeout(HANDSHAKE_WITHIN, tls.accept(stream));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        () = guarded.shutdown.wait() => return,
    };
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "handshake failed");
            return;
        }
        Err(error) => {
            tracing::debug!(%address, %error, "handshake cut");
            return;
        }
    };
    let session = stream.get_ref().1;
    let first = session.peer_certificates().and_then(<[_]>::first);
    let certificate = first.map(|certificate| certificate.clone().into_owned());
    let peer = certificate.as_ref().and_then(Peer::from_certificate);
    let caller = Arc::new(Caller { address, certificate, peer });
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let answer = move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&caller));
        answer(request)
    };
    serve_connection(stream, protocol, guarded, answer).await;
}
