//! What goes out to a backend, whichever of its servers is asked?

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, Response};
use plan::{ApiType, BackendJwtPlan, BackendUrl, EndpointPlan};

use super::assertion::Told;
use super::forwarded::Forwarded;
use super::security::{Fields, Shown, writes};
use crate::account::Account;
use crate::body::{Body, Intake};
use crate::generation::Generation;
use crate::handlers::Permit;
use crate::identity::{MIRRORED, is_like};
use crate::interim::{Interim, Teller};
use crate::policies::{Facts, RequestRules};
use crate::received::Received;
use crate::sender::http2::told_timeout;
use crate::sender::{Backends, Line, write};
use crate::servers::{Now, View};
use crate::trailers;
use crate::websocket::Handshake;
use crate::worker::Worker;

/// What a call takes of the configuration in force, beside what was found for it.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    /// How servers are made sure of.
    pub(super) backends: &'a Arc<Backends>,
    /// Fields that no client says.
    pub(super) reserved: &'a Arc<[HeaderName]>,
    /// Its number.
    pub(super) generation: u64,
}

impl<'a> Ground<'a> {
    pub(super) const fn of(generation: &'a Generation) -> Self {
        let Generation { number, backends, reserved, .. } = generation;
        Self { backends, reserved, generation: *number }
    }
}

