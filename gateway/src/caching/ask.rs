//! What does the backend say, and what comes of it?
//!
//! Of the calls of one worker for the same thing one asks; the others wait for it, not for long,
//! and go their own way when it brings nothing that can be shared. What is kept already is not
//! fetched again when the backend confirms it, and helps out when the backend fails.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cache::{Draft, Fit, Follower, Forwarded, Handling, Kept, Leader, Seat, Times};
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{Method, Response, StatusCode};

use super::keep::{Filler, keep};
use super::serve::{Call, say};
use crate::body::Body;
use crate::fault::{Blame, Fault};
use crate::handlers::Admission;
use crate::received::Received;
use crate::upstream::{self, Outbound};
use crate::worker::Worker;

/// How long a call waits for another that asks the same.
const WAIT: Duration = Duration::from_secs(5);

/// Asks the backend, or waits for another call that does.
pub(super) async fn ask(
    call: &Call<'_>,
    kept: Option<Arc<Kept>>,
    forwarded: Forwarded,
    admission: Admission,
    outbound: Outbound<'_>,
) -> Result<Response<Body>, Fault> {
    let mut leader = None;
    if can_be_shared(call) {
        match call.worker.flights.board(&call.key) {
            Seat::Leads(leads) => leader = Some(leads),
            Seat::Alone => {}
            Seat::Follows(follower) => {
                if let Some(brought) = brought(call, follower).await {
                    outbound.account.owing = admission.settle();
                    call.worker.cells.cache.collapsed.add(1);
                    outbound.account.from_cache = true;
                    let mut response = call.shown(&brought, false);
                    say(&mut response, Handling::Collapsed { forwarded });
                    return Ok(response);
                }
            }
        }
    }
    fetch(call, kept, forwarded, leader, admission, outbound).await
}

/// Whether what is brought for this call may be of use to others.
fn can_be_shared(call: &Call<'_>) -> bool {
    let special = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE];
    call.received.method == Method::GET
        && !call.question.is_authorized
        && !call.question.said.no_store
        && !special.iter().any(|name| call.received.headers.contains_key(name))
}

/// What another call brought, if it came in time and is for this one, too.
async fn brought(call: &Call<'_>, mut follower: Follower) -> Option<Arc<Kept>> {
    let alarm = call.worker.alarms.alarm();
    alarm.set(WAIT);
    let brought = poll_fn(|cx| match Pin::new(&mut follower).poll(cx) {
        Poll::Ready(brought) => Poll::Ready(brought),
        Poll::Pending => alarm.poll(cx).map(|()| None),
    })
    .await?;
    let fits = brought.suits(&call.question)
        && brought.fit(&call.question.said, now(call.worker)) != Fit::Ask;
    fits.then_some(brought)
}

fn now(worker: &Worker) -> i64 {
    worker.unix_us(worker.clock.instant()).div_euclid(1000)
}

pub(super) async fn fetch(
    call: &Call<'_>,
    kept: Option<Arc<Kept>>,
    forwarded: Forwarded,
    leader: Option<Leader>,
    admission: Admission,
    outbound: Outbound<'_>,
) -> Result<Response<Body>, Fault> {
    let Outbound { worker, generation, received, body, account } = outbound;
    let begun = worker.store.now();
    let asked = now(worker);
    let question = kept.as_deref().and_then(|kept| conditional(received, kept));
    let sent = question.as_ref().unwrap_or(received);
    let outbound = Outbound { worker, generation, received: sent, body, account: &mut *account };
    let answer = upstream::call(call.permit, admission, outbound).await;
    let answer = answer.map(upstream::Reply::into_response);
    let times = Times { asked, answered: now(worker) };
    if let Some(kept) = &kept
        && failed(&answer)
        && kept.helps_out(times.answered)
    {
        if let Err(fault) = &answer {
            tracing::warn!(%fault, "a stale answer stands in for the backend's");
        }
        return Ok(call.hit(kept, account, &worker.cells.cache.stale));
    }
    let response = answer?;
    let filler = Filler::new(call, begun, leader);
    match kept {
        Some(kept) if question.is_some() && response.status() == StatusCode::NOT_MODIFIED => {
            account.from_cache = true;
            worker.cells.cache.confirmed.add(1);
            Ok(confirmed(call, &kept, &response, forwarded, times, filler))
        }
        _ => {
            worker.cells.cache.miss.add(1);
            Ok(brought_new(call, response, forwarded, times, filler))
        }
    }
}

/// The same request with the validators of what is kept in place of the client's own.
fn conditional(received: &Received, kept: &Kept) -> Option<Received> {
    if received.method != Method::GET {
        return None;
    }
    let (tag, modified) = kept.validators()?;
    let mut question = received.clone();
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        question.headers.remove(name);
    }
    if let Some(tag) = tag {
        question.headers.insert(IF_NONE_MATCH, tag.clone());
    }
    if let Some(modified) = modified {
        question.headers.insert(IF_MODIFIED_SINCE, modified.clone());
    }
    Some(question)
}

/// RFC 5861 §4, and a backend that cannot be reached or breaks off.
fn failed(answer: &Result<Response<Body>, Fault>) -> bool {
    match answer {
        Ok(response) => matches!(response.status().as_u16(), 500 | 502 | 503 | 504),
        Err(fault) => fault.blame() != Blame::Client,
    }
}

/// The backend says that what is kept still holds.
fn confirmed(
    call: &Call<'_>,
    kept: &Kept,
    said: &Response<Body>,
    forwarded: Forwarded,
    times: Times,
    filler: Filler,
) -> Response<Body> {
    let (shown, draft) = kept.confirmed(&call.question, said.headers(), call.rules, times);
    let mut response = call.shown(&shown, true);
    let stays = draft.map(|draft| filler.finish(draft, kept.body().clone()));
    if stays.is_err() {
        call.worker.store.forget(&call.key);
    }
    let status = Some(StatusCode::NOT_MODIFIED.as_u16());
    Call::asked(forwarded, status, stays.map_err(Some), &mut response);
    response
}

/// The backend says something new.
fn brought_new(
    call: &Call<'_>,
    response: Response<Body>,
    forwarded: Forwarded,
    times: Times,
    filler: Filler,
) -> Response<Body> {
    let (status, headers) = (response.status(), response.headers());
    let draft = Draft::of(&call.question, status, headers, call.rules, times);
    let (mut response, stored) = match draft {
        Ok(draft) => keep(response, draft, filler),
        Err(why) => {
            // What was kept is not what the backend says now.
            if call.received.method == Method::GET && status == StatusCode::OK {
                call.worker.store.forget(&call.key);
            }
            (response, Err(why))
        }
    };
    Call::asked(forwarded, None, stored.map_err(Some), &mut response);
    response
}
