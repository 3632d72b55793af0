//! What is written down about a call?
//!
//! An `Account` is opened when the request is there and reports exactly one usage event when it is
//! dropped, however the call ended: answered, refused, broken off, or left by its client.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use chassis::proxies::Proxies;
use http::header::{HOST, ORIGIN, REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use plan::{AnalyticsPlan, ApiPlan, ApplicationPlan, KeyType, OperationPlan, SubscriptionPlan};
use spool::Call;

use crate::body::{BodyError, Intake};
use crate::certificate::ClientCertificate;
use crate::fault::{self, Class, Fault};
use crate::handlers::{self, Caller, EventLimits, Owing};
use crate::hex::hex;
use crate::interim::Interim;
use crate::open_calls::{OpenCall, Terms, pages};
use crate::received::Peer;
use crate::sender::Lane;
use crate::servers::{Load, Room};
use crate::trace;
use crate::worker::Worker;

/// The code in the event of a call whose answer broke off: the client has seen another status.
const ANSWER_BROKE_OFF: u32 = 101_505;

/// The record of one call, reported when it is dropped.
#[derive(Debug)]
pub struct Account {
    worker: Rc<Worker>,
    opened: Instant,
    marked: Instant,
    /// The call's name.
    pub name: [u8; 16],
    /// The same as it stands in header fields.
    pub text: [u8; 32],
    /// The trace that the call belongs to; all zero: none.
    pub trace: [u8; 16],
    /// Absent: what came was no request.
    method: Option<Method>,
    target: Option<PathAndQuery>,
    host: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    version: Version,
    client: IpAddr,
    certificate: Option<Rc<ClientCertificate>>,
    origin: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    /// What else stands in the fields.
    pub said: Said,
    /// The API and the operation that were called.
    pub called: Option<(Arc<ApiPlan>, Arc<OperationPlan>)>,
    /// What may be reported of the call; `None`: everything.
    pub analytics: Option<Arc<AnalyticsPlan>>,
    /// Who calls, as far as they had to be known.
    pub caller: Option<Caller>,
    /// The call as one that may have to end; absent: nobody's right was looked at.
    pub open: Option<OpenCall>,
    /// The application that called.
    pub application: Option<(Arc<ApplicationPlan>, KeyType)>,
    /// What it may call by.
    pub subscription: Option<Arc<SubscriptionPlan>>,
    /// Whether the answer is one that was kept, with or without asking whether it still holds.
    pub from_cache: bool,
    /// What limits wait to be told.
    pub owing: Owing,
    /// Those of its limits that count what streams bring; absent: none does.
    pub events: Option<EventLimits>,
    /// Whether a quota was used up and the call passed all the same.
    pub over_quota: bool,
    /// The backend that was asked.
    pub backend: Option<Rc<Lane>>,
    backend_asked: Option<Instant>,
    backend_us: u64,
    /// When the last byte of the backend's answer was there.
    backend_ended: Option<Instant>,
    backend_status: u16,
    status: u16,
    fault: Option<Written>,
    security_us: u64,
    throttling_us: u64,
    request_mediation_us: u64,
    response_mediation_us: u64,
    /// What of that was while the backend had not ended.
    paused_us: u64,
    /// When the answer had been changed; absent: nothing is done to it.
    mediated: Option<Instant>,
    intake: Option<Rc<Intake>>,
    /// Body bytes that went to the client.
    pub response_bytes: u64,
    subject: Subject,
    /// The call as one of those under way at its server.
    pub load: Option<Load>,
    /// The call as one of those that its endpoint may have at a time.
    pub room: Option<Room>,
    /// What keeps the client at its server.
    pub cookie: Option<HeaderValue>,
    /// The way for answers before the answer; absent: the client takes none.
    pub interim: Option<Rc<Interim>>,
}

/// What is written down of a request, as far as there is one.
#[derive(Default)]
struct Request {
    method: Option<Method>,
    target: Option<PathAndQuery>,
    fields: Fields,
    intake: Option<Rc<Intake>>,
    interim: Option<Rc<Interim>>,
}

/// What is written down of its fields.
#[derive(Default)]
struct Fields {
    host: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    origin: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    said: Said,
}

impl Fields {
    /// They are few: to walk over them once takes less than to look for each of these names.
    fn of(headers: &HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let place = if *name == HOST {
                &mut fields.host
            } else if *name == USER_AGENT {
                &mut fields.agent
            } else if *name == ORIGIN {
                &mut fields.origin
            } else if *name == REFERER {
                &mut fields.referer
            } else {
                fields.said.trace |= trace::is_said_by(name);
                fields.said.test_key |= handlers::is_test_key(name);
                continue;
            };
            if place.is_none() {
                *place = Some(value.clone());
            }
        }
        fields
    }
}

