//! What is an endpoint to a gateway: its servers, and how they are used?

use std::sync::Arc;
use std::time::Duration;

use turnpike_proto::config::v1::Endpoint;

use super::backend_tls::{BackendTlsPlan, compile_backend_tls};
use super::balance::{
    Balance, ServerPlan, StickyPlan, compile_balance, compile_servers, compile_sticky,
};
use super::credential::{CredentialPlan, compile_credential};
use super::named::Named;
use super::range::{optional_span, span};
use super::resilience::{
    BreakerPlan, BulkheadPlan, EjectionPlan, HealthCheckPlan, RetryPlan, compile_breaker,
    compile_bulkhead, compile_ejection, compile_health_check, compile_retries,
};
use super::wire::speaks_http2;
use crate::problem::{At, Problems};

const LEAST: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// A group of servers that answer alike.
///
/// While nothing in it changes, a new version of its API keeps the same value in memory, so that
/// what a gateway knows about its servers can be kept by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPlan {
    /// The servers; at least one.
    pub servers: Vec<ServerPlan>,
    /// How one of them is chosen.
    pub balance: Balance,
    /// How long one may take to the head of its answer.
    pub timeout: Duration,
    /// Whether HTTP/2 is spoken to them.
    pub http2: bool,
    /// How long may pass between two parts of an answer.
    pub idle_timeout: Duration,
    /// How long all tries and the whole answer may take.
    pub total_timeout: Option<Duration>,
    /// How long a server may take to accept a connection; `None`: as the gateway is configured.
    pub connect_timeout: Option<Duration>,
    /// Further tries.
    pub retries: RetryPlan,
    /// When a server is taken out for failing calls.
    pub ejection: EjectionPlan,
    /// Regular checks.
    pub health_check: Option<Box<HealthCheckPlan>>,
    /// When calls are stopped.
    pub breaker: Option<BreakerPlan>,
    /// What it may hold at a time.
    pub bulkhead: BulkheadPlan,
    /// The cookie that keeps a client at its server.
    pub sticky: Option<StickyPlan>,
    /// How long a new server takes to its full share.
    pub slow_start: Option<Duration>,
    /// How often names are resolved anew.
    pub resolve_every: Duration,
    /// TLS to those that speak it, where it is not as everywhere.
    pub tls: Option<Arc<BackendTlsPlan>>,
    /// What they are shown.
    pub credential: Option<Arc<CredentialPlan>>,
}

pub(crate) fn compile_endpoint(
    endpoint: &Endpoint,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<EndpointPlan> {
    let servers = compile_servers(endpoint, at, problems);
    let balance = compile_balance(endpoint, at, problems);
    let timeout = match &endpoint.timeout {
        None => DEFAULT_TIMEOUT,
        Some(given) => positive(given, MAX_TIMEOUT).unwrap_or_else(|| {
            problems.add(
                &at.name("timeout"),
                "a timeout is more than 0 and at most 10 minutes",
                "write for example `30s`",
            );
            DEFAULT_TIMEOUT
        }),
    };
    if endpoint.tls.is_some() && !servers.iter().any(|server| server.url.tls) {
        problems.add(&at.name("tls"), "none of the servers is `https`", "write `https://`");
    }
    let http2 = speaks_http2(endpoint, at, problems);
    let (tls, credential) = check_access(endpoint, named, at, problems);
    let (tls, credential) = (tls.map(Arc::new), credential.map(Arc::new));
    let mut bound = |name: &str, given: &Option<prost_types::Duration>, least, most| {
        optional_span(given.as_ref(), &(least..=most), &at.name(name), problems)
    };
    let idle_timeout = bound("idleTimeout", &endpoint.idle_timeout, LEAST, HOUR);
    let plan = EndpointPlan {
        http2,
        tls,
        credential,
        servers,
        balance,
        timeout: bound("tryTimeout", &endpoint.try_timeout, LEAST, MAX_TIMEOUT).unwrap_or(timeout),
        idle_timeout: idle_timeout.unwrap_or(timeout),
        total_timeout: bound("totalTimeout", &endpoint.total_timeout, LEAST, 24 * HOUR),
        connect_timeout: bound("connectTimeout", &endpoint.connect_timeout, LEAST, MINUTE),
        slow_start: bound("slowStart", &endpoint.slow_start, LEAST, HOUR),
        resolve_every: span(
            endpoint.resolve_every.as_ref(),
            10 * SECOND,
            &(SECOND..=HOUR),
            &at.name("resolveEvery"),
            problems,
        ),
        retries: compile_retries(endpoint.retries.as_ref(), &at.name("retries"), problems),
        ejection: compile_ejection(endpoint.ejection.as_ref(), &at.name("ejection"), problems),
        health_check: endpoint
            .health_check
            .as_ref()
            .map(|check| Box::new(compile_health_check(check, &at.name("healthCheck"), problems))),
        breaker: endpoint
            .breaker
            .as_ref()
            .map(|breaker| compile_breaker(breaker, &at.name("breaker"), problems)),
        bulkhead: endpoint
            .bulkhead
            .map(|bulkhead| compile_bulkhead(bulkhead, &at.name("bulkhead"), problems))
            .unwrap_or_default(),
        sticky: endpoint
            .sticky
            .as_ref()
            .map(|sticky| compile_sticky(sticky, &at.name("sticky"), problems)),
    };
    (!plan.servers.is_empty()).then_some(plan)
}

/// How a gateway and the servers make sure of each other. `None` where nothing is asked for, where
/// something is wrong, which is told, or where what is named is not at hand.
pub(crate) fn check_access(
    endpoint: &Endpoint,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> (Option<BackendTlsPlan>, Option<CredentialPlan>) {
    let tls = endpoint.tls.as_ref();
    let tls = tls.and_then(|tls| compile_backend_tls(tls, named, &at.name("tls"), problems));
    let security = endpoint.security.as_ref();
    let here = at.name("security");
    let credential = security.and_then(|it| compile_credential(it, named, &here, problems));
    let half = (endpoint.tls.is_some() && tls.is_none())
        || (endpoint.security.is_some() && credential.is_none());
    if half && named.are_at_hand() && problems.is_empty() {
        // Never without what was asked for.
        problems.add(at, "its security cannot be put together", "");
    }
    (tls, credential)
}

/// A duration above zero and up to `most`.
pub(crate) fn positive(given: &prost_types::Duration, most: Duration) -> Option<Duration> {
    let duration = Duration::try_from(*given).ok()?;
    (duration > Duration::ZERO && duration <= most).then_some(duration)
}

#[cfg(test)]
#[path = "backend_tests.rs"]
mod tests;
