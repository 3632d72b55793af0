//! What does the backend learn about the caller, in a JWT that the gateway signs?

use std::rc::Rc;

use http::HeaderName;
use plan::{BackendJwtPlan, ClaimPlan, Dialect, KeyType, Part, Variable};
use serde_json::Value;

use super::request::Request;
use crate::assertions::Wanted;
use crate::fault::Fault;
use crate::handlers::Permit;
use crate::policies::Facts;

/// Where the names of the WSO2 dialect begin.
const WSO2: &str = "http://wso2.org/claims/";

/// The field that tells the backend who calls.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub(super) name: &'a HeaderName,
    pub(super) value: Rc<str>,
}

/// What the backend of `request` is told; `None`: its API tells nothing.
pub(super) fn told<'a>(request: &Request<'a>) -> Result<Option<Told<'a>>, Fault> {
    let Some(plan) = request.jwt() else { return Ok(None) };
    let worker = request.worker;
    let wanted = Wanted {
        algorithm: plan.algorithm,
        encoding: plan.encoding,
        lifetime: i64::try_from(plan.lifetime.as_secs()).unwrap_or(0),
        ends_at: request.permit.caller().ends_at(),
        generation: request.ground.generation,
        now: worker.clock.unix_seconds(),
    };
    let mut minted = worker.minted.borrow_mut();
    let issuer = Rc::clone(minted.issuer());
    let said = minted.assertion(wanted, |out, scratch| {
        Claims { out, scratch, prefix: "" }.write(&issuer, plan, request);
    });
    let said = said.map_err(|error| Fault::NoBackendJwt(Box::new(error)))?;
    let cells = &worker.cells;
    if said.fresh { &cells.jwts_signed } else { &cells.jwts_kept }.add(1);
    Ok(Some(Told { name: &plan.header, value: said.text }))
}

/// Members of a JSON object while they are written.
struct Claims<'o> {
    out: &'o mut Vec<u8>,
    /// Where values are put together that do not lie ready.
    scratch: &'o mut Vec<u8>,
    /// What stands before names; plain text.
    prefix: &'static str,
}

impl Claims<'_> {
    /// All that holds for as long as the caller, the operation and the backend are the same.
    fn write(&mut self, issuer: &str, plan: &BackendJwtPlan, request: &Request<'_>) {
        self.text("iss", issuer);
        match &plan.audience {
            Some(audience) => self.text("aud", audience),
            None => self.origin(request),
        }
        self.optional("sub", request.permit.caller().subject());
        match plan.dialect {
            Dialect::Turnpike => self.own(request),
            Dialect::Wso2 => self.wso2(request),
        }
        let facts = request.facts();
        for claim in &plan.claims {
            self.further(claim, &facts);
        }
    }

    /// Our own dialect.
    fn own(&mut self, request: &Request<'_>) {
        let permit = request.permit;
        let (matched, caller) = (permit.matched(), permit.caller());
        self.optional("client_id", caller.client_id());
        self.scratch.clear();
        for scope in caller.scopes() {
            self.scratch.extend_from_slice(scope.as_bytes());
            self.scratch.push(b' ');
        }
        if self.scratch.pop().is_some() {
            self.scratched("scope");
        }
        self.optional("app", permit.application().map(|application| &*application.name));
        self.text("api", &matched.api().name);
        self.text("version", &matched.api().version);
        self.scratch.clear();
        for part in [request.received.method.as_str(), " ", &matched.operation().path] {
            self.scratch.extend_from_slice(part.as_bytes());
        }
        self.scratched("operation");
        self.optional("key_type", permit.key_type().map(key_type));
        self.optional("tier", tier(permit));
    }

    /// The dialect of the WSO2 gateway.
    fn wso2(&mut self, request: &Request<'_>) {
        self.prefix = WSO2;
        let permit = request.permit;
        let (api, caller) = (permit.matched().api(), permit.caller());
        if let Some(application) = permit.application() {
            self.text("subscriber", &application.owner);
            self.text("applicationid", &application.name);
            self.text("applicationname", &application.name);
            self.text("applicationtier", &application.tier);
        }
        self.text("apiname", &api.name);
        self.scratch.clear();
        if api.context.contains("{version}") {
            let whole = api.context.replace("{version}", &api.version);
            self.scratch.extend_from_slice(whole.as_bytes());
        } else {
            for part in [api.context.trim_end_matches('/'), "/", &api.version] {
                self.scratch.extend_from_slice(part.as_bytes());
            }
        }
        self.scratched("apicontext");
        self.text("version", &api.version);
        self.optional("tier", tier(permit));
        self.optional("keytype", permit.key_type().map(key_type));
        if !caller.is_anybody() {
            let who = if caller.is_person() { "APPLICATION_USER" } else { "APPLICATION" };
            self.text("usertype", who);
        }
        self.optional("enduser", caller.subject());
        self.prefix = "";
    }

    /// A claim of the API's own; none, where it comes out empty.
    fn further(&mut self, claim: &ClaimPlan, facts: &Facts<'_>) {
        if let [Part::Variable(Variable::TokenClaim(name))] = claim.value.as_slice() {
            let said = facts.permit.caller().claim(name);
            if let Some(said) = said.filter(|said| !is_empty(said)) {
                self.name(&claim.name);
                // Writing to a vector cannot fail.
                let _ = serde_json::to_writer(&mut *self.out, &*said);
            }
            return;
        }
        self.scratch.clear();
        facts.write(&claim.value, self.scratch);
        if !self.scratch.is_empty() {
            self.scratched(&claim.name);
        }
    }

    /// `aud` is where the endpoint's first server is.
    fn origin(&mut self, request: &Request<'_>) {
        let Some(server) = request.endpoint.servers.first() else { return };
        self.scratch.clear();
        let scheme = if server.url.tls { "https://" } else { "http://" };
        self.scratch.extend_from_slice(scheme.as_bytes());
        self.scratch.extend_from_slice(server.url.authority.as_bytes());
        self.scratched("aud");
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, text);
    }

    /// What lies in `scratch`.
    fn scratched(&mut self, name: &str) {
        self.name(name);
        let text = String::from_utf8_lossy(self.scratch);
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, &*text);
    }

    fn name(&mut self, name: &str) {
        if !self.out.is_empty() {
            self.out.push(b',');
        }
        if self.prefix.is_empty() {
            // Writing to a vector cannot fail.
            let _ = serde_json::to_writer(&mut *self.out, name);
        } else {
            for part in ["\"", self.prefix, name, "\""] {
                self.out.extend_from_slice(part.as_bytes());
            }
        }
        self.out.push(b':');
    }
}

/// The tier that limits the calls of the caller: of the subscription, or of the certificate.
fn tier<'p>(permit: &'p Permit<'_>) -> Option<&'p str> {
    let subscription = permit.subscription().map(|subscription| &*subscription.tier);
    subscription.or_else(|| permit.caller().certificate().map(|rights| &*rights.tier))
}

const fn key_type(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Production => "PRODUCTION",
        KeyType::Sandbox => "SANDBOX",
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}
