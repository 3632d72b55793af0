//! May this call be made, as those say who decide outside?
//!
//! For a product first its own decision point is asked and then that of the API that serves it; each
//! has to permit the call. Where nobody decides in time, the API has said what becomes of the call.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use plan::{DecisionPointPlan, OnFailure, Protocol};

use super::alter::Decided;
use super::answer::{Decision, Undecided};
use super::question::{Circumstances, Question};
use super::{authzen, ext_authz, opa};
use crate::account::Account;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::handlers::Permit;
use crate::received::{Bounds, Peer, Received};
use crate::upstream::{self, Heard, Inquiry};
use crate::worker::Worker;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
/// What is asked is written here, so that nothing of it is too large.
const OWN: Bounds = Bounds { target_bytes: 16, fields: 16, body_bytes: u64::MAX };

/// A call that is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Whose connections are used.
    pub worker: &'a Rc<Worker>,
    /// The configuration in force.
    pub generation: &'a Generation,
    /// The head of the request.
    pub received: &'a Received,
    /// The record of the call.
    pub account: &'a Account,
}

/// Asks everybody who decides about the call.
pub async fn decide(permit: &Permit<'_>, call: Call<'_>) -> Result<Decided, Fault> {
    let cells = &call.worker.cells.decisions;
    let mut all = Vec::new();
    for point in permit.matched().decision_points() {
        // Nothing passes unjudged that asks to be judged.
        let point = point.ok_or(Fault::ApiNotReady)?;
        let began = call.worker.clock.instant();
        let decision = ask(point, permit, call).await;
        let took = call.worker.clock.instant().saturating_duration_since(began);
        cells.took.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        match decision {
            Ok(Decision::Permit(obligations)) => {
                cells.permitted.add(1);
                all.push(*obligations);
            }
            Ok(Decision::Deny(worded)) => {
                cells.denied.add(1);
                return Err(Fault::NotPermitted(worded));
            }
            Err(fault) => undecided(point, permit, call, fault)?,
        }
    }
    let decided = Decided::of(&all, permit, call.received, &call.generation.reserved);
    decided.map_err(|unspeakable| Fault::Undecided(Box::new(unspeakable)))
}

/// What becomes of a call about which nobody decided.
fn undecided(
    point: &DecisionPointPlan,
    permit: &Permit<'_>,
    call: Call<'_>,
    fault: Fault,
) -> Result<(), Fault> {
    let cells = &call.worker.cells.decisions;
    match point.on_failure {
        OnFailure::Allow => {
            cells.let_pass.add(1);
            let api = &permit.matched().api().id;
            let cause = &fault as &dyn std::error::Error;
            tracing::warn!(%api, cause, "nobody decided about a call, which is made all the same");
            return Ok(());
        }
        OnFailure::Deny | OnFailure::Unavailable => cells.failed.add(1),
    }
    let cause = Box::new(fault);
    Err(match point.on_failure {
        OnFailure::Unavailable => Fault::DecisionPointAway(cause),
        OnFailure::Deny | OnFailure::Allow => Fault::Undecided(cause),
    })
}

/// Asks one of them.
async fn ask(
    point: &DecisionPointPlan,
    permit: &Permit<'_>,
    call: Call<'_>,
) -> Result<Decision, Fault> {
    let Call { worker, generation, received, account } = call;
    let about = Circumstances {
        received,
        proxies: &worker.proxies,
        name: str::from_utf8(&account.text).unwrap_or_default(),
        at: account.opened_us().div_euclid(1_000_000),
    };
    let body = body(point.protocol, &Question::of(point, permit, about));
    let head = head(point, received)?;
    let asked = permit.to_ask(point);
    let (patience, name) = (point.timeout, account.name);
    let inquiry =
        Inquiry { worker, generation, received: &head, body, permit: &asked, name, patience };
    upstream::inquire(inquiry, |heard| read(point.protocol, heard)).await
}

/// The question, as the protocol writes it.
fn body(protocol: Protocol, question: &Question<'_>) -> Bytes {
    match protocol {
        Protocol::ExtAuthz => ext_authz::body(question),
        Protocol::Authzen => authzen::body(question),
        Protocol::Opa => opa::body(question),
    }
}

/// The decision, as the protocol writes it.
fn read(protocol: Protocol, heard: &Heard) -> Result<Decision, Undecided> {
    match protocol {
        Protocol::ExtAuthz => ext_authz::read(heard),
        Protocol::Authzen => authzen::read(heard),
        Protocol::Opa => opa::read(heard),
    }
}

/// The head of the question. What is asked for stands in the permit.
fn head(point: &DecisionPointPlan, received: &Received) -> Result<Received, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, received.host_field().clone());
    if point.protocol == Protocol::ExtAuthz {
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(TE, TRAILERS);
        let timeout = format!("{}m", point.timeout.as_millis());
        headers.extend(HeaderValue::try_from(timeout).ok().map(|told| (GRPC_TIMEOUT, told)));
    } else {
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.headers) = (Method::POST, headers);
    // Who calls stands in the question, not beside it.
    let peer = Peer { certificate: None, ..received.peer.clone() };
    Received::take(parts, peer, OWN).map_err(|unfit| unfit.fault)
}
