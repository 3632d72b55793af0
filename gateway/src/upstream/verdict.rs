//! What does a try say about its server?

use std::time::Instant;

use http::{Response, StatusCode};

use super::attempt::{Missed, Pick, Reached};
use super::request::Request;
use crate::body::Body;
use crate::fault::Fault;

/// What a try says about its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is well.
    Well,
    /// It is not.
    Ill,
    /// Nothing: it was not the server's doing.
    Neither,
}

/// What a try or a call says.
pub(super) fn verdict(outcome: &Result<Response<Body>, Missed>) -> Verdict {
    match outcome {
        Ok(response) if response.status() < StatusCode::INTERNAL_SERVER_ERROR => Verdict::Well,
        Ok(_) => Verdict::Ill,
        Err(missed) => match missed.fault {
            Fault::BackendBusy | Fault::IncompleteBody(_) => Verdict::Neither,
            // A server may close a connection that has been free for a while.
            _ if matches!(missed.reached, Reached::Stale | Reached::Refused) => Verdict::Neither,
            _ => Verdict::Ill,
        },
    }
}

/// Notes what a try says about one of several servers, and takes the server out if that was one
/// failure too many.
pub(super) fn judge(
    request: &Request<'_>,
    pick: Pick<'_>,
    result: &Result<Response<Body>, Missed>,
    began: Option<Instant>,
) {
    let Some(target) = request.view.target(pick.index) else { return };
    if let Some(began) = began {
        let now = request.worker.clock.instant();
        request.view.note(pick.index, now.saturating_duration_since(began), now);
    }
    let plan = &request.endpoint.ejection;
    match verdict(result) {
        Verdict::Neither => {}
        Verdict::Well => target.succeeded(request.now().ms),
        Verdict::Ill => {
            if !target.failed(plan) {
                return;
            }
            let targets = request.view.group().targets();
            let out = targets.iter().filter(|other| other.is_out()).count();
            let most = (targets.len() * usize::try_from(plan.max_percent).unwrap_or(100)) / 100;
            if target.is_out() || out < most.max(1) {
                let span = target.eject(plan, request.now().ms, request.view.random());
                request.worker.cells.ejected.add(1);
                let (api, server) = (&request.permit.matched().api().id, &pick.server.url);
                tracing::warn!(%api, %server, ?span, "a server that fails is left alone");
            }
        }
    }
}
