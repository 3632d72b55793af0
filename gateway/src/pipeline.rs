//! What happens to a call, in which order?
//!
//! Received → Matched → Caller → Permit → Admission → Reply. Stages return values, and every `?`
//! leaves for the one place that writes faults. The account that is opened first reports the call
//! when the last byte of its answer is gone, or whenever it is dropped before.

use std::future::poll_fn;
use std::ops::DerefMut;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{ALLOW, ORIGIN, REFERER, SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Response};

use crate::account::Account;
use crate::alarm::TICK;
use crate::assertions;
use crate::body::{Body, Intake};
use crate::caching::{self, Inbound};
use crate::certificate::ClientCertificate;
use crate::compression;
use crate::conditions::{self, Asked};
use crate::credentials;
use crate::decisions;
use crate::events;
use crate::explain::{self, View};
use crate::fault::{self, Blame, Causes, Fault, Format};
use crate::handlers::{
    self, Demands, EventLimits, Fields, KnownOfCall, Permit, Room, Seen, Shared, Sharing, Whence,
};
use crate::interim::Interim;
use crate::open_calls::{OpenCall, Terms, pages};
use crate::policies::{self, Facts};
use crate::received::{Peer, Received};
use crate::router::{self, Found, Matched};
use crate::trace;
use crate::upstream::{self, Outbound};
use crate::worker::Worker;

/// A request as the receiver read it.
#[derive(Debug)]
pub struct Incoming {
    /// Its head.
    pub parts: Parts,
    /// Its body.
    pub body: Body,
    /// What is known of the body while it is read; absent: there is none.
    pub intake: Option<Rc<Intake>>,
    /// Who sends it.
    pub peer: Peer,
    /// The way for answers before the answer; absent: the client takes none.
    pub interim: Option<Rc<Interim>>,
}

/// Opens the record of a call, which is reported when it is dropped: to be kept until the last byte
/// of the answer is gone. Who calls is known from here on, whoever speaks for them.
pub fn open(worker: &Rc<Worker>, incoming: &mut Incoming) -> Account {
    let Incoming { parts, intake, peer, interim, .. } = incoming;
    peer.client = worker.proxies.client(peer.address, &parts.headers);
    if worker.proxies.trusts(peer.address) {
        // A proxy's own certificate is not the caller's.
        peer.certificate = ClientCertificate::said(&parts.headers).map(Rc::new);
    }
    Account::open(worker, parts, peer, intake.take(), interim.take())
}

/// Answers a call. Dropping the future ends it. Its name, [`REQUEST_ID`](crate::identity::REQUEST_ID), is said by who writes
/// the answer.
///
/// No `async fn`: that would hold the request twice, as it came and as it was taken in.
pub fn answer(
    worker: &Rc<Worker>,
    incoming: Incoming,
    account: &mut Account,
) -> impl Future<Output = Response<Body>> {
    let Incoming { parts, body, peer, .. } = incoming;
    let mut received = Received::take(parts, peer, worker.bounds);
    if let Ok(received) = &mut received
        && account.said.trace
        && let Some(trace) = trace::checked(&mut received.headers)
    {
        account.trace = trace;
    }
    async move {
        let (mut fields, mut sharing, mut view) = (Fields::default(), None, None);
        let mut response = match &received {
            Err(unfit) => refused(&unfit.fault, Format::for_request(&unfit.headers), account),
            Ok(received) => {
                let span = span(received, account);
                // Pinned here and not moved into a wrapper: it is large, and there is one per call.
                let served = {
                    let told = Told { fields: &mut fields, sharing: &mut sharing, view: &mut view };
                    let mut served = pin!(serve(worker, received, body, account, told));
                    poll_fn(|cx| span.in_scope(|| served.as_mut().poll(cx))).await
                };
                match served {
                    Ok(response) => response,
                    Err(fault) => refusal(&fault, received, account, view.as_deref_mut()),
                }
            }
        };
        account.told(response.status());
        let headers = response.headers_mut();
        if fields.are_any() {
            for (name, value) in fields.values(worker.desk.forms()) {
                headers.insert(name, value);
            }
        }
        if let Some(sharing) = sharing {
            sharing.tell(headers);
        }
        if let Some(cookie) = account.cookie.take() {
            headers.append(SET_COOKIE, cookie);
        }
        if let Some(view) = view {
            explain::tell(&view, account, &mut response);
        }
        if let Ok(received) = received {
            worker.spares.keep_fields(received.headers);
        }
        response
    }
}

