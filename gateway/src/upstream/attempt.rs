//! What comes of one try on one server?
//!
//! A connection, from the pool or new; the head; the exchange. Whether a try that failed is made
//! again is not decided here, only told how far it got.

use std::rc::Rc;

use http::{Method, Response};
use plan::BackendUrl;

use super::books::Books;
use super::request::Request;
use crate::body::{Body, BodyError};
use crate::fault::Fault;
use crate::sender::{Connection, DialError, Failure, Lane, Order, SendError, http2, run};
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
    /// Onto a connection, from which no byte of an answer came.
    Sent,
    /// To a server that began to answer.
    Heard,
}

/// Sends `request` to `server` and waits for the head of the answer.
pub(super) async fn attempt(
    request: &Request<'_>,
    server: &BackendUrl,
    body: Body,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Missed> {
    if request.endpoint.credential.is_some() {
        // Never without the credential that was asked for.
        return Err(Missed { fault: Fault::ApiNotReady, reached: Reached::Nobody });
    }
    if request.endpoint.http2 {
        // Boxed, so that the future of other calls stays small.
        return Box::pin(stream(request, server, body, books)).await;
    }
    let mut connection = connection(request, server).await?;
    request.write_head(connection.output(), server, &body);
    books.asked(connection.lane());
    let used = connection.is_used();
    let order = Order {
        asked_with_head: request.received.method == Method::HEAD,
        waits: request.waits(),
        upgrades: request.handshake.is_some(),
        timeout: request.endpoint.timeout,
        body,
    };
    let running = run(&request.worker.pool, &request.worker.alarms, connection, order);
    running.await.map_err(|failure| unanswered(failure, used))
}

/// The same over HTTP/2, where connections are shared.
async fn stream(
    request: &Request<'_>,
    server: &BackendUrl,
    body: Body,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Missed> {
    let Worker { pool, channels, clock, .. } = request.worker;
    let lane = lane(request, server)?;
    let slot = channels.slot(pool, &lane, clock).await.map_err(unreachable)?;
    let mut head = Vec::new();
    request.write_head(&mut head, server, &body);
    books.asked(&lane);
    let order = Order {
        asked_with_head: request.received.method == Method::HEAD,
        waits: None,
        upgrades: false,
        timeout: request.endpoint.timeout,
        body,
    };
    let running = http2::run(slot, head, server.tls, order);
    running.await.map_err(|failure| unanswered(failure, false))
}

/// A free connection to `server`, or a new one.
async fn connection(request: &Request<'_>, server: &BackendUrl) -> Result<Connection, Missed> {
    let pool = &request.worker.pool;
    let lane = lane(request, server)?;
    if let Some(connection) = pool.take(&lane, request.worker.alarms.now()) {
        return Ok(connection);
    }
    // What is rare is boxed, so that the future of every call stays small.
    Box::pin(pool.dial(&lane, &request.worker.clock)).await.map_err(unreachable)
}

/// Where connections to `server` are kept, and what it is trusted by.
fn lane(request: &Request<'_>, server: &BackendUrl) -> Result<Rc<Lane>, Missed> {
    let trust = if server.tls {
        let trust = request.generation.backends.of(request.endpoint.tls.as_deref());
        // Never by another one than was asked for.
        let missed = Missed { fault: Fault::ApiNotReady, reached: Reached::Nobody };
        Some(trust.ok_or(missed)?)
    } else {
        None
    };
    let http2 =
        trust.filter(|_| request.endpoint.http2).map(|trust| request.worker.channels.trust(trust));
    let trust = http2.as_ref().or(trust);
    Ok(request.worker.pool.lane(&server.authority, &server.host, server.port, trust))
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
