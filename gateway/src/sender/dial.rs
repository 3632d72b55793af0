//! How is a connection to a backend made?
//!
//! The addresses of a name are tried one after the other, all of them within one time limit.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use chassis::clock::Clock;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::link::Link;
use super::pool::{Connection, Lane, Pool};

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

impl Pool {
    /// A new connection to `lane`.
    pub async fn dial(&self, lane: &Rc<Lane>, clock: &Clock) -> Result<Connection, DialError> {
        let counted = self.count().ok_or(DialError::Busy)?;
        let link = clock.timeout(self.config.connect_timeout, connect(lane)).await;
        let link = link.map_err(|_elapsed| DialError::Timeout)??;
        Ok(Connection::new(link, Rc::clone(lane), counted))
    }
}

async fn connect(lane: &Lane) -> Result<Link, DialError> {
    let addresses = tokio::net::lookup_host((&*lane.host, lane.port)).await;
    let mut failed = DialError::Resolve(io::ErrorKind::NotFound.into());
    for address in addresses.map_err(DialError::Resolve)? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is written whole: waiting for more to send only costs time.
                stream.set_nodelay(true).map_err(DialError::Connect)?;
                return secure(lane, stream).await;
            }
            Err(error) => failed = DialError::Connect(error),
        }
    }
    Err(failed)
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