/// What the answer, whatever it is, is told besides.
struct Told<'a> {
    fields: &'a mut Fields,
    sharing: &'a mut Option<Sharing>,
    /// How the call is judged, where somebody may look.
    view: &'a mut Option<Box<View>>,
}

async fn serve(
    worker: &Rc<Worker>,
    received: &Received,
    body: Body,
    account: &mut Account,
    told: Told<'_>,
) -> Result<Response<Body>, Fault> {
    if received.path() == assertions::JWKS {
        return assertions::answer(worker.minted.borrow().signers(), &received.method);
    }
    if let Some(path) = handlers::asked_about(received.path()) {
        let generation = worker.in_force.load();
        return handlers::describe(&generation, &worker.proxies, received, path);
    }
    if upstream::is_for_key_manager(received.path()) {
        // Boxed, so that the future of other calls stays small.
        return Box::pin(upstream::hand_over(&worker.token_endpoint, received, body)).await;
    }
    let generation = worker.in_force.load();
    let (client, opened_us, length) = (received.peer.client, account.opened_us(), body.length());
    let now_unix = opened_us.div_euclid(1_000_000);
    let means = worker.means(&generation, now_unix);
    let shown = account.said.test_key.then(|| handlers::trial(received, means.grounds));
    let trial = shown.transpose()?;
    let mut hit = explain::find_api(&generation, received, trial.as_deref(), told.view)?;
    account.analytics.clone_from(&hit.api.analytics);
    let moved = credentials::with_key_in_field(received, &hit.api.security)?;
    let received = match &moved {
        Some(moved) => {
            hit = explain::find_api(&generation, moved, trial.as_deref(), told.view)?;
            account.analytics.clone_from(&hit.api.analytics);
            &**moved
        }
        None => received,
    };
    if let Some(cors) = &hit.api.cors {
        match handlers::share(cors, hit, received) {
            Shared::Preflight(answer) => return Ok(answer),
            Shared::Call(sharing) => {
                handlers::check_socket(told.sharing.insert(sharing), received)?;
            }
        }
    }
    let matched = match router::find(hit, received)? {
        Found::Operation(matched) => matched,
        Found::Methods(methods) => return Ok(options(&methods)),
    };
    account.called = Some((matched.api().clone(), matched.operation().clone()));
    account.analytics = matched.analytics().cloned();
    fits(&matched, worker, length, account)?;

    handlers::deny_place(&generation.plan, &matched, client, now_unix)?;
    let open = matched.is_open();
    let seen = match &trial {
        None => handlers::authenticate(&matched, received, means)?,
        Some(trial) => trial.authenticate(&matched, received, means)?,
    };
    let caller = match seen {
        Seen::Caller(caller) => caller,
        // Boxed, so that the future of other calls stays small.
        Seen::Asks(asks) => {
            let whom = (&worker.introspection, &worker.passwords);
            Box::pin(handlers::ask(*asks, &matched, received, whom, means)).await?
        }
    };
    account.caller = Some(caller.clone());
    let whence = Whence { client, headers: &received.headers };
    let permit = handlers::authorize(&generation.plan, matched, caller, whence)?;
    handlers::deny_caller(&generation.plan, &permit, client, now_unix)?;
    let asked = Asked { received, proxies: &worker.proxies, size: length, at_us: opened_us };
    conditions::check(&permit, asked)?;
    let mut decided = None;
    if permit.matched().is_decided_outside() {
        let call = decisions::Call { worker, generation: &generation, received, account };
        // Boxed, so that the future of other calls stays small.
        decided = Some(Box::pin(decisions::decide(&permit, call)).await?);
    }
    let (received, permit) = match &decided {
        Some(decided) => decided.change(received, permit),
        None => (received, permit),
    };
    let permit = handlers::choose(permit, received, account.name);
    account.application = permit.application().cloned().zip(permit.key_type());
    account.subscription = permit.subscription().cloned();
    if !open {
        account.secured();
    }
    if worker.gate.sheds(account.opened()) {
        Box::pin(make_way(worker, &permit)).await?;
    }

    let now_us = account.marked_us().max(0).cast_unsigned();
    let asked = Asked { received, proxies: &worker.proxies, size: length, at_us: opened_us };
    let customs = conditions::customs(&generation.plan, &permit, asked);
    let (front, bytes_in) = (&worker.front, length.unwrap_or(0));
    let known = KnownOfCall { received, front, customs, bytes_in, now_us };
    let demands = Demands::of(&permit, &known)?;
    let admission = match demands.hold(&worker.desk, now_us) {
        Ok(Room::Now(admission)) => Ok(admission),
        // Boxed, so that the future of other calls stays small.
        Ok(Room::Asks(asks)) => Box::pin(demands.wait(asks, &worker.desk, &worker.clock)).await,
        Err(fault) => Err(fault),
    };
    demands.tell(now_us, &worker.policies, told.fields);
    let admission = admission?;
    account.over_quota = admission.over_quota();
    account.events = EventLimits::of(&demands, &worker.desk, &worker.clock);
    if admission.shadow() {
        worker.cells.shadow.add(1);
    }
    if demands.are_any() {
        account.throttled();
    }
    if let Some(view) = told.view {
        view.permitted(&permit);
        if view.explains() {
            // The admission is dropped unsettled and gives its room back.
            return Ok(Response::new(Body::Empty));
        }
    }

    let (name, open) = (account.text, OpenCall::new(&worker.open_calls));
    let mut response = if let Some(rules) = &permit.matched().operation().cache {
        let inbound = Inbound { worker, generation: &generation, received, body, account };
        // Boxed, so that the future of other calls stays small.
        let answer = Box::pin(caching::serve(rules, &permit, admission, inbound));
        unless_ended(worker, &open, &permit, received, answer).await?
    } else {
        let outbound = Outbound { worker, generation: &generation, received, body, account };
        let answer = pin!(upstream::call(&permit, admission, outbound));
        unless_ended(worker, &open, &permit, received, answer).await?.into_response()
    };
    account.open = Some(open);
    let facts = Facts { received, permit: &permit, name: &name };
    let begun =
        (policies::change_answers(&permit) || decided.is_some()).then(|| account.answer_begun());
    policies::change_answer(&facts, response.headers_mut());
    if let Some(decided) = &decided {
        decided.change_answer(response.headers_mut());
    }
    if let Some(begun) = begun {
        account.answer_mediated(begun);
    }
    if let Some(limits) = &account.events {
        events::count(limits, &mut response);
    }
    if let Some(compression) = &permit.matched().home().compression {
        compression::compress(compression, &worker.encoders, received, &mut response);
    }
    Ok(response)
}

