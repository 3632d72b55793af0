//! What if a backend refuses the gateway's token?
//!
//! The token is replaced, and the call made once more where its body can be had again. A backend
//! that refuses the new one as well is not asked again: the client is told that its call failed.

use http::StatusCode;
use plan::CredentialPlan;

use super::super::attempt::{Missed, Pick, Reached, attempt};
use super::super::books::Books;
use super::super::offer::Offer;
use super::super::request::Request;
use super::super::retry::Outcome;
use super::credential::{Shown, token};
use crate::fault::Fault;

/// Whether `outcome` is a backend's word that the token is not good.
pub(in crate::upstream) fn is_refusal(request: &Request<'_>, outcome: &Outcome) -> bool {
    request.shown.as_ref().is_some_and(|shown| shown.token().is_some())
        && matches!(outcome, Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED)
}

/// Makes the call that `refused` came of once more, with another token.
pub(in crate::upstream) async fn renewed<'a>(
    request: &mut Request<'a>,
    pick: Pick<'a>,
    refused: Outcome,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Outcome {
    // An answer that is not passed on closes its connection here.
    drop(refused);
    let missed = |fault| Err(Missed { fault, reached: Reached::Heard });
    let Some(CredentialPlan::Token(plan)) = request.endpoint.credential.as_deref() else {
        return missed(Fault::BackendRefusedToken);
    };
    let worker = request.worker;
    let another = request.shown.as_ref().and_then(|shown| shown.token()).is_some_and(|token| {
        let slot = worker.bearers.slot(plan);
        slot.is_ok_and(|slot| slot.refuse(token, worker.clock.unix_us()))
    });
    if !another || !offer.is_repeatable() {
        return missed(Fault::BackendRefusedToken);
    }
    match token(request).await {
        Ok(token) => request.shown = Some(Box::new(Shown::with(token))),
        Err(fault) => return missed(fault),
    }
    worker.cells.retried.add(1);
    let outcome = attempt(request, pick, offer, books).await;
    if is_refusal(request, &outcome) {
        return missed(Fault::BackendRefusedToken);
    }
    outcome
}
