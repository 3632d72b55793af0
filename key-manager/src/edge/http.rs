//! How does a client's own HTTPS request become a request of the endpoints?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::Host;
use chassis::clock::Clock;
use chassis::https::{self, BodyError, Caller};
use chassis::pki::ClientAuth;
use chassis::telemetry;
use http_body_util::Full;
use hyper::body::Incoming;
use tracing::{Instrument as _, Span};

use crate::config::CertificatesConfig;
use crate::endpoint::{Authority, LARGEST_BODY, Peer, Request, answer};

const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Opens the port; answers where it listens.
pub async fn https(
    host: &Host,
    config: &https::Config,
    authority: &Authority,
) -> Result<SocketAddr, https::Error> {
    open(host, config, ClientAuth::None, authority).await
}

/// Opens a second port, if there is to be one, that asks clients for certificates. On the first a
/// browser would ask its user for one.
pub async fn https_with_certificates(
    host: &Host,
    like: &https::Config,
    config: &CertificatesConfig,
    authority: &Authority,
) -> Result<Option<SocketAddr>, https::Error> {
    let Some(listen) = config.listen else { return Ok(None) };
    let config = https::Config { listen, ..like.clone() };
    open(host, &config, ClientAuth::Shown, authority).await.map(Some)
}

async fn open(
    host: &Host,
    config: &https::Config,
    auth: ClientAuth,
    authority: &Authority,
) -> Result<SocketAddr, https::Error> {
    let authority = authority.clone();
    https::serve(host, config, auth, move |request| {
        let authority = authority.clone();
        async move {
            let span = span(&request);
            serve(&authority, request).instrument(span).await
        }
    })
    .await
}

async fn serve(
    authority: &Authority,
    request: http::Request<Incoming>,
) -> http::Response<Full<Bytes>> {
    let Some(request) = read(request, &authority.clock).await else {
        let mut late = http::Response::new(Full::default());
        *late.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
        return late;
    };
    answer(authority, &request).await.map(Full::new)
}

/// `None`: the body did not come, or not in time.
async fn read(request: http::Request<Incoming>, clock: &Clock) -> Option<Request> {
    let (head, body) = request.into_parts();
    let caller = head.extensions.get::<Arc<Caller>>();
    let peer = Peer {
        address: caller.map(|caller| caller.address.ip()),
        certificate: caller
            .and_then(|caller| caller.certificate.as_ref())
            .map(|certificate| Bytes::copy_from_slice(certificate)),
        secure: true,
    };
    let body = match https::read(body, LARGEST_BODY, clock, BODY_WITHIN).await {
        Ok(body) => Some(body),
        Err(BodyError::TooLarge(_)) => None,
        Err(BodyError::TooSlow(_) | BodyError::Broken(_)) => return None,
    };
    Some(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        peer,
    })
}

fn span<B>(request: &http::Request<B>) -> Span {
    if !telemetry::enabled() {
        return Span::none();
    }
    let path = request.uri().path();
    let span = tracing::info_span!("https", otel.name = path, otel.kind = "server");
    telemetry::extract(request.headers()).adopt(&span);
    span
}