/// The answer, unless the call may not be made any more before it begins.
async fn unless_ended<T>(
    worker: &Worker,
    open: &OpenCall,
    permit: &Permit<'_>,
    received: &Received,
    mut answer: Pin<impl DerefMut<Target = impl Future<Output = Result<T, Fault>>>>,
) -> Result<T, Fault> {
    let terms = || Terms {
        api: Arc::clone(permit.matched().api()),
        operation: Arc::clone(permit.matched().operation()),
        caller: permit.caller().clone(),
        client: received.peer.client,
        certificate: received.peer.certificate.clone(),
        pages: pages(received.headers.get(ORIGIN), received.headers.get(REFERER)),
        asked_until: None,
    };
    poll_fn(|cx| {
        let polled = answer.as_mut().poll(cx);
        if polled.is_pending() { worker.poll_ended(open, cx, terms).map(Err) } else { polled }
    })
    .await
}

/// Whether the body may be as long as it says; a length that is not said is watched while it comes.
fn fits(
    matched: &Matched<'_>,
    worker: &Worker,
    length: Option<u64>,
    account: &Account,
) -> Result<(), Fault> {
    let Some(intake) = account.intake() else { return Ok(()) };
    let most = matched.home().limits.max_request_bytes.unwrap_or(worker.bounds.body_bytes);
    intake.limit(most);
    if length.is_some_and(|length| length > most) {
        return Err(Fault::BodyTooLarge);
    }
    Ok(())
}

