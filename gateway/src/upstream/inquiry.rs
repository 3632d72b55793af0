//! What does a server say that the gateway itself asks something, in the course of a call?
//!
//! The question goes the way of a call: the same choice of a server, connections, credentials,
//! further tries and breaker. Its answer is short and is read to its end, and all of it together has
//! one bound in time.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;

use super::ask::ask;
use super::attempt::{Missed, Pick, Reached};
use super::books::Books;
use super::entrance::enter;
use super::offer::Offer;
use super::request::{Ground, Request};
use super::security::prepare;
use super::verdict::judge;
use crate::account::Account;
use crate::body::Body;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::handlers::Permit;
use crate::received::Received;
use crate::worker::Worker;

/// The longest answer that is read, in bytes.
const MOST_ANSWER: usize = 64 * 1024;

/// A question on its way out.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// Whose connections are used.
    pub worker: &'a Rc<Worker>,
    /// The configuration in force.
    pub generation: &'a Generation,
    /// The head of the question.
    pub received: &'a Received,
    /// Its body.
    pub body: Bytes,
    /// Whom it goes to.
    pub permit: &'a Permit<'a>,
    /// The name of the call in whose course it is asked.
    pub name: [u8; 16],
    /// How long all of it may take.
    pub patience: Duration,
}

/// A whole answer.
#[derive(Debug)]
pub struct Heard {
    /// Its status.
    pub status: StatusCode,
    /// The fields before its body.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The fields behind its body.
    pub trailers: HeaderMap,
}

/// The answer is longer than any honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer has more than {MOST_ANSWER} bytes")]
struct TooLong;

/// Asks, and lets `read` find out what the answer means. A server whose answers mean nothing has
/// failed, as far as the breaker of its endpoint is concerned.
pub async fn inquire<T, E: std::error::Error + Send + Sync + 'static>(
    inquiry: Inquiry<'_>,
    read: impl FnOnce(&Heard) -> Result<T, E>,
) -> Result<T, Fault> {
    let Inquiry { worker, generation, received, body, permit, name, patience } = inquiry;
    let mut account = Account::of_copy(worker, &received.peer, name);
    let body = Body::full(body);
    let ground = Ground::of(generation);
    let mut request = Request::new(worker, ground, received, permit, &account, &body);
    let pass = enter(&request, &mut account)?;
    let mut books = Books::of_copy(&mut account);
    let heard = worker.clock.timeout(patience, hear(&mut request, body, &mut books)).await;
    let outcome = heard.unwrap_or_else(|_elapsed| Err(late(&request, &books)));
    let meant = outcome.and_then(|heard| {
        read(&heard).map_err(|error| heard_nothing(Fault::BackendProtocol(Box::new(error))))
    });
    let (meant, outcome) = match meant {
        Ok(meant) => (Ok(meant), Ok(Response::new(Body::Empty))),
        Err(missed) => (Err(()), Err(missed)),
    };
    if let Some(pass) = pass {
        pass.ended(&request, &outcome);
    }
    match (meant, outcome) {
        (Ok(meant), _) => Ok(meant),
        (Err(()), Err(missed)) => Err(missed.fault),
        (Err(()), Ok(_)) => Err(Fault::ApiNotReady),
    }
}

async fn hear(
    request: &mut Request<'_>,
    mut body: Body,
    books: &mut Books<'_>,
) -> Result<Heard, Missed> {
    let nobody = |fault| Missed { fault, reached: Reached::Nobody };
    request.shown = prepare(request, &mut body).await.map_err(nobody)?;
    let mut offer = Offer::new(body, &request.endpoint.retries, request.keeps_body());
    let response = ask(request, &mut offer, books).await.map_err(nobody)??;
    let (parts, mut source) = response.into_parts();
    let (mut body, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while let Some(frame) = source.frame().await {
        let frame = frame.map_err(|error| heard_nothing(Fault::BackendClosed(Box::new(error))))?;
        match frame.into_data() {
            Ok(part) if body.len() + part.len() > MOST_ANSWER => {
                return Err(heard_nothing(Fault::BackendProtocol(Box::new(TooLong))));
            }
            Ok(part) => body.extend_from_slice(&part),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    let (status, headers, body) = (parts.status, parts.headers, body.freeze());
    Ok(Heard { status, headers, body, trailers })
}

const fn heard_nothing(fault: Fault) -> Missed {
    Missed { fault, reached: Reached::Heard }
}

/// The time is over. The server that was asked last is to blame.
fn late(request: &Request<'_>, books: &Books<'_>) -> Missed {
    let missed = || Missed { fault: Fault::BackendTimeout, reached: Reached::Sent };
    let index = books.server;
    let server = request.view.target(index);
    let server = server.and_then(|target| request.endpoint.servers.get(target.server));
    if let Some(server) = server.filter(|_| request.view.len() > 1) {
        judge(request, Pick { index, server, fresh: false }, &Err(missed()), None);
    }
    missed()
}