/// Which fields a request has that are read where they stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// The trace that the call belongs to.
    pub trace: bool,
    /// A key for tests.
    pub test_key: bool,
}

/// A fault, as it is written down.
#[derive(Clone, Copy, Debug)]
struct Written {
    code: u32,
    class: Class,
    subtype: &'static str,
}

/// What a record is of. Only calls are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A call of a client.
    Call,
    /// What the gateway asks a backend of its own.
    Own,
    /// A copy for a mirror, which is no backend.
    Copy,
}

impl Account {
    /// Opens the record of a call that has just been read. `interim` is absent where the client takes
    /// no answers before the answer.
    pub fn open(
        worker: &Rc<Worker>,
        parts: &Parts,
        peer: &Peer,
        intake: Option<Rc<Intake>>,
        interim: Option<Rc<Interim>>,
    ) -> Self {
        let (method, target) = (Some(parts.method.clone()), parts.uri.path_and_query().cloned());
        let fields = Fields::of(&parts.headers);
        let request = Request { method, target, fields, intake, interim };
        Self::new(worker, peer, parts.version, request)
    }

    /// Nobody has called: it was only asked what would become of a call.
    pub const fn explained(&mut self) {
        self.subject = Subject::Own;
    }

    /// The address of the client.
    pub const fn client(&self) -> IpAddr {
        self.client
    }

    /// Opens the record of something that came and is no request.
    pub fn of_no_request(worker: &Rc<Worker>, peer: &Peer, version: Version) -> Self {
        Self::new(worker, peer, version, Request::default())
    }

    /// All of it at once: it is large, and would be moved if it were filled in later.
    fn new(worker: &Rc<Worker>, peer: &Peer, version: Version, request: Request) -> Self {
        let Request { method, target, fields, intake, interim } = request;
        let Fields { host, agent, origin, referer, said } = fields;
        let opened = worker.clock.instant();
        let name = worker.names.name();
        Self {
            worker: Rc::clone(worker),
            opened,
            marked: opened,
            name,
            text: hex(name),
            trace: [0; 16],
            method,
            target,
            host,
            agent,
            version,
            client: peer.client,
            certificate: peer.certificate.clone(),
            origin,
            referer,
            said,
            called: None,
            analytics: None,
            caller: None,
            open: None,
            application: None,
            subscription: None,
            from_cache: false,
            owing: Owing::default(),
            events: None,
            over_quota: false,
            backend: None,
            backend_asked: None,
            backend_us: 0,
            backend_ended: None,
            backend_status: 0,
            status: 0,
            fault: None,
            security_us: 0,
            throttling_us: 0,
            request_mediation_us: 0,
            response_mediation_us: 0,
            paused_us: 0,
            mediated: None,
            intake,
            response_bytes: 0,
            subject: Subject::Call,
            load: None,
            room: None,
            cookie: None,
            interim,
        }
    }

    /// The record of what the gateway asks a backend of its own: no usage event comes of it.
    pub fn unreported(worker: &Rc<Worker>, peer: &Peer) -> Self {
        let (parts, ()) = http::Request::new(()).into_parts();
        let mut account = Self::open(worker, &parts, peer, None, None);
        account.subject = Subject::Own;
        account
    }

    /// The record of a copy of the call with this name: no usage event comes of it either.
    pub fn of_copy(worker: &Rc<Worker>, peer: &Peer, name: [u8; 16]) -> Self {
        let mut account = Self::unreported(worker, peer);
        (account.name, account.text) = (name, hex(name));
        account.subject = Subject::Copy;
        account
    }

    /// When the call began.
    pub const fn opened(&self) -> Instant {
        self.opened
    }

    /// When the call began, in microseconds since the Unix epoch.
    pub fn opened_us(&self) -> i64 {
        self.worker.unix_us(self.opened)
    }

    /// When the last stage ended, in microseconds since the Unix epoch.
    pub fn marked_us(&self) -> i64 {
        self.worker.unix_us(self.marked)
    }

    /// What is known of the request's body; absent: it has none.
    pub const fn intake(&self) -> Option<&Rc<Intake>> {
        self.intake.as_ref()
    }

    /// The caller and their rights are known.
    pub fn secured(&mut self) {
        self.security_us = self.since_mark();
    }

    /// The limits were asked.
    pub fn throttled(&mut self) {
        self.throttling_us = self.since_mark();
    }

