//! One HTTP request, and its answer.
//!
//! For token endpoints and readiness pages: a connection per request, bounded in time and size. TLS
//! servers are believed when the installation's authority signed them, or one that Debian trusts.

use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use chassis::clock::Clock;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Url;

const LARGEST_ANSWER: usize = 1 << 20;
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("only http:// and https:// are spoken")]
    Scheme,
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    #[error("TLS is not possible")]
    TlsSettings(#[source] rustls::Error),
    #[error("its name is no host name")]
    Name(#[source] InvalidDnsNameError),
    #[error("not an HTTP request")]
    Request(#[source] http::Error),
    #[error("the connection broke")]
    Exchange(#[source] hyper::Error),
    #[error("the answer is longer than 1 MiB, or broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer in time")]
    Late(#[source] chassis::clock::Elapsed),
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    clock: Clock,
    limit: Duration,
    /// PEM; may be empty.
    authority: Vec<u8>,
}

impl HttpClient {
    pub(crate) const fn new(clock: Clock, limit: Duration, authority: Vec<u8>) -> Self {
        Self { clock, limit, authority }
    }

    /// `url` says where it goes; what `request` says about that is replaced. GET where it names
    /// no method.
    pub(crate) async fn send(
        &self,
        url: &Url,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, HttpError> {
        let exchange = self.exchange(url, request, body);
        // The future holds a TLS session: too large to be carried on the stack.
        self.clock.timeout(self.limit, Box::pin(exchange)).await.map_err(HttpError::Late)?
    }

    async fn exchange(
        &self,
        url: &Url,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, HttpError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(HttpError::Scheme);
        };
        let path = url
            .query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let request = request
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(HttpError::Request)?;
        let address = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((address, port)).await.map_err(HttpError::Connect)?;
        match url.scheme() {
            "http" => exchange(stream, request).await,
            "https" => {
                let name = ServerName::try_from(address.to_owned()).map_err(HttpError::Name)?;
                let connector = TlsConnector::from(Arc::new(self.tls()?));
                let stream = connector.connect(name, stream).await.map_err(HttpError::Tls)?;
                exchange(stream, request).await
            }
            _ => Err(HttpError::Scheme),
        }
    }

    fn tls(&self) -> Result<ClientConfig, HttpError> {
        let mut roots = RootCertStore::empty();
        let system = fs::read(SYSTEM_AUTHORITIES).unwrap_or_default();
        for pem in [&self.authority, &system] {
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpError::TlsSettings)?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Exchange)?;
    let answer = async {
        let (head, body) =
            sender.send_request(request).await.map_err(HttpError::Exchange)?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(HttpError::Body)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    // The connection moves the bytes; once it has ended, what arrived is still to be read.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(HttpError::Exchange(error)),
        },
    }
}