/// Lets go of the call if it is one of those that there is no time for.
async fn make_way(worker: &Worker, permit: &Permit<'_>) -> Result<(), Fault> {
    let priority = permit.subscription().map_or(plan::USUAL_PRIORITY, |s| s.priority);
    if !worker.gate.lets_go(priority) {
        return Ok(());
    }
    let hold = worker.gate.hold();
    if hold > TICK {
        let alarm = worker.alarms.alarm();
        alarm.set(hold);
        poll_fn(|cx| alarm.poll(cx)).await;
    }
    worker.cells.shed.add(1);
    Err(Fault::Overloaded { retry_after_s: worker.gate.retry_after_s() })
}

/// The gateway's own answer to OPTIONS.
fn options(methods: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    if let Ok(methods) = HeaderValue::try_from(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// The answer to a call that is refused; where it is only explained, nobody was refused anything.
fn refusal(
    fault: &Fault,
    received: &Received,
    account: &mut Account,
    mut view: Option<&mut View>,
) -> Response<Body> {
    if let Some(view) = &mut view {
        view.refused(fault, account);
    }
    if view.is_some_and(|view| view.explains()) {
        return Response::new(Body::Empty);
    }
    let mut response = refused(fault, Format::for_request(&received.headers), account);
    challenge(fault, received, account, &mut response);
    response
}

/// The one place where a fault becomes an answer.
fn refused(fault: &Fault, format: Format, account: &mut Account) -> Response<Body> {
    account.refused(fault);
    let code = fault.row().code;
    let cause = Causes(fault);
    if fault.blame() == Blame::Client || matches!(fault, Fault::Overloaded { .. }) {
        tracing::debug!(code, %cause, "call refused");
    } else {
        tracing::warn!(code, %cause, "call failed");
    }
    fault::render(fault, format, account.opened_us().div_euclid(1_000_000))
}

/// Says what the API that was called wants to be shown.
fn challenge(fault: &Fault, received: &Received, account: &Account, response: &mut Response<Body>) {
    let Some((api, _)) = &account.called else { return };
    if matches!(fault, Fault::NotPermitted(_)) || !response.headers().contains_key(WWW_AUTHENTICATE)
    {
        return;
    }
    response.headers_mut().remove(WWW_AUTHENTICATE);
    let place = handlers::place(account.proxies(), received, &api.served_at());
    for challenge in fault::challenges(fault, &api.security, &place) {
        if let Ok(value) = HeaderValue::try_from(challenge) {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }
}

/// The call's span, below the one that the client named; none while nobody collects spans.
fn span(received: &Received, account: &mut Account) -> tracing::Span {
    if !chassis::telemetry::enabled() {
        return tracing::Span::none();
    }
    let span = tracing::info_span!(
        "call",
        otel.kind = "server",
        otel.name = %received.method,
        http.request.method = %received.method,
        url.path = received.path(),
    );
    chassis::telemetry::extract(&received.headers).adopt(&span);
    let traceparent = span.in_scope(chassis::telemetry::traceparent);
    if let Some(trace) =
        traceparent.and_then(|text| trace::trace_id(&HeaderValue::try_from(text).ok()?))
    {
        account.trace = trace;
    }
    span
}
