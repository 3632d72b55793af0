//! Is a call answered from the cache, and if not, why not?

use std::rc::Rc;
use std::sync::Arc;

use cache::{
    Directives, Fit, Forwarded, Found, Handling, Kept, Key, NotKept, Place, Question, Rules,
};
use http::header::{AUTHORIZATION, IF_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderName, Method, Response};
use plan::ApiType;

use super::ask::ask;
use super::renew::renew;
use super::target::invalidate;
use crate::account::Account;
use crate::body::Body;
use crate::cell::Cell;
use crate::fault::Fault;
use crate::handlers::{Admission, Permit};
use crate::received::Received;
use crate::upstream::{self, Outbound};
use crate::worker::{Held, Worker};

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A call on its way to its backend.
#[derive(Debug)]
pub struct Inbound<'a> {
    /// Who serves it.
    pub worker: &'a Rc<Worker>,
    /// The configuration in force.
    pub generation: &'a Held,
    /// The head of the request.
    pub received: &'a Received,
    /// Its body.
    pub body: Body,
    /// The record of the call.
    pub account: &'a mut Account,
}

/// A call that can be answered from the cache, as the cache sees it.
pub(super) struct Call<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) generation: &'a Held,
    pub(super) received: &'a Received,
    pub(super) permit: &'a Permit<'a>,
    pub(super) rules: &'a Arc<Rules>,
    pub(super) question: Question<'a>,
    pub(super) key: Key,
    /// The call's own name.
    pub(super) name: [u8; 16],
    /// The wall clock, in milliseconds since the Unix epoch.
    pub(super) now: i64,
}

/// Answers a call from the cache, or asks its backend and keeps what it says.
pub async fn serve(
    rules: &Arc<Rules>,
    permit: &Permit<'_>,
    admission: Admission,
    inbound: Inbound<'_>,
) -> Result<Response<Body>, Fault> {
    let Inbound { worker, generation, received, body, account } = inbound;
    let outbound = Outbound { worker, generation, received, body, account };
    let method = &received.method;
    let answers = *method == Method::GET || (*method == Method::HEAD && rules.head);
    // Two calls with different bodies are two calls, and these conditions are the backend's to
    // judge (RFC 9111 §4.3.2).
    let conditioned = [IF_MATCH, IF_UNMODIFIED_SINCE];
    let ours = answers
        && outbound.body.is_empty()
        && !conditioned.iter().any(|name| received.headers.contains_key(name));
    let place = place(permit, received);
    let (Some(place), true) = (place, ours) else {
        return around(permit, admission, outbound, answers).await;
    };
    let key = Key::of(place, &received.headers, rules);
    let question = question(permit, received);
    let now = outbound.account.marked_us().div_euclid(1000);
    let name = outbound.account.name;
    let call = Call { worker, generation, received, permit, rules, question, key, name, now };
    let (kept, forwarded) = match worker.store.find(&call.key, &call.question) {
        Found::Nothing => (None, Forwarded::UriMiss),
        Found::Others => (None, Forwarded::VaryMiss),
        Found::Kept(kept) => match kept.fit(&call.question.said, now) {
            Fit::Fresh => {
                outbound.account.owing = admission.settle();
                return Ok(call.hit(&kept, outbound.account, &worker.cells.cache.hit));
            }
            Fit::Stale => {
                outbound.account.owing = admission.settle();
                return Ok(call.hit(&kept, outbound.account, &worker.cells.cache.stale));
            }
            // Nobody but who changed it says what would be asked for behind its client's back.
            Fit::Renew if permit.is_changed() => (Some(kept), Forwarded::Stale),
            Fit::Renew => {
                let answer = call.hit(&kept, outbound.account, &worker.cells.cache.stale);
                renew(&call, admission, outbound.account);
                return Ok(answer);
            }
            Fit::Ask if kept.left(now) > 0 => (Some(kept), Forwarded::Request),
            Fit::Ask => (Some(kept), Forwarded::Stale),
        },
    };
    if call.question.said.only_if_cached {
        return Err(Fault::NotKept);
    }
    ask(&call, kept, forwarded, admission, outbound).await
}