    /// The request was made ready for its backend.
    pub fn request_mediated(&mut self) {
        self.request_mediation_us = self.since_mark();
    }

    /// The answer will be changed now; to be handed back when it was.
    pub fn answer_begun(&self) -> Instant {
        self.worker.clock.instant()
    }

    /// The answer was changed, from then on.
    pub fn answer_mediated(&mut self, begun: Instant) {
        let now = self.worker.clock.instant();
        let span = micros(begun, now);
        self.response_mediation_us += span;
        if self.backend_asked.is_some() {
            // The backend is not done, and its time goes on around this.
            self.paused_us += span;
        }
        self.mediated = Some(now);
    }

    /// The request goes to a backend now.
    pub fn asked(&mut self, backend: Rc<Lane>) {
        self.backend = Some(backend);
        self.backend_asked = Some(self.marked);
    }

    /// The backend's answer has begun.
    pub fn answered(&mut self, status: StatusCode) {
        self.backend_status = status.as_u16();
    }

    /// The last byte of the backend's answer is here.
    pub fn backend_done(&mut self) {
        if let Some(asked) = self.backend_asked.take() {
            let now = self.worker.clock.instant();
            self.backend_ended = Some(now);
            self.backend_us = micros(asked, now).saturating_sub(self.paused_us);
            if self.subject != Subject::Copy {
                self.worker.cells.backend.add(self.backend_us);
            }
        }
    }

    /// The gateway answers itself.
    pub fn refused(&mut self, fault: &Fault) {
        let row = fault.row();
        let subtype = fault.subtype();
        self.fault = Some(Written { code: row.code, class: row.class, subtype });
        // Whose call it was is known as soon as the caller is, whether or not they may call.
        if self.application.is_none()
            && let Some(consumer) = self.caller.as_ref().and_then(Caller::consumer)
        {
            self.application = Some((Arc::clone(&consumer.application), consumer.key_type));
        }
        let faults = &self.worker.cells.faults;
        match row.class {
            Class::Auth => faults.auth.add(1),
            Class::Throttled => faults.throttled.add(1),
            Class::Target => faults.target.add(1),
            Class::Other => faults.other.add(1),
        }
    }

    /// The answer broke off after it had begun.
    pub fn broke_off(&mut self, error: &BodyError) {
        let backend = self.backend.as_ref().map_or("", |backend| backend.authority());
        tracing::warn!(backend, error = error as &dyn std::error::Error, "answer broke off");
        if matches!(error, BodyError::Backend(_)) && self.fault.is_none() {
            let (class, subtype) = (Class::Target, fault::REST);
            self.fault = Some(Written { code: ANSWER_BROKE_OFF, class, subtype });
            self.worker.cells.faults.target.add(1);
        }
    }

    /// Whether the call may not go on, and why; said once. It is then written down as refused.
    pub fn poll_ended(&mut self, cx: &Context<'_>) -> Poll<Fault> {
        let (Some(open), Some((api, operation)), Some(caller)) =
            (&self.open, &self.called, &self.caller)
        else {
            return Poll::Pending;
        };
        let terms = || Terms {
            api: Arc::clone(api),
            operation: Arc::clone(operation),
            caller: caller.clone(),
            client: self.client,
            certificate: self.certificate.clone(),
            pages: pages(self.origin.as_ref(), self.referer.as_ref()),
            asked_until: None,
        };
        let Poll::Ready(fault) = self.worker.poll_ended(open, cx, terms) else {
            return Poll::Pending;
        };
        tracing::debug!(code = fault.row().code, cause = %fault, "open call ended");
        self.worker.cells.ended.add(1);
        self.refused(&fault);
        Poll::Ready(fault)
    }

    /// So much has passed in both directions since HTTP was left.
    pub fn carried(&mut self, up: u64, down: u64) {
        self.intake.get_or_insert_with(|| Rc::new(Intake::new(false))).carried(up);
        self.response_bytes = down;
    }

