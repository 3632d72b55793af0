//! What happens to a REST request from its first to its last byte?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::https::read;
use chassis::pki::ClientAuth;
use chassis::shutdown::Shutdown;
use chassis::{Host, telemetry};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use plan::ResourceKey;
use tracing::Instrument;

use super::fault::{Fault, redirect};
use super::input::{DOCUMENT_BYTES, Query, accepts};
use super::reply::{Reply, reply, without_body};
use super::route::{Operation, Routed, find};
use super::transcode::Asked;
use super::{approvals, history, life, limits, openapi, resources, several, transcode};
use crate::edge::authorize::{Who, of_operation, permits};
use crate::edge::desk::Desk;
use crate::edge::inside::Inside;
use crate::edge::{json, to_proto};
use crate::manage::workflow::Verdict;
use crate::people::{Caller, Credentials, Unknown};

const BODY_WITHIN: Duration = Duration::from_mins(1);
const DISCARDED_BYTES: usize = 2 * DOCUMENT_BYTES;
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// The REST port.
#[derive(Debug)]
pub struct Rest {
    desk: Desk,
    inside: Inside,
    shutdown: Shutdown,
}

impl Rest {
    /// Opens the port and serves it until the process drains; returns where it listens.
    pub async fn serve(
        host: &Host,
        config: &chassis::https::Config,
        desk: Desk,
        inside: Inside,
    ) -> Result<std::net::SocketAddr, chassis::https::Error> {
        let rest = Arc::new(Self { desk, inside, shutdown: host.shutdown.clone() });
        let answer = move |request: Request<Incoming>| {
            let rest = rest.clone();
            async move { Box::pin(rest.answer(request)).await }
        };
        chassis::https::serve(host, config, ClientAuth::None, answer).await
    }

    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let span = span(&request);
        let (parts, mut body) = request.into_parts();
        let head = parts.method == Method::HEAD;
        let answered = self.operate(&parts, &mut body).instrument(span).await;
        let response = match answered {
            Ok(response) => response,
            Err(fault) => {
                self.discard(&mut body).await;
                fault.answer()
            }
        };
        if head { without_body(response) } else { response }
    }

    async fn operate(&self, parts: &Parts, body: &mut Incoming) -> Result<Reply, Fault> {
        let routed = find(&parts.method, parts.uri.path())?;
        let by = self.authorize(&routed, parts).await?;
        accepts(&parts.headers, routed.operation.answers())?;
        let body = read(body, DOCUMENT_BYTES, &self.desk.clock, BODY_WITHIN).await;
        let body = body.map_err(Fault::Body)?;
        let query = Query::of(parts.uri.query());
        self.dispatch(by, routed, query, &parts.headers, body).await
    }

    /// Reads on what nobody wants, within bounds: a client that is still sending over HTTP/2 takes
    /// an early answer for a broken stream.
    async fn discard(&self, body: &mut Incoming) {
        let rest = async {
            let mut room = DISCARDED_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                let size = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = room.checked_sub(size) else { return };
                room = left;
            }
        };
        // Who sends more, or slower, sees the stream reset.
        let _ = self.desk.clock.timeout(DISCARD_WITHIN, rest).await;
    }

    /// Asked before a byte of the body is read. None: anybody may do it.
    async fn authorize(&self, routed: &Routed, parts: &Parts) -> Result<Option<Caller>, Fault> {
        let who = of_operation(routed.operation, routed.kind);
        if who == Who::Anyone {
            return Ok(None);
        }
        let from = parts.extensions.get::<Arc<chassis::https::Caller>>();
        let people = &self.desk.people;
        let address = from.map(|from| people.client(from.address.ip(), &parts.headers));
        let authorization = parts.headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let shown = Credentials { peer: None, authorization, address };
        let what = format!("{} {}", parts.method, parts.uri.path());
        let caller = people.recognise(shown).await.map_err(|unknown| {
            people.unknown(&unknown, &what, address);
            Fault::Unknown(unknown)
        })?;
        permits(who, &caller).map_err(|why| {
            people.forbidden(&caller, &what, why, address);
            Fault::Forbidden(why)
        })?;
        Ok(Some(caller))
    }

    async fn dispatch(
        &self,
        by: Option<Caller>,
        routed: Routed,
        query: Query,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let desk = &self.desk;
        let Routed { operation, kind, name, parameters } = routed;
        let kind = kind.ok_or(Fault::NoRoute(None));
        let key = |name: &str| kind.as_ref().ok().map(|kind| ResourceKey::of_id(*kind, name));
        let named = key(&name).ok_or(Fault::NoRoute(None));
        let by = by.ok_or(Fault::Unknown(Unknown::Nothing));
        match operation {
            Operation::List => {
                let listed = resources::list(desk, &by?, kind?, query)?;
                resources::unless_known(listed, headers)
            }
            Operation::Get => {
                query.done(&[])?;
                resources::unless_known(resources::get(desk, &by?, &named?)?, headers)
            }
            Operation::Put => {
                query.done(&[])?;
                resources::put(desk, &by?, &named?, headers, body).await
            }
            Operation::Delete => {
                query.done(&[])?;
                resources::delete(desk, &by?, named?, headers).await
            }
            Operation::Apply => several::apply(desk, &by?, query, headers, body).await,
            Operation::Gateways => several::gateways(desk, &by?, query),
            Operation::History => history::list(desk, &by?, query).await,
            Operation::AsOf => history::as_of(desk, &by?, query).await,
            Operation::Diff => history::diff(desk, &by?, query).await,
            Operation::Rollback => {
                query.done(&[])?;
                history::rollback(desk, &by?, headers, body).await
            }
            Operation::Audit => history::audit(desk, &by?, query).await,
            Operation::GenerateKey => {
                query.done(&[])?;
                several::generate_key(desk, &by?, name, headers, body).await
            }
            Operation::Lifecycle => {
                query.done(&[])?;
                life::lifecycle(desk, &by?, &name)
            }
            Operation::ChangeLifecycle => {
                query.done(&[])?;
                life::change(desk, &by?, &name, headers, body).await
            }
            Operation::NewVersion => {
                query.done(&[])?;
                life::new_version(desk, &by?, &name, headers, body).await
            }
            Operation::Requests => approvals::list(desk, &by?, query),
            Operation::Request => {
                query.done(&[])?;
                approvals::get(desk, &by?, &name)
            }
            Operation::Approve | Operation::Reject => {
                query.done(&[])?;
                let approves = operation == Operation::Approve;
                let verdict = if approves { Verdict::Approve } else { Verdict::Reject };
                approvals::decide(desk, &by?, name, (headers, body), verdict).await
            }
            Operation::Limits => limits::usage(desk, &by?, name, query).await,
            Operation::ResetLimits => {
                query.done(&[])?;
                limits::reset(desk, &by?, name, headers, body).await
            }
            Operation::Call(call) => {
                let now = desk.clock.now();
                let asked = Asked { parameters: &parameters, query, headers, body: &body, now };
                transcode::call(&self.inside, call, asked, &self.shutdown).await
            }
            Operation::WhoAmI => {
                query.done(&[])?;
                let known = to_proto::caller(&by?);
                let known = json::of("turnpike.admin.v1.WhoAmIResponse", &known);
                Ok(reply(StatusCode::OK, &known))
            }
            Operation::OpenApi => {
                query.done(&[])?;
                Ok(reply(StatusCode::OK, openapi::document()))
            }
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