/// A call that the cache cannot answer. What changes something makes invalid what was kept.
async fn around(
    permit: &Permit<'_>,
    admission: Admission,
    outbound: Outbound<'_>,
    answers: bool,
) -> Result<Response<Body>, Fault> {
    let (worker, received) = (outbound.worker, outbound.received);
    worker.cells.cache.bypass.add(1);
    let mut response = upstream::call(permit, admission, outbound).await?.into_response();
    let changed = response.status().is_success() || response.status().is_redirection();
    if !received.method.is_safe() && changed {
        invalidate(&worker.store, permit, received, response.headers());
    }
    let forwarded = if answers { Forwarded::Bypass } else { Forwarded::Method };
    say(&mut response, Handling::Asked { forwarded, status: None, kept: Err(None) });
    Ok(response)
}

/// Where the answers to a call are kept; `None`: it goes to a backend that answers are not kept of.
fn place<'a>(permit: &'a Permit<'_>, received: &'a Received) -> Option<Place<'a>> {
    let (api, home) = (permit.matched().api(), permit.matched().home());
    let variant = permit.variant();
    let (production, sandbox) = variant.map_or((&home.production, &home.sandbox), |variant| {
        (&variant.production, &variant.sandbox)
    });
    let is = |endpoint: &Option<Arc<_>>| {
        endpoint.as_ref().is_some_and(|known| Arc::ptr_eq(known, permit.endpoint()))
    };
    let backend = match () {
        // What becomes a WebSocket is no answer.
        () if home.kind == ApiType::Ws => return None,
        () if is(production) => "production",
        () if is(sandbox) => "sandbox",
        () => return None,
    };
    Some(Place {
        api: &api.id,
        backend,
        variant: variant.map_or("", |variant| &variant.name),
        secure: received.peer.secure,
        host: received.host(),
        target: permit.matched().rest(),
        application: permit.application().map_or("", |application| &application.name),
        user: permit.caller().user(),
    })
}

pub(super) fn question<'r>(permit: &Permit<'_>, received: &'r Received) -> Question<'r> {
    let headers = &received.headers;
    // A credential that the gateway takes for itself does not reach the backend.
    let shown = headers.contains_key(AUTHORIZATION);
    let passes = shown && (!permit.takes("authorization") || permit.left_over(received).is_some());
    // The backend is told of the client's certificate.
    let is_authorized = passes || received.peer.certificate.is_some();
    Question {
        method: &received.method,
        headers,
        said: Directives::of_request(headers),
        is_authorized,
        has_body: false,
    }
}

/// The key of a call, where answers to it are kept.
pub(super) fn key(permit: &Permit<'_>, received: &Received, rules: &Rules) -> Option<Key> {
    place(permit, received).map(|place| Key::of(place, &received.headers, rules))
}

impl Call<'_> {
    /// The answer that is kept.
    pub(super) fn hit(&self, kept: &Kept, account: &mut Account, counted: &Cell) -> Response<Body> {
        counted.add(1);
        account.from_cache = true;
        let mut response = self.shown(kept, false);
        say(&mut response, Handling::Hit { left: kept.left(self.now) });
        response
    }

    pub(super) fn shown(&self, kept: &Kept, confirmed: bool) -> Response<Body> {
        let shown = kept.shown(&self.question, self.now, confirmed);
        let mut response = Response::new(Body::full(shown.body));
        *response.status_mut() = shown.status;
        *response.headers_mut() = shown.headers;
        response
    }

    /// What the answer says about what was done.
    pub(super) fn asked(
        forwarded: Forwarded,
        status: Option<u16>,
        kept: Result<(), Option<NotKept>>,
        response: &mut Response<Body>,
    ) {
        say(response, Handling::Asked { forwarded, status, kept });
    }
}

/// Adds a member to `Cache-Status`, behind those of caches further up.
pub(super) fn say(response: &mut Response<Body>, handling: Handling) {
    if let Some(value) = handling.value() {
        response.headers_mut().append(CACHE_STATUS.clone(), value);
    }
}
