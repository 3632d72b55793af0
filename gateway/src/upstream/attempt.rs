//! What comes of one try on one server?
//!
//! A connection, from the pool or new; the head; the exchange. Whether a try that failed is made
//! again is not decided here, only told how far it got.

use std::pin::pin;
use std::rc::Rc;

use http::{Method, Response};
use plan::ServerPlan;

use super::books::Books;
use super::offer::Offer;
use super::request::Request;
use super::verdict::judge;
use crate::body::{Body, BodyError};
use crate::fault::Fault;
use crate::sender::{Connection, DialError, Failure, Lane, Limits, Order, SendError, http2, run};
use crate::worker::Worker;

/// Why a try brought no answer.
#[derive(Debug)]
pub(super) struct Missed {
    /// What the client is told if nothing better comes.
    pub(super) fault: Fault,
    /// How far the request got.
    pub(super) reached: Reached,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nowhere: there is no connection.
    Nobody,
    /// Onto a connection that was used before and closed without a word: its server had most likely
    /// closed it before.
    Stale,
    /// To a server that says that it has not looked at it (RFC 9113 §8.7).
    Refused,
    /// Onto a connection, from which no byte of an answer came.
    Sent,
    /// To a server that began to answer.
    Heard,
}

/// A server that was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick<'a> {
    /// Its place among the addresses of the endpoint.
    pub(super) index: usize,
    /// What is configured about it.
    pub(super) server: &'a ServerPlan,
    /// Whether the connection has to be a new one.
    pub(super) fresh: bool,
}

/// Sends `request` to the server that was chosen and waits for the head of the answer. The server
/// is judged by what comes.
pub(super) async fn attempt(
    request: &Request<'_>,
    pick: Pick<'_>,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Missed> {
    let began = request.view.wants_latency().then(|| request.worker.clock.instant());
    let result = pin!(exchange(request, pick, offer, books)).await;
    if request.view.len() > 1 {
        judge(request, pick, &result, began);
    }
    result
}

async fn exchange(
    request: &Request<'_>,
    pick: Pick<'_>,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Missed> {
    if request.endpoint.credential.is_some() && request.shown.is_none() {
        // Never without the credential that was asked for.
        return Err(Missed { fault: Fault::ApiNotReady, reached: Reached::Nobody });
    }
    if request.jwt().is_some() && request.told.is_none() {
        // Never without a word about the caller either.
        return Err(Missed { fault: Fault::ApiNotReady, reached: Reached::Nobody });
    }
    if request.endpoint.http2 {
        // Boxed, so that the future of other calls stays small.
        return Box::pin(stream(request, pick, offer, books)).await;
    }
    let mut connection = connection(request, pick).await?;
    let body = request.sifted(offer.take());
    request.write_head(connection.output(), &pick.server.url, &body);
    books.asked(pick.index, connection.lane(), request.view.begin(pick.index));
    let used = connection.is_used();
    let endpoint = request.endpoint;
    let order = Order {
        asked_with_head: request.received.method == Method::HEAD,
        waits: request.waits(),
        teller: request.teller(),
        upgrades: request.handshake.is_some(),
        timeout: endpoint.timeout,
        idle_timeout: request.idle_timeout(),
        deadline: request.deadline,
        body,
    };
    let running = run(&request.worker.pool, &request.worker.alarms, connection, order);
    running.await.map_err(|failure| unanswered(failure, used))
}

/// The same over HTTP/2, where connections are shared.
async fn stream(
    request: &Request<'_>,
    pick: Pick<'_>,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Missed> {
    let Worker { pool, channels, clock, .. } = &**request.worker;
    let asked_at = request.worker.alarms.now();
    let lane = lane(request, pick)?;
    let slot = channels.slot(pool, &lane, clock, limits(request)).await.map_err(unreachable)?;
    let mut head = Vec::new();
    let body = request.sifted(offer.take());
    request.write_head(&mut head, &pick.server.url, &body);
    books.asked(pick.index, &lane, request.view.begin(pick.index));
    let deadline = request.deadline_at(asked_at);
    let order = Order {
        asked_with_head: request.received.method == Method::HEAD,
        waits: None,
        teller: request.teller(),
        upgrades: false,
        timeout: request.try_timeout(),
        idle_timeout: request.idle_timeout(),
        deadline,
        body,
    };
    let running = http2::run(slot, head, pick.server.url.tls, order);
    running.await.map_err(|failure| unanswered(failure, false))
}

