//! When is a call tried again, and when is a server left alone?

use std::num::NonZeroU32;
use std::time::Duration;

use turnpike_proto::config::v1::{Breaker, Bulkhead, Ejection, HealthCheck, Retries};

use super::range::{number, span, statuses};
use crate::problem::{At, Problems, shown};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const MAX_KEPT_BODY: u32 = 1024 * 1024;

/// Further tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPlan {
    /// Further tries after the first; 0: none.
    pub attempts: u32,
    /// Statuses that are tried again, in order.
    pub statuses: Vec<u16>,
    /// Also methods that are not idempotent.
    pub any_method: bool,
    /// Further tries per 100 calls.
    pub budget_percent: u32,
    /// Bytes of a request body that are kept.
    pub max_body_bytes: u32,
    /// The pause before the first further try.
    pub backoff: Duration,
    /// The longest pause that a server may ask for.
    pub max_retry_after: Duration,
}

/// When a server is taken out for failing calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EjectionPlan {
    /// Failures in a row; 0: never.
    pub failures: u32,
    /// For how long, the first time.
    pub base: Duration,
    /// The longest time.
    pub max: Duration,
    /// How many of the servers, in percent.
    pub max_percent: u32,
    /// Below this share of fit servers all are used.
    pub panic_percent: u32,
}

/// Regular checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckPlan {
    /// What is asked with GET; empty: a connection is enough.
    pub path: String,
    /// From one check to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Good ones in a row until a server is fit again.
    pub healthy: u32,
    /// Bad ones in a row until a server is not fit.
    pub unhealthy: u32,
    /// Good statuses, in order; empty: 200 to 399.
    pub statuses: Vec<u16>,
}

/// When calls to an endpoint are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPlan {
    /// The share of calls that fail.
    pub percent: u32,
    /// Calls below which nothing is concluded.
    pub min_calls: u32,
    /// Within which time.
    pub window: Duration,
    /// For how long, the first time.
    pub open: Duration,
    /// Calls that have to go well until it closes.
    pub probes: u32,
}

/// What an endpoint may hold at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkheadPlan {
    /// Calls of the whole gateway.
    pub max_requests: Option<NonZeroU32>,
    /// Connections per server address and worker.
    pub max_connections: Option<NonZeroU32>,
}

pub(super) fn compile_retries(
    retries: Option<&Retries>,
    at: &At<'_>,
    problems: &mut Problems,
) -> RetryPlan {
    let default = Retries::default();
    let given = retries.unwrap_or(&default);
    let attempts = number(given.attempts, 1, &(1..=10), &at.name("attempts"), problems);
    let again = at.name("statuses");
    let kept = 64 * 1024;
    let most = SECOND * 10;
    let (backoff, wait) = (at.name("backoff"), at.name("maxRetryAfter"));
    RetryPlan {
        attempts: if given.off { 0 } else { attempts },
        statuses: statuses(&given.statuses, &(400..=599), &again, problems),
        any_method: given.any_method,
        budget_percent: number(
            given.budget_percent,
            20,
            &(1..=100),
            &at.name("budgetPercent"),
            problems,
        ),
        max_body_bytes: number(
            given.max_body_bytes,
            kept,
            &(1..=MAX_KEPT_BODY),
            &at.name("maxBodyBytes"),
            problems,
        ),
        backoff: span(given.backoff.as_ref(), 25 * MS, &(MS..=most), &backoff, problems),
        max_retry_after: span(
            given.max_retry_after.as_ref(),
            SECOND,
            &(Duration::ZERO..=most),
            &wait,
            problems,
        ),
    }
}

pub(super) fn compile_ejection(
    ejection: Option<&Ejection>,
    at: &At<'_>,
    problems: &mut Problems,
) -> EjectionPlan {
    let default = Ejection::default();
    let given = ejection.unwrap_or(&default);
    let failures = number(given.failures, 7, &(1..=1000), &at.name("failures"), problems);
    let base = at.name("base");
    let base = span(given.base.as_ref(), SECOND, &(100 * MS..=HOUR), &base, problems);
    let longest = MINUTE.max(base);
    let max = span(given.max.as_ref(), longest, &(base..=24 * HOUR), &at.name("max"), problems);
    let panic_percent = given.panic_percent.unwrap_or(30);
    if panic_percent > 100 {
        let reason = format!("{panic_percent} is not from 0 to 100");
        problems.add(&at.name("panicPercent"), reason, "");
    }
    let most = at.name("maxPercent");
    EjectionPlan {
        failures: if given.off { 0 } else { failures },
        base,
        max,
        max_percent: number(given.max_percent, 50, &(1..=100), &most, problems),
        panic_percent,
    }
}

pub(super) fn compile_health_check(
    check: &HealthCheck,
    at: &At<'_>,
    problems: &mut Problems,
) -> HealthCheckPlan {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !check.path.is_empty() && (!check.path.starts_with('/') || !check.path.bytes().all(plain)) {
        let reason = format!("`{}` is no path", shown(&check.path));
        problems.add(&at.name("path"), reason, "write for example `/health`");
    }
    let (interval, timeout) = (at.name("interval"), at.name("timeout"));
    let range = 100 * MS..=10 * MINUTE;
    HealthCheckPlan {
        path: check.path.clone(),
        interval: span(check.interval.as_ref(), 10 * SECOND, &range, &interval, problems),
        timeout: span(check.timeout.as_ref(), 2 * SECOND, &(MS..=MINUTE), &timeout, problems),
        healthy: number(check.healthy, 2, &(1..=100), &at.name("healthy"), problems),
        unhealthy: number(check.unhealthy, 3, &(1..=100), &at.name("unhealthy"), problems),
        statuses: statuses(&check.statuses, &(200..=599), &at.name("statuses"), problems),
    }
}

pub(super) fn compile_breaker(
    breaker: &Breaker,
    at: &At<'_>,
    problems: &mut Problems,
) -> BreakerPlan {
    let (window, open) = (at.name("window"), at.name("open"));
    let most = 10 * MINUTE;
    BreakerPlan {
        percent: number(breaker.percent, 50, &(1..=100), &at.name("percent"), problems),
        min_calls: number(breaker.min_calls, 20, &(1..=100_000), &at.name("minCalls"), problems),
        window: span(breaker.window.as_ref(), 10 * SECOND, &(SECOND..=most), &window, problems),
        open: span(breaker.open.as_ref(), 5 * SECOND, &(100 * MS..=most), &open, problems),
        probes: number(breaker.probes, 3, &(1..=100), &at.name("probes"), problems),
    }
}

pub(super) fn compile_bulkhead(
    bulkhead: Bulkhead,
    at: &At<'_>,
    problems: &mut Problems,
) -> BulkheadPlan {
    let bound = |given, most, name, problems: &mut Problems| {
        NonZeroU32::new(number(given, 0, &(1..=most), &at.name(name), problems))
    };
    BulkheadPlan {
        max_requests: bound(bulkhead.max_requests, 1_000_000, "maxRequests", problems),
        max_connections: bound(bulkhead.max_connections, 65_535, "maxConnections", problems),
    }
}
