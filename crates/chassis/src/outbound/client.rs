//! One request to a server that somebody else named, and its answer.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header, request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use url::Url;

use super::reach::Reach;
use crate::clock::{Clock, Elapsed};
use crate::pki::system_authorities;

/// The most addresses of a host that are dialled, one after another.
const MOST_ADDRESSES: usize = 4;
/// The most hosts whose turns are kept at a time.
const MOST_HOSTS: usize = 1024;

/// What holds for every request.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where they may go.
    pub reach: Reach,
    /// How long one may take, all together.
    pub limit: Duration,
    /// The largest body of an answer, in bytes.
    pub largest: usize,
    /// How many may be under way to one host; the next ones wait, within their `limit`.
    pub at_once: usize,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client can be made.
    #[error("TLS is not possible")]
    Setup(#[source] rustls::Error),
    /// Neither `https` nor, where that is allowed, `http`.
    #[error("only https is spoken")]
    Scheme,
    /// The URL has a name or a password in it, or no host.
    #[error("the URL is not one that can be asked")]
    Url,
    /// The name leads to an address that is not to be dialled for others.
    #[error("{0} is at an address that may not be reached from here")]
    Forbidden(String),
    /// No address, or nobody listens.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The server is not who it should be.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The host cannot stand in a certificate.
    #[error("its name is no host name")]
    Name(#[source] InvalidDnsNameError),
    /// It cannot be written.
    #[error("not an HTTP request")]
    Request(#[source] http::Error),
    /// It broke on the way.
    #[error("the connection broke")]
    Exchange(#[source] hyper::Error),
    /// Too long, or it broke off.
    #[error("the answer is too long, or broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not within the limit.
    #[error("no answer in time")]
    Late(#[source] Elapsed),
    /// More hosts are asked at a time than can be.
    #[error("too many hosts are asked at once")]
    Busy,
}

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    clock: Clock,
    rules: Rules,
    tls: Arc<ClientConfig>,
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Client {
    /// Servers are believed that an authority of the operating system signed, or one of `more` (PEM,
    /// may be empty). Reads a file.
    pub fn new(clock: Clock, rules: Rules, more: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_authorities());
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(more).flatten());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let turns = Mutex::default();
        Ok(Self(Arc::new(Parts { clock, rules, tls: Arc::new(tls), turns })))
    }

    /// `url` says where it goes; what `request` says about that is replaced. GET where it names
    /// no method. A redirect is an answer like others.
    pub async fn send(
        &self,
        url: &Url,
        request: request::Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let exchange = self.exchange(url, request, body);
        // The future holds a TLS session: too large to be carried on the stack.
        self.0.clock.timeout(self.0.rules.limit, Box::pin(exchange)).await.map_err(Error::Late)?
    }

    async fn exchange(
        &self,
        url: &Url,
        request: request::Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let Parts { rules, tls, .. } = &*self.0;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" if rules.reach.admits_cleartext() => false,
            _ => return Err(Error::Scheme),
        };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Error::Url);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url);
        }
        let path = url
            .query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let request = request
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(Error::Request)?;
        let host = host.trim_matches(['[', ']']);
        let turns = self.turns(host)?;
        // Nobody closes it.
        let _turn = turns.acquire().await.map_err(|_| Error::Busy)?;
        let stream = self.dial(host, port).await?;
        if !encrypted {
            return exchange(stream, request, rules.largest).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(Error::Name)?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await.map_err(Error::Tls)?;
        exchange(stream, request, rules.largest).await
    }

    /// A connection to one of the addresses that the host has now. Where one of them may not be
    /// reached, none is: somebody mixes them to be dialled by chance.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let found = tokio::net::lookup_host((host, port)).await.map_err(Error::Connect)?;
        let addresses: Vec<SocketAddr> = found.collect();
        let admitted = |one: &SocketAddr| self.0.rules.reach.admits(host, one.ip());
        if !addresses.iter().all(admitted) {
            return Err(Error::Forbidden(host.to_owned()));
        }
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(Error::Connect(failed))
    }

    fn turns(&self, host: &str) -> Result<Arc<Semaphore>, Error> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = turns.get(host) {
            return Ok(Arc::clone(known));
        }
        if turns.len() >= MOST_HOSTS {
            // Those that nobody waits for.
            turns.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        if turns.len() >= MOST_HOSTS {
            return Err(Error::Busy);
        }
        let new = Arc::new(Semaphore::new(self.0.rules.at_once.max(1)));
        turns.insert(host.to_owned(), Arc::clone(&new));
        Ok(new)
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    largest: usize,
) -> Result<Response<Bytes>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Error::Exchange)?;
    let answer = async {
        let (head, body) =
            sender.send_request(request).await.map_err(Error::Exchange)?.into_parts();
        let body = Limited::new(body, largest).collect().await.map_err(Error::Body)?;
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
            Err(error) => Err(Error::Exchange(error)),
        },
    }
}