/// What the endpoint says about its connections.
fn limits(request: &Request<'_>) -> Limits {
    let now = request.worker.alarms.now();
    let left = request.deadline.map(|deadline| deadline.saturating_duration_since(now));
    Limits {
        timeout: request.endpoint.connect_timeout.into_iter().chain(left).min(),
        connections: request.endpoint.bulkhead.max_connections,
    }
}

/// A free connection to the server, or a new one.
async fn connection(request: &Request<'_>, pick: Pick<'_>) -> Result<Box<Connection>, Missed> {
    let pool = &request.worker.pool;
    let lane = lane(request, pick)?;
    let now = request.worker.alarms.now();
    if !pick.fresh
        && let Some(connection) = pool.take(&lane, now)
    {
        return Ok(connection);
    }
    // What is rare is boxed, so that the future of every call stays small.
    Box::pin(pool.dial(&lane, &request.worker.clock, limits(request))).await.map_err(unreachable)
}

/// Where connections to the server are kept, and what it is trusted by.
fn lane(request: &Request<'_>, pick: Pick<'_>) -> Result<Rc<Lane>, Missed> {
    let url = &pick.server.url;
    let trust = if url.tls {
        let trust = request.ground.backends.of(request.endpoint.tls.as_deref());
        // Never by another one than was asked for.
        let missed = Missed { fault: Fault::ApiNotReady, reached: Reached::Nobody };
        Some(trust.ok_or(missed)?)
    } else {
        None
    };
    let http2 =
        trust.filter(|_| request.endpoint.http2).map(|trust| request.worker.channels.trust(trust));
    let trust = http2.as_ref().or(trust);
    let make = || {
        let address = request.view.target(pick.index).and_then(|target| target.address);
        request.worker.pool.lane(&url.authority, &url.host, url.port, address, trust)
    };
    Ok(request.view.lane(pick.index, |lane| lane.trusts(trust), make))
}

fn unreachable(error: DialError) -> Missed {
    let fault = match error {
        DialError::Busy => Fault::BackendBusy,
        DialError::Timeout => Fault::BackendConnectTimeout,
        DialError::Other(error) if matches!(*error, DialError::Busy) => Fault::BackendBusy,
        DialError::Other(error) if matches!(*error, DialError::Timeout) => {
            Fault::BackendConnectTimeout
        }
        error => Fault::BackendUnreachable(Box::new(error)),
    };
    Missed { fault, reached: Reached::Nobody }
}

fn unanswered(failure: Failure, used: bool) -> Missed {
    let Failure { error, heard } = failure;
    let reached = match &error {
        _ if heard => Reached::Heard,
        SendError::Closed(_) if used => Reached::Stale,
        SendError::Refused(_) => Reached::Refused,
        _ => Reached::Sent,
    };
    let fault = match error {
        SendError::Timeout => Fault::BackendTimeout,
        SendError::RequestBody(BodyError::TooLarge) => Fault::BodyTooLarge,
        SendError::RequestBody(BodyError::TooSlow) => Fault::RequestTimeout,
        SendError::RequestBody(error) => Fault::IncompleteBody(Box::new(error)),
        error @ (SendError::Closed(_) | SendError::Refused(_) | SendError::Reset(_)) => {
            Fault::BackendClosed(Box::new(error))
        }
        error @ (SendError::Protocol(_) | SendError::Http2(_) | SendError::Head(_)) => {
            Fault::BackendProtocol(Box::new(error))
        }
    };
    Missed { fault, reached }
}
