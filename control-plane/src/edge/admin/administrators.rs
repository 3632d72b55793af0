//! Is the caller an administrator?
//!
//! By the name in its certificate, or by the token. Asked before the service sees the request.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use chassis::rpc::peer;
use futures_util::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Extensions, Status};
use tower_service::Service;

use crate::edge::token::AdminToken;
use crate::people::Caller;

/// A service for administrators alone.
#[derive(Clone, Debug)]
pub(super) struct Administrators<S> {
    service: S,
    token: Arc<AdminToken>,
}

impl<S> Administrators<S> {
    pub(super) fn only(service: S, token: Arc<AdminToken>) -> Self {
        Self { service, token }
    }

    /// None: an administrator does not ask.
    fn caller(&self, request: &Request<Body>) -> Option<Caller> {
        let fields = request.headers();
        let field = fields.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let extensions: Extensions = request.extensions().clone();
        let seen = tonic::Request::from_parts(MetadataMap::new(), extensions, ());
        match peer(&seen).filter(|peer| peer.name == "admin") {
            Some(peer) => Some(Caller::of_certificate(peer)),
            None => self.token.is_shown(field).then(Caller::of_token),
        }
    }
}

/// Who was let in with this request.
pub(super) fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    let known = request.extensions().get::<Caller>().cloned();
    known.ok_or_else(|| Status::permission_denied("nobody has said who asks"))
}

impl<S: NamedService> NamedService for Administrators<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Administrators<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(caller) = self.caller(&request) else {
            let refused = Status::permission_denied("only administrators may do this");
            return Either::Left(ready(Ok(refused.into_http())));
        };
        request.extensions_mut().insert(caller);
        Either::Right(self.service.call(request))
    }
}
