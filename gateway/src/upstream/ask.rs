//! Which server of an endpoint answers, and after how many tries?

use std::pin::pin;

use super::attempt::{Pick, attempt};
use super::books::Books;
use super::choose::choose;
use super::offer::Offer;
use super::request::Request;
use super::retry::{Next, Outcome, Retries};
use super::security::{is_refusal, renewed};
use crate::fault::Fault;
use crate::servers::Tried;

/// Chooses a server, tries it, and tries again where that is safe.
pub(super) async fn ask(
    request: &mut Request<'_>,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Result<Outcome, Fault> {
    let pick = choose(request, Tried::default()).ok_or(Fault::ApiNotReady)?;
    // Pinned where it is made: awaited as it is, it would be copied first, here and below.
    let mut outcome = pin!(attempt(request, pick, offer, books)).await;
    // What is rare is boxed, so that the future of every call stays small.
    if Retries::concern(request, &outcome) {
        outcome = Box::pin(again(request, pick, outcome, offer, books)).await;
    }
    if is_refusal(request, &outcome) {
        outcome = Box::pin(renewed(request, pick, outcome, offer, books)).await;
    }
    Ok(outcome)
}

/// Tries once more, and once more, as long as it is safe and the budget lasts.
async fn again<'a>(
    request: &Request<'a>,
    mut pick: Pick<'a>,
    mut outcome: Outcome,
    offer: &mut Offer,
    books: &mut Books<'_>,
) -> Outcome {
    let mut retries = Retries::of(request);
    let mut tried = Tried::default();
    loop {
        pick = match retries.next(request, &outcome, offer.is_repeatable()) {
            Next::GiveUp => return outcome,
            Next::Fresh => Pick { fresh: true, ..pick },
            Next::Elsewhere => {
                tried = tried.with(pick.index);
                // Nothing was sent: whoever takes it is better than nobody.
                let Some(other) = choose(request, tried.or_unfit()) else { return outcome };
                other
            }
            Next::After(pause) => {
                tried = tried.with(pick.index);
                // An answer that is not passed on closes its connection here.
                drop(outcome);
                request.worker.clock.sleep(pause).await;
                choose(request, tried).unwrap_or(Pick { fresh: true, ..pick })
            }
        };
        outcome = attempt(request, pick, offer, books).await;
    }
}
