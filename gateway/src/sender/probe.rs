//! Does a server answer, when nobody calls?
//!
//! One request on a connection of its own, without a worker's pool.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dial::DialError;
use super::trust::Trust;

/// The most bytes of an answer's head that are read.
const MOST: u64 = 16 * 1024;

/// Who is asked for what.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The name that is resolved and stands in the certificate.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Where exactly; `None`: the name says it.
    pub address: Option<SocketAddr>,
    /// The Host.
    pub authority: &'a str,
    /// What is asked with GET; empty: a connection is enough.
    pub path: &'a str,
    /// What the server is trusted by, on https.
    pub trust: Option<Arc<Trust>>,
}

/// The status of the answer; `None` where none was asked for.
pub async fn probe(asked: &Probe<'_>) -> Result<Option<u16>, DialError> {
    let stream = match asked.address {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((asked.host, asked.port)).await,
    };
    let stream = stream.map_err(DialError::Connect)?;
    let Some(trust) = &asked.trust else { return status(stream, asked).await };
    let name = match &trust.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(asked.host.to_owned()).map_err(DialError::Name)?,
    };
    let handshake = TlsConnector::from(Arc::clone(&trust.config)).connect(name, stream).await;
    status(handshake.map_err(DialError::Tls)?, asked).await
}

async fn status(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    asked: &Probe<'_>,
) -> Result<Option<u16>, DialError> {
    if asked.path.is_empty() {
        return Ok(None);
    }
    let (path, host) = (asked.path, asked.authority);
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: turnpike\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(DialError::Connect)?;
    let mut answer = Vec::with_capacity(512);
    let mut limited = stream.take(MOST);
    loop {
        if let Some(status) = status_line(&answer) {
            return status.map(Some);
        }
        if limited.read_buf(&mut answer).await.map_err(DialError::Connect)? == 0 {
            return Err(DialError::Connect(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// The status, once the line is there.
fn status_line(answer: &[u8]) -> Option<Result<u16, DialError>> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = answer.get(..end).and_then(|line| str::from_utf8(line).ok()).unwrap_or_default();
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.trim().parse().ok());
    Some(status.ok_or_else(|| DialError::Connect(io::ErrorKind::InvalidData.into())))
}
