//! Which backend answers a call that may be made, and what comes of it?
//!
//! `call` wants a `Permit` and an `Admission`: what was not authorised and throttled does not
//! compile. Nobody outside the handlers can make either of them.
//!
//! ```
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(permit, admission, outbound).await;
//! # }
//! ```
//!
//! Without a permit:
//!
//! ```compile_fail,E0061
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(admission, outbound).await;
//! # }
//! ```
//!
//! Without an admission:
//!
//! ```compile_fail,E0061
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(permit, outbound).await;
//! # }
//! ```
//!
//! With one admission for two calls:
//!
//! ```compile_fail,E0382
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, one: Outbound<'_>, two: Outbound<'_>) {
//! let _ = call(permit, admission, one).await;
//! let _ = call(permit, admission, two).await;
//! # }
//! ```
//!
//! With an admission of one's own making:
//!
//! ```compile_fail,E0451
//! let admission = gateway::handlers::Admission { subscription: None, application: None };
//! ```

use std::rc::Rc;
use std::sync::Arc;

use http::{Method, Response};
use plan::{BackendUrl, EndpointPlan};

use super::forwarded::Forwarded;
use crate::account::Account;
use crate::body::Body;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::handlers::{Admission, Permit};
use crate::received::Received;
use crate::sender::{Connection, DialError, Failure, Lane, Line, Order, SendError, run, write};
use crate::worker::Worker;

/// A request on its way out.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// Whose connections are used.
    pub worker: &'a Worker,
    /// The configuration in force.
    pub generation: &'a Generation,
    /// The head of the request.
    pub received: &'a Received,
    /// Its body.
    pub body: Body,
    /// The record of the call.
    pub account: &'a mut Account,
}

/// What a backend answered.
#[derive(Debug)]
pub struct Reply(Response<Body>);

impl Reply {
    /// The answer itself.
    pub fn into_response(self) -> Response<Body> {
        self.0
    }
}

/// Asks the backend.
pub async fn call(
    permit: &Permit<'_>,
    admission: Admission,
    outbound: Outbound<'_>,
) -> Result<Reply, Fault> {
    let Outbound { worker, generation, received, body, account } = outbound;
    let mut forwarded = Forwarded::of(received, worker.proxies.trusts(received.peer.address));
    forwarded.hides_credential = permit.caller().token().is_some();
    forwarded.expects = !body.is_empty();
    let traceparent = trace(&mut forwarded);
    let endpoint = permit.endpoint();
    let way = Way { worker, generation, endpoint };
    let (url, mut connection) = way.connection().await?;
    let head =
        Head { received, permit, forwarded: &forwarded, traceparent, name: hex(account.name) };
    head.write(connection.output(), url, &body);
    account.asked(Rc::clone(connection.lane()));
    // The backend may act on it from here on, so the call counts, whatever comes of it.
    admission.settle();
    let Worker { pool, alarms, .. } = worker;
    let used = connection.is_used();
    let order = Order {
        asked_with_head: received.method == Method::HEAD,
        expects_continue: forwarded.expects && received.headers.contains_key("expect"),
        timeout: endpoint.timeout,
        body,
    };
    let response = match run(pool, alarms, connection, order).await {
        Ok(response) => response,
        Err(failure) => {
            let again = used && received.method.is_idempotent();
            Box::pin(way.once_more(url, failure, again.then_some(&received.method))).await?
        }
    };
    account.answered(response.status());
    if !matches!(response.body(), Body::Stream(_)) {
        account.backend_done();
    }
    Ok(Reply(response))
}

/// Where a request goes.
#[derive(Clone, Copy)]
struct Way<'a> {
    worker: &'a Worker,
    generation: &'a Generation,
    endpoint: &'a Arc<EndpointPlan>,
}

impl<'a> Way<'a> {
    /// A connection to the server whose turn it is, or to the next one that takes it.
    async fn connection(self) -> Result<(&'a BackendUrl, Connection), Fault> {
        let urls = &self.endpoint.urls;
        let first = self.worker.turns.take(Arc::as_ptr(self.endpoint).addr(), urls.len());
        let mut failed = Fault::ApiNotReady;
        for url in urls.iter().cycle().skip(first).take(urls.len()) {
            let lane = self.lane(url);
            let free = self.worker.pool.take(&lane, self.worker.alarms.now());
            if let Some(connection) = free {
                return Ok((url, connection));
            }
            // What is rare is boxed, so that the future of every call stays small.
            match Box::pin(self.worker.pool.dial(&lane, &self.worker.clock)).await {
                Ok(connection) => return Ok((url, connection)),
                Err(error) => failed = unreachable(error),
            }
        }
        Err(failed)
    }

