//! What happens to a REST request from its first to its last byte?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::https::read;
use chassis::pki::ClientAuth;
use chassis::{Host, telemetry};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use plan::ResourceKey;
use tracing::Instrument;

use super::fault::{Fault, redirect};
use super::input::{DOCUMENT_BYTES, Query};
use super::reply::{Reply, reply};
use super::route::{Operation, Routed, find};
use super::{openapi, resources, several};
use crate::edge::authorize::{Who, of_operation};
use crate::edge::desk::Desk;
use crate::edge::token::AdminToken;

const BODY_WITHIN: Duration = Duration::from_secs(60);

/// The REST port.
#[derive(Debug)]
pub struct Rest {
    desk: Desk,
    token: Arc<AdminToken>,
}

impl Rest {
    /// Opens the port and serves it until the process drains; returns where it listens.
    pub async fn serve(
        host: &Host,
        config: &chassis::https::Config,
        desk: Desk,
        token: Arc<AdminToken>,
    ) -> Result<std::net::SocketAddr, chassis::https::Error> {
        let rest = Arc::new(Self { desk, token });
        let answer = move |request: Request<Incoming>| {
            let rest = rest.clone();
            async move { rest.answer(request).await }
        };
        chassis::https::serve(host, config, ClientAuth::None, answer).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let span = span(&request);
        let head = request.method() == Method::HEAD;
        let answered = self.operate(request).instrument(span).await;
        let mut response = answered.unwrap_or_else(|fault| fault.answer());
        if head {
            *response.body_mut() = Full::default();
        }
        response
    }

    async fn operate(&self, request: Request<Incoming>) -> Result<Reply, Fault> {
        let (parts, body) = request.into_parts();
        let routed = find(&parts.method, parts.uri.path())?;
        self.authorize(routed.operation, &parts.headers)?;
        let body = read(body, DOCUMENT_BYTES, &self.desk.clock, BODY_WITHIN).await;
        let body = body.map_err(Fault::Body)?;
        let query = Query::of(parts.uri.query());
        self.dispatch(routed, query, &parts.headers, body).await
    }

    /// Asked before a byte of the body is read.
    fn authorize(&self, operation: Operation, headers: &HeaderMap) -> Result<(), Fault> {
        let field = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        match of_operation(operation) {
            Who::Anyone => Ok(()),
            Who::Admin if self.token.is_shown(field) => Ok(()),
            Who::Admin | Who::Gateway => Err(Fault::Unauthenticated),
        }
    }

    async fn dispatch(
        &self,
        routed: Routed,
        query: Query,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let desk = &self.desk;
        let Routed { operation, kind, name } = routed;
        let kind = kind.ok_or(Fault::NoRoute(None));
        let key = |name: &str| kind.as_ref().ok().map(|kind| ResourceKey::of_id(*kind, name));
        let named = key(&name).ok_or(Fault::NoRoute(None));
        match operation {
            Operation::List => resources::list(desk, kind?, query),
            Operation::Get => resources::get(desk, &named?),
            Operation::Put => resources::put(desk, &named?, headers, body).await,
            Operation::Delete => resources::delete(desk, named?, headers).await,
            Operation::Apply => several::apply(desk, query, headers, body).await,
            Operation::Gateways => several::gateways(desk),
            Operation::GenerateKey => several::generate_key(desk, name, body).await,
            Operation::OpenApi => Ok(reply(StatusCode::OK, openapi::document())),
            Operation::Console => Err(Fault::NotYet("this build has no console")),
            Operation::DevPortal => Err(Fault::NotYet("this build has no developer portal")),
            Operation::Carbon => Ok(redirect("/console")),
        }
    }
}

fn span(request: &Request<Incoming>) -> tracing::Span {
    if !telemetry::enabled() {
        return tracing::Span::none();
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    let name = format!("{method} {path}");
    let span = tracing::info_span!(
        "rest",
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        url.path = path,
    );
    telemetry::extract(request.headers()).adopt(&span);
    span
}