    /// What the client is told.
    pub fn told(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    fn since_mark(&mut self) -> u64 {
        let now = self.worker.clock.instant();
        let span = micros(self.marked, now);
        self.marked = now;
        span
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.backend_done();
        let request_bytes = self.intake.as_ref().map_or(0, |intake| intake.read());
        self.owing.came_to(&self.worker.desk, request_bytes, self.response_bytes);
        self.count_events();
        if self.subject != Subject::Call {
            return;
        }
        // What comes after the backend's last byte is handed over within microseconds, so the clock
        // is not read once more for it.
        let ended = self.backend_ended.max(self.mediated);
        let ended = ended.unwrap_or_else(|| self.worker.clock.instant());
        let total_us = micros(self.opened, ended);
        let cells = &self.worker.cells;
        cells.total.add(total_us);
        cells.latencies.add(total_us);
        if let Some(cell) = cells.calls.get(usize::from(self.status / 100)) {
            cell.add(1);
        }
        if cells.compared.any()
            && let Some((api, _)) = &self.called
        {
            cells.compared.count(&api.id, self.status, total_us);
        }
        let Worker { recorder, lines, watched, .. } = &*self.worker;
        let looks = watched.any();
        if !(looks || recorder.is_on() || lines.are_on()) {
            return;
        }
        let call = self.call(total_us);
        recorder.record_as(&call, self.analytics.as_deref());
        lines.record(&call);
        if looks {
            self.look(&call);
        }
    }
}

impl Account {
    /// Writes down what became of the events of the call.
    fn count_events(&mut self) {
        let Some(events) = self.events.take() else { return };
        self.over_quota |= events.over_quota();
        self.worker.cells.shadow.add(events.shadow());
        if let Some(fault) = events.refused()
            && self.fault.is_none()
        {
            self.refused(&fault);
        }
    }

    /// Logs the call if an operator looks at its API.
    #[cold]
    fn look(&self, call: &Call<'_>) {
        let Some((api, _)) = &self.called else { return };
        let now = call.at_us.div_euclid(1_000_000);
        if self.worker.watched.logs(&api.id, call.status, now) {
            tracing::info!(
                api = %api.id,
                operation = call.operation,
                method = call.method,
                path = call.path,
                application = call.application,
                client = ?call.client_ip,
                status = call.status,
                backend = call.backend,
                backend_status = call.backend_status,
                fault = call.fault_code,
                total_us = call.total_us,
                backend_us = call.backend_us,
                "call"
            );
        }
    }

    /// Who speaks for clients.
    pub fn proxies(&self) -> &Proxies {
        &self.worker.proxies
    }

    fn call(&self, total_us: u64) -> Call<'_> {
        let api = self.called.as_ref().map(|(api, _)| api.as_ref());
        let operation = self.called.as_ref().map(|(_, operation)| operation.as_ref());
        let application = self.application.as_ref().map(|(application, _)| application.as_ref());
        let caller = self.caller.as_ref();
        Call {
            at_us: self.opened_us(),
            request_id: self.name,
            trace_id: self.trace,
            api: api.map_or("", |api| &api.name),
            api_version: api.map_or("", |api| &api.version),
            api_context: api.map_or("", |api| &api.context),
            api_type: api.map_or("", |api| api.kind.as_str_name()),
            api_owner: api.map_or("", |api| &api.owner),
            tenant: api.map_or("", |api| &api.tenant),
            operation: operation.map_or("", |operation| &operation.path),
            method: self.method.as_ref().map_or("", Method::as_str),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            host: self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default(),
            application: application.map_or("", |application| &application.name),
            application_owner: application.map_or("", |application| &application.owner),
            consumer_key: caller.and_then(Caller::client_id).unwrap_or_default(),
            user: caller.map_or("", Caller::user),
            auth_type: caller.map_or("", Caller::shown),
            tier: self.subscription.as_ref().map_or("", |subscription| &subscription.tier),
            key_type: match self.application {
                Some((_, KeyType::Production)) => "production",
                Some((_, KeyType::Sandbox)) => "sandbox",
                None => "",
            },
            client_ip: Some(self.client),
            user_agent: self.agent.as_ref().map_or(&[], HeaderValue::as_bytes),
            protocol: match self.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_11 => "HTTP/1.1",
                _ => "HTTP/2.0",
            },
            status: self.status,
            backend_status: self.backend_status,
            backend: self.backend.as_ref().map_or("", |backend| backend.authority()),
            fault_code: self.fault.map_or(0, |fault| fault.code),
            fault_type: self.fault.map_or("", |fault| fault.class.name()),
            fault_subtype: self.fault.map_or("", |fault| fault.subtype),
            total_us,
            backend_us: self.backend_us,
            security_us: self.security_us,
            throttling_us: self.throttling_us,
            request_mediation_us: self.request_mediation_us,
            response_mediation_us: self.response_mediation_us,
            weight: 1,
            scope: "",
            request_bytes: self.intake.as_ref().map_or(0, |intake| intake.read()),
            response_bytes: self.response_bytes,
            over_quota: self.over_quota,
            from_cache: self.from_cache,
        }
    }
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}