    fn lane(self, url: &BackendUrl) -> Rc<Lane> {
        let trust = url.tls.then_some(&self.generation.backends);
        self.worker.pool.lane(&url.authority, &url.host, url.port, trust)
    }

    /// Sends once more, over a new connection, what went out with this `method` over a used one
    /// that turned out to be dead: where doing it twice is as good as doing it once (RFC 9110
    /// §9.2.2) and nobody heard it the first time.
    async fn once_more(
        self,
        url: &BackendUrl,
        failure: Failure,
        method: Option<&Method>,
    ) -> Result<Response<Body>, Fault> {
        let Failure { error, unheard } = failure;
        let (SendError::Closed(_), Some(method), Some(head)) = (&error, method, unheard) else {
            return Err(unanswered(error));
        };
        let Worker { pool, alarms, clock, cells, .. } = self.worker;
        cells.retried.add(1);
        let mut connection = pool.dial(&self.lane(url), clock).await.map_err(unreachable)?;
        *connection.output() = head;
        let order = Order {
            body: Body::Empty,
            asked_with_head: *method == Method::HEAD,
            expects_continue: false,
            timeout: self.endpoint.timeout,
        };
        let second = run(pool, alarms, connection, order).await;
        second.map_err(|failure| unanswered(failure.error))
    }
}

/// What a request head is made of.
struct Head<'a> {
    received: &'a Received,
    permit: &'a Permit<'a>,
    forwarded: &'a Forwarded,
    traceparent: Option<String>,
    name: [u8; 32],
}

impl Head<'_> {
    fn write(&self, out: &mut Vec<u8>, url: &BackendUrl, body: &Body) {
        let rest = self.permit.matched().rest();
        let slash = if url.base.is_empty() && !rest.starts_with('/') { "/" } else { "" };
        let prefix = if slash.is_empty() { url.base.as_str() } else { slash };
        let [for_list, proto, host, name] = self.forwarded.added(&self.name);
        let mut added = [for_list, proto, host, name, ("", &[])];
        let mut count = 4;
        if let (Some(traceparent), Some(last)) = (&self.traceparent, added.last_mut()) {
            *last = ("traceparent", traceparent.as_bytes());
            count = 5;
        }
        let line = Line {
            method: &self.received.method,
            prefix,
            target: rest,
            host: &url.authority,
            passes: &|name| self.forwarded.passes(name),
            added: added.get(..count).unwrap_or(&added),
        };
        write(out, &line, &self.received.headers, body);
    }
}

/// The trace goes on below our span, where there is one; else the client's field passes untouched.
fn trace(forwarded: &mut Forwarded) -> Option<String> {
    if !chassis::telemetry::enabled() {
        return None;
    }
    let traceparent = chassis::telemetry::traceparent();
    forwarded.traced = traceparent.is_some();
    traceparent
}

fn unreachable(error: DialError) -> Fault {
    match error {
        DialError::Busy => Fault::BackendBusy,
        DialError::Timeout => Fault::BackendConnectTimeout,
        error => Fault::BackendUnreachable(Box::new(error)),
    }
}

fn unanswered(error: SendError) -> Fault {
    match error {
        SendError::Timeout => Fault::BackendTimeout,
        SendError::RequestBody(error) => Fault::IncompleteBody(Box::new(error)),
        error @ SendError::Closed(_) => Fault::BackendClosed(Box::new(error)),
        error @ SendError::Protocol(_) => Fault::BackendProtocol(Box::new(error)),
    }
}

/// A call's name as it stands in header fields.
pub fn hex(name: [u8; 16]) -> [u8; 32] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut out = [b'0'; 32];
    for (to, byte) in out.chunks_exact_mut(2).zip(name) {
        let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or(b'0');
        if let [high, low] = to {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
    out
}
