//! How does the gateway itself ask somebody something over HTTP?
//!
//! Once in a while, away from the workers: one request on a connection of its own, one short answer.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use plan::BackendUrl;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::trust::Trust;

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody takes the connection.
    #[error("there is no connection")]
    Connect(#[source] io::Error),
    /// The host cannot stand in a certificate.
    #[error("the host is no name")]
    Name(#[source] InvalidDnsNameError),
    /// The server is not who it should be, or does not speak TLS.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The exchange broke off.
    #[error("the exchange failed")]
    Http(#[source] hyper::Error),
    /// The answer broke off or is too long.
    #[error("the answer is not whole or too long")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends `request` to `server` and reads the answer. Without a time limit of its own.
pub async fn ask(
    server: &BackendUrl,
    trust: &Trust,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AskError> {
    let stream = TcpStream::connect((server.host.as_str(), server.port));
    let stream = stream.await.map_err(AskError::Connect)?;
    if !server.tls {
        return exchange(stream, request).await;
    }
    let name = match &trust.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(server.host.clone()).map_err(AskError::Name)?,
    };
    let connector = TlsConnector::from(std::sync::Arc::clone(&trust.config));
    exchange(connector.connect(name, stream).await.map_err(AskError::Tls)?, request).await
}

async fn exchange(
    link: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), AskError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(link)).await.map_err(AskError::Http)?;
    let answer = std::pin::pin!(async move {
        let answer = sender.send_request(request).await.map_err(AskError::Http)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(AskError::Body)?.to_bytes()))
    });
    // The connection may be over before what it brought has been read.
    match futures_util::future::select(answer, std::pin::pin!(connection)).await {
        futures_util::future::Either::Left((answer, _)) => answer,
        futures_util::future::Either::Right((_, answer)) => answer.await,
    }
}
