//! Who asks, and may they?
//!
//! Asked before the service sees the request, by the one table of operations.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::edge::authorize::{Who, of_method, permits};
use crate::people::{Caller, Credentials, People, Unknown};

const NOBODY: &str = "nobody may do this";

/// A service for those whom the table lets in.
#[derive(Clone, Debug)]
pub(super) struct Administrators<S> {
    service: S,
    people: Arc<People>,
}

impl<S> Administrators<S> {
    pub(super) fn only(service: S, people: Arc<People>) -> Self {
        Self { service, people }
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
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready goes along, and a new one stays.
        let next = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, next);
        let people = Arc::clone(&self.people);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match admitted(&people, S::NAME, &parts).await {
                Ok(Some(caller)) => {
                    parts.extensions.insert(caller);
                }
                Ok(None) => {}
                Err(status) => return Ok(status.into_http()),
            }
            service.call(Request::from_parts(parts, body)).await
        })
    }
}

/// Who asks; none: anybody may.
async fn admitted(
    people: &People,
    service: &str,
    request: &Parts,
) -> Result<Option<Caller>, Status> {
    let path = request.uri.path();
    let who = of_method(service, path.rsplit('/').next().unwrap_or_default());
    let extensions = &request.extensions;
    let address = chassis::rpc::address_in(extensions);
    let address = address.map(|address| people.client(address.ip(), &request.headers));
    let who = who.ok_or_else(|| {
        people.nobodys(path, NOBODY, address);
        Status::permission_denied(NOBODY)
    })?;
    if who == Who::Anyone {
        return Ok(None);
    }
    let shown = Credentials {
        peer: chassis::rpc::peer_in(extensions),
        authorization: request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes),
        address,
    };
    let caller = people.recognise(shown).await.map_err(|unknown| {
        people.unknown(&unknown, path, address);
        status(&unknown)
    })?;
    permits(who, &caller).map_err(|why| {
        people.forbidden(&caller, path, why, address);
        Status::permission_denied(why)
    })?;
    Ok(Some(caller))
}

fn status(unknown: &Unknown) -> Status {
    let why = unknown.to_string();
    match unknown {
        Unknown::Nothing | Unknown::Invalid(_) => Status::unauthenticated(why),
        Unknown::Service(_) => Status::permission_denied(why),
        Unknown::Away | Unknown::NotLoaded => Status::unavailable(why),
        Unknown::TooMany(_) => Status::resource_exhausted(why),
    }
}
