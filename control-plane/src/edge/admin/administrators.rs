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

    fn permits(&self, request: &Request<Body>) -> bool {
        let fields = request.headers();
        let field = fields.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let extensions: Extensions = request.extensions().clone();
        let seen = tonic::Request::from_parts(MetadataMap::new(), extensions, ());
        peer(&seen).is_some_and(|peer| peer.name == "admin") || self.token.is_shown(field)
    }
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if self.permits(&request) {
            Either::Right(self.service.call(request))
        } else {
            let refused = Status::permission_denied("only administrators may do this");
            Either::Left(ready(Ok(refused.into_http())))
        }
    }
}
