//! What is the analytics collector told of a request for tokens?
//!
//! An event as gateways send of calls, of type `TOKEN`: who asked by which grant, how it ended, from where
//! and how long it took. Never a token, a code or a secret. It is encoded into a buffer, and nobody
//! waits for it.

use std::time::Instant;

use http::{HeaderValue, StatusCode, header};
use spool::Call;

use super::{Authority, Refusal, Reply, Request};

/// What says that it is no call of an API (`turnpike.usage.v1.Event`).
const TOKEN: &str = "TOKEN";
/// The class of what OAuth refuses.
const OAUTH: &str = "OAUTH";

/// What became known of a request for tokens by the time that it was answered.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// A fixed word for the grant; empty: none was named.
    pub(super) grant: &'static str,
    /// The client, once it proved who it is.
    pub(super) client: String,
    /// The person that a token is for.
    pub(super) user: String,
    /// What it is good for.
    pub(super) scope: String,
}

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    at_us: i64,
    at: Instant,
}

impl Begun {
    pub(super) fn now(authority: &Authority) -> Self {
        Self { at_us: authority.clock.unix_us(), at: authority.clock.instant() }
    }
}

pub(super) fn report(
    authority: &Authority,
    request: &Request,
    begun: Begun,
    known: &Known,
    answered: &Result<Reply, Refusal>,
) {
    if !authority.recorder.is_on() {
        return;
    }
    let (status, error, sent) = match answered {
        Ok(reply) => (reply.status(), "", reply.body().len()),
        Err(refusal) => (refusal.code().0, refusal.error(), 0),
    };
    // Who did not prove it is known by what they said of themselves.
    let claimed = if known.client.is_empty() { request.claimed() } else { None };
    let client = match &claimed {
        Some(id) => id.as_str(),
        None => &known.client,
    };
    let took = authority.clock.instant().saturating_duration_since(begun.at);
    let agent = request.headers.get(header::USER_AGENT);
    authority.recorder.record(&Call {
        at_us: begun.at_us,
        request_id: chassis::random::bytes(),
        api_type: TOKEN,
        operation: known.grant,
        method: request.method.as_str(),
        path: &request.path,
        consumer_key: client,
        user: &known.user,
        scope: &known.scope,
        client_ip: request.peer.address,
        user_agent: agent.map(HeaderValue::as_bytes).unwrap_or_default(),
        status: status.as_u16(),
        fault_type: if status == StatusCode::OK { "" } else { OAUTH },
        fault_subtype: error,
        total_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        request_bytes: request.body.as_ref().map_or(0, |body| body.len() as u64),
        response_bytes: sent as u64,
        ..Call::default()
    });
}
