//! May this caller make this call, and to which trace does it belong?

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use prometheus_client::metrics::counter::Counter;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;
use tracing::{Instrument as _, Span};

use super::accept::Caller;
use super::allow::Allow;
use super::ear::{Ear, Refused};
use crate::telemetry;

/// A gRPC service behind its table of callers.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    allow: Arc<Allow>,
    meters: Meters,
    ear: Option<Arc<dyn Ear>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Meters {
    pub(super) calls: Counter,
    pub(super) refused: Counter,
}

impl<S> Guard<S> {
    pub(super) fn new(inner: S, allow: Allow, meters: Meters, ear: Option<Arc<dyn Ear>>) -> Self {
        Self { inner, allow: Arc::new(allow), meters, ear }
    }
}

impl<S: NamedService> NamedService for Guard<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.meters.calls.inc();
        if let Err(refusal) = permit(&self.allow, &request) {
            self.meters.refused.inc();
            if let Some(ear) = &self.ear {
                let caller = request.extensions().get::<Caller>();
                ear.refused(Refused {
                    peer: caller.and_then(|caller| caller.peer.as_deref()),
                    address: caller.map(|caller| caller.address),
                    path: request.uri().path(),
                    why: refusal.message(),
                });
            }
            return Box::pin(std::future::ready(Ok(refusal.into_http())));
        }
        let span = span(&request);
        Box::pin(self.inner.call(request).instrument(span))
    }
}

fn permit<B>(allow: &Allow, request: &Request<B>) -> Result<(), Status> {
    let path = request.uri().path();
    let method = path.rsplit('/').next().unwrap_or_default();
    let caller = request.extensions().get::<Caller>();
    let peer = caller.and_then(|caller| caller.peer.as_deref());
    let Some(peer) = peer else {
        if allow.needs_no_certificate() {
            return Ok(());
        }
        let address = caller.map(|caller| caller.address);
        tracing::warn!(?address, path, "call refused: the certificate names no service");
        return Err(Status::unauthenticated("the certificate names no service"));
    };
    if allow.permits(&peer.name, method) {
        return Ok(());
    }
    tracing::warn!(%peer, path, "call refused: not in the table of callers");
    Err(Status::permission_denied(format!("`{}` may not call {path}", peer.name)))
}

fn span<B>(request: &Request<B>) -> Span {
    if !telemetry::enabled() {
        return Span::none();
    }
    let path = request.uri().path().trim_start_matches('/');
    let span = tracing::info_span!(
        "rpc",
        otel.name = path,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = path,
    );
    telemetry::extract(request.headers()).adopt(&span);
    span
}
