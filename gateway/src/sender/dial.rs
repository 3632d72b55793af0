//! How is a connection to a backend made?
//!
//! The addresses of a name are tried one after the other, all of them within one time limit.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::link::Link;
use super::pool::{Connection, Lane, Pool};
use crate::http1::Places;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// As many connections are open as may be.
    #[error("too many connections to backends")]
    Busy,
    /// Nobody took it in time.
    #[error("no connection in time")]
    Timeout,
    /// The name is unknown or has no address.
    #[error("the name of the backend does not resolve")]
    Resolve(#[source] io::Error),
    /// No address took it.
    #[error("the backend takes no connection")]
    Connect(#[source] io::Error),
    /// The backend is not who it should be, or does not speak TLS.
    #[error("the backend failed the TLS handshake")]
    Tls(#[source] io::Error),
    /// It was asked for HTTP/2 and agreed to something else.
    #[error("the backend does not take HTTP/2")]
    NoHttp2,
    /// HTTP/2 could not be begun.
    #[error("HTTP/2 cannot be begun")]
    Http2(#[source] Box<h2::Error>),
    /// Another call tried, and did not get it either.
    #[error(transparent)]
    Other(#[from] Arc<DialError>),
    /// The host cannot stand in a certificate.
    #[error("the host of the backend is no name")]
    Name(#[source] rustls_pki_types::InvalidDnsNameError),
}

/// What is configured otherwise than for the gateway as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Connections to the address.
    pub connections: Option<NonZeroU32>,
}

impl Pool {
    /// A new connection to `lane`.
    pub async fn dial(
        &self,
        lane: &Rc<Lane>,
        clock: &Clock,
        limits: Limits,
    ) -> Result<Box<Connection>, DialError> {
        let counted = self.count(lane, limits.connections).ok_or(DialError::Busy)?;
        let timeout = limits.timeout.unwrap_or(self.config.connect_timeout);
        let link = clock.timeout(timeout, connect(lane)).await;
        let link = link.map_err(|_elapsed| DialError::Timeout)??;
        let places = Places::new(Rc::clone(&self.names), Rc::clone(&self.spares));
        Ok(Box::new(Connection::new(link, Rc::clone(lane), counted, places)))
    }
}

async fn connect(lane: &Lane) -> Result<Link, DialError> {
    if let Some(address) = lane.address {
        return secure(lane, reach(address).await.map_err(DialError::Connect)?).await;
    }
    let addresses = tokio::net::lookup_host((&*lane.host, lane.port)).await;
    let mut failed = DialError::Resolve(io::ErrorKind::NotFound.into());
    for address in addresses.map_err(DialError::Resolve)? {
        match reach(address).await {
            Ok(stream) => return secure(lane, stream).await,
            Err(error) => failed = DialError::Connect(error),
        }
    }
    Err(failed)
}

async fn reach(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A request is written whole: waiting for more to send only costs time.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secure(lane: &Lane, stream: TcpStream) -> Result<Link, DialError> {
    let Some(trust) = &lane.trust else { return Ok(Link::Plain(stream)) };
    let name = match &trust.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(lane.host.to_string()).map_err(DialError::Name)?,
    };
    let handshake = TlsConnector::from(std::sync::Arc::clone(&trust.config)).connect(name, stream);
    Ok(Link::Tls(Box::new(handshake.await.map_err(DialError::Tls)?)))
}