/// What all tries of a call have in common.
pub(super) struct Request<'a> {
    pub(super) worker: &'a Rc<Worker>,
    /// What it takes of the configuration in force.
    pub(super) ground: Ground<'a>,
    pub(super) endpoint: &'a Arc<EndpointPlan>,
    pub(super) received: &'a Received,
    /// The servers of the endpoint.
    pub(super) view: Rc<View>,
    /// When all tries and the whole answer have to be over.
    pub(super) deadline: Option<Instant>,
    pub(super) permit: &'a Permit<'a>,
    forwarded: Forwarded,
    waits: Option<Rc<Intake>>,
    interim: Option<Rc<Interim>>,
    pub(super) traceparent: Option<String>,
    name: [u8; 32],
    /// The wish to leave HTTP, where that is allowed.
    pub(super) handshake: Option<Box<Handshake>>,
    /// The credential that the endpoint asks for.
    pub(super) shown: Option<Box<Shown<'a>>>,
    /// What the backend is told of the caller.
    pub(super) told: Option<Told<'a>>,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        worker: &'a Rc<Worker>,
        ground: Ground<'a>,
        received: &'a Received,
        permit: &'a Permit<'a>,
        account: &Account,
        body: &Body,
    ) -> Self {
        let mut forwarded = Forwarded::of(received, &worker.proxies);
        let has_body = !body.is_empty();
        let waits = account.intake().filter(|intake| has_body && intake.asks()).cloned();
        forwarded.expects = waits.is_some();
        let traceparent = trace(&mut forwarded);
        let endpoint = permit.endpoint();
        let view = worker.servers.view(endpoint);
        let deadline = endpoint.total_timeout.map(|total| worker.alarms.now() + total);
        Self {
            worker,
            ground,
            endpoint,
            received,
            view,
            deadline,
            permit,
            forwarded,
            waits,
            interim: account.interim.clone(),
            traceparent,
            name: account.text,
            handshake: None,
            shown: None,
            told: None,
        }
    }

    /// How the backend is told who calls; `None`: it is not.
    pub(super) fn jwt(&self) -> Option<&'a BackendJwtPlan> {
        self.permit.matched().home().backend_jwt.as_deref().filter(|plan| plan.enabled)
    }

    /// Whether something had to be made for the backend before it could be asked.
    pub(super) const fn is_mediated(&self) -> bool {
        self.told.is_some() || self.shown.is_some()
    }

    /// What is known of the call.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { received: self.received, permit: self.permit, name: &self.name }
    }

    /// The same as a copy, which says that it is one and stays in the trace of its call.
    pub(super) fn into_copy(mut self, traceparent: Option<String>) -> Self {
        self.forwarded.is_copy = true;
        self.forwarded.traced = traceparent.is_some();
        Self { traceparent, ..self }
    }

    /// The time, as of the last tick.
    pub(super) fn now(&self) -> Now {
        let instant = self.worker.alarms.now();
        Now { instant, ms: self.worker.servers.millis(instant) }
    }

    /// Whether the body may be wanted once more: by another try, or by the same with another token.
    pub(super) fn keeps_body(&self) -> bool {
        let plan = &self.endpoint.retries;
        // A server of HTTP/2 may say that it has not looked at a request, of whatever method.
        let refusable = self.endpoint.http2;
        let method = refusable || plan.any_method || self.received.method.is_idempotent();
        (plan.attempts > 0 && method)
            || self.shown.as_ref().is_some_and(|shown| shown.is_renewable())
    }

    /// There where the client waits for a word before it sends its body.
    pub(super) fn waits(&self) -> Option<Rc<Intake>> {
        self.waits.clone()
    }

    /// Who tells the client what is said before the answer; `None`: the client takes nothing of it.
    pub(super) fn teller(&self) -> Option<Teller> {
        let interim = Rc::clone(self.interim.as_ref()?);
        let matched = self.permit.matched();
        let policies = matched.operation().policies.clone();
        Some(Teller::new(interim, policies, matched.home().cors.is_some()))
    }

    /// How long a server may take to answer; a client that names a deadline decides that itself.
    pub(super) fn try_timeout(&self) -> Duration {
        let grpc = self.permit.matched().api().kind == ApiType::Grpc;
        let told = grpc && told_timeout(&self.received.headers).is_some();
        if told { Duration::MAX } else { self.endpoint.timeout }
    }

    /// How long may pass between two parts of an answer. Events and messages may be rare.
    pub(super) fn idle_timeout(&self) -> Duration {
        match self.permit.matched().api().kind {
            ApiType::Sse | ApiType::Grpc => Duration::MAX,
            ApiType::Http | ApiType::Ws => self.endpoint.idle_timeout,
        }
    }

    /// When all of it has to be over, if its client asks at `now` and says how long it waits.
    pub(super) fn deadline_at(&self, now: Instant) -> Option<Instant> {
        let grpc = self.permit.matched().api().kind == ApiType::Grpc;
        let told = grpc.then(|| told_timeout(&self.received.headers)).flatten();
        let told = told.and_then(|told| now.checked_add(told));
        told.into_iter().chain(self.deadline).min()
    }

    /// `body`, without the trailers that would say what policies, the endpoint's credential and what
    /// backends are told of callers leave to nobody but the gateway.
    pub(super) fn sifted(&self, body: Body) -> Body {
        let policies = self.permit.matched().operation().policies.as_ref();
        let policies = policies.filter(|policies| !policies.request.dropped().is_empty()).cloned();
        let (endpoint, reserved) = (self.endpoint, self.ground.reserved);
        let nothing = policies.is_none() && endpoint.credential.is_none() && reserved.is_empty();
        if nothing || !self.has_trailers(&body) {
            return body;
        }
        let (endpoint, reserved) = (Arc::clone(endpoint), Arc::clone(reserved));
        trailers::sifted(body, move |name| {
            let credential = endpoint.credential.as_deref();
            policies.as_ref().is_some_and(|policies| policies.request.drops(name))
                || credential.is_some_and(|plan| writes(plan, name))
                || reserved.iter().any(|reserved| is_like(name, reserved.as_str()))
        })
    }

    /// The same of the backend's answer, and of what policies take from it.
    pub(super) fn sifted_answer(&self, answer: Response<Body>) -> Response<Body> {
        let policies = self.permit.matched().operation().policies.as_ref();
        let policies = policies.filter(|policies| !policies.response.dropped().is_empty());
        let Some(policies) = policies.filter(|_| self.has_trailers(answer.body())).cloned() else {
            return answer;
        };
        answer.map(|body| trailers::sifted(body, move |name| policies.response.drops(name)))
    }

    /// Whether there may be trailers: HTTP/1.1 has no place for them behind a known length.
    fn has_trailers(&self, body: &Body) -> bool {
        self.endpoint.http2 || body.length().is_none()
    }

    /// Writes the head for `server`.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, server: &BackendUrl, body: &Body) {
        let rest = self.permit.matched().rest();
        let slash = if server.base.is_empty() && !rest.starts_with('/') { "/" } else { "" };
        let prefix = if slash.is_empty() { server.base.as_str() } else { slash };
        let [for_list, proto, host, name] = self.forwarded.added(&self.name);
        // What was shown beside the gateway's own credential.
        let left = self.permit.left_over(self.received);
        let none: (&str, &[u8]) = ("", &[]);
        let mut added = [for_list, proto, host, name, none, none, none, none, none, none, none];
        let trace = self.traceparent.as_ref().map(|trace| ("traceparent", trace.as_bytes()));
        let standard = self.forwarded.standard_field();
        let standard = standard.map(|standard| ("forwarded", standard.as_bytes()));
        let certificate = self.received.peer.certificate.as_ref();
        let certificate = certificate.map(|shown| shown.fields(self.worker.certificate_told));
        let copy = self.forwarded.is_copy.then_some((MIRRORED, b"1".as_slice()));
        // Who keeps answers says by which name it may be told for how long.
        let keeps = self.permit.matched().operation().cache.is_some();
        let capability = keeps.then_some(("surrogate-capability", cache::CAPABILITY.as_bytes()));
        let mut count = 4;
        let more = trace.into_iter().chain(standard).chain(copy).chain(capability);
        let more = more.chain(certificate.into_iter().flatten());
        for field in more {
            if let Some(place) = added.get_mut(count) {
                *place = field;
                count += 1;
            }
        }
        if let (Some((name, left)), Some(place)) = (&left, added.get_mut(count)) {
            *place = (name.as_str(), left.as_bytes());
            count += 1;
        }
        let facts = self.facts();
        let policies = self.permit.matched().operation().policies.as_deref();
        let policies = policies.map(|policies| RequestRules::new(&policies.request, facts));
        let shown = self.shown.as_deref();
        let target = shown.map_or(Cow::Borrowed(rest), |shown| shown.target(rest));
        let credential = self.endpoint.credential.as_deref();
        let fields = Fields { policies, credential, shown, told: self.told.as_ref() };
        let reserved = |name: &str| {
            self.ground.reserved.iter().any(|reserved| is_like(name, reserved.as_str()))
        };
        let line = Line {
            method: &self.received.method,
            prefix,
            target: &target,
            host: &server.authority,
            passes: &|name| {
                self.forwarded.passes(name) && !self.permit.takes(name) && !reserved(name)
            },
            upgrades: self.handshake.is_some(),
            added: added.get(..count).unwrap_or(&added),
            rules: fields.rules(),
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
