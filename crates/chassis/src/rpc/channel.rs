//! How does a service reach another one?
//!
//! The channel connects when it is first used and again whenever the connection is lost; each call
//! fails at once while there is none. Certificates are looked up at each handshake, and the other
//! end must be the service that was expected, wherever it is found.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use super::error::Error;
use crate::clock::Clock;
use crate::pki::Identity;
use crate::telemetry;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(15);
const PONG_WITHIN: Duration = Duration::from_secs(5);
const WINDOW_BYTES: u32 = 1024 * 1024;

/// A channel to the service `peer` (`key-manager`) at `address` (`https://127.0.0.1:9454`).
/// Needs a running tokio runtime; connects on first use.
pub fn channel(identity: &Identity, address: &str, peer: &str) -> Result<Channel, Error> {
    over(identity.client_config_for(peer, &["h2"])?, address)
}

/// The same where no certificate is shown; `ca` is the file of the authority that is believed.
pub fn channel_without_certificate(ca: &Path, address: &str, peer: &str) -> Result<Channel, Error> {
    over(crate::pki::client_without_certificate(ca, peer, &["h2"])?, address)
}

fn over(tls: Arc<ClientConfig>, address: &str) -> Result<Channel, Error> {
    let refuse = || Error::Address(address.to_owned());
    let uri: Uri = address.parse().map_err(|_| refuse())?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(refuse());
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().ok_or_else(refuse)?;
    let server = ServerName::try_from(name.clone()).map_err(|_| refuse())?;
    // TLS is the connector's: to tonic the connection is a plain one, but it says `https` in the
    // requests, as it must.
    let plain = Endpoint::from_shared(format!("http://{authority}")).map_err(|_| refuse())?;
    let endpoint = plain
        .origin(uri)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .buffer_size(1024);
    let connector = Connector { tls: TlsConnector::from(tls), server, target: (name, port) };
    Ok(endpoint.connect_with_connector_lazy(connector))
}

/// Carries the current trace to the other end.
pub fn traced<T>(mut request: tonic::Request<T>) -> tonic::Request<T> {
    telemetry::inject(request.metadata_mut().as_mut());
    request
}

#[derive(Clone)]
struct Connector {
    tls: TlsConnector,
    server: ServerName<'static>,
    target: (String, u16),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("cannot connect")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Late(#[from] crate::clock::Elapsed),
}

type Stream = TokioIo<TlsStream<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let Self { tls, server, target } = self.clone();
        Box::pin(async move {
            let connecting = async {
                let stream = TcpStream::connect((target.0.as_str(), target.1)).await?;
                stream.set_nodelay(true)?;
                tls.connect(server, stream).await
            };
            let stream = Clock::system().timeout(CONNECT_WITHIN, connecting).await??;
            Ok(TokioIo::new(stream))
        })
    }
}
