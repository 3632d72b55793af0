//! May a call go to its endpoint at all?

use std::sync::Arc;

use super::request::Request;
use super::retry::Outcome;
use super::verdict::{Verdict, verdict};
use crate::account::Account;
use crate::fault::Fault;
use crate::servers::{Group, Open};

/// A call that passed the endpoint's breaker. What came of it is to be told.
pub(super) struct Pass {
    group: Arc<Group>,
    /// Absent once it was told.
    probe: Option<bool>,
}

/// Asks the bulkhead and the breaker of the endpoint, where it has them.
pub(super) fn enter(request: &Request<'_>, account: &mut Account) -> Result<Option<Pass>, Fault> {
    let (endpoint, group) = (request.endpoint, request.view.group());
    request.view.save(endpoint.retries.budget_percent);
    if let Some(most) = endpoint.bulkhead.max_requests {
        let room = group.room(most.get());
        if room.is_none() {
            request.worker.cells.bulkheads_full.add(1);
        }
        account.room = Some(room.ok_or(Fault::BackendBusy)?);
    }
    let Some(breaker) = group.breaker() else { return Ok(None) };
    match breaker.pass(request.now().ms) {
        Ok(probe) => Ok(Some(Pass { group: Arc::clone(group), probe: Some(probe) })),
        Err(Open(left)) => {
            request.worker.cells.suspended.add(1);
            Err(Fault::BackendSuspended { retry_after: left })
        }
    }
}

impl Pass {
    /// What came of the call.
    pub(super) fn ended(mut self, request: &Request<'_>, outcome: &Outcome) {
        let verdict = verdict(outcome);
        let Some(breaker) = self.group.breaker().filter(|_| verdict != Verdict::Neither) else {
            return;
        };
        let Some(probe) = self.probe.take() else { return };
        if breaker.ended(probe, verdict == Verdict::Well, request.now().ms) {
            request.worker.cells.breakers_opened.add(1);
            let api = &request.permit.matched().api().id;
            tracing::warn!(%api, "too many calls to the endpoint fail, they are stopped for a while");
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe == Some(true)
            && let Some(breaker) = self.group.breaker()
        {
            breaker.give_back();
        }
    }
}
