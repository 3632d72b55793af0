//! How are the servers of endpoints with a health check?
//!
//! One checker per gateway asks each server at its interval, whether calls go there or not.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use chassis::causes;
use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use plan::{EndpointPlan, HealthCheckPlan};

use crate::generation::Current;
use crate::sender::{Probe, probe};
use crate::servers::{Group, Registry, Target};

/// How often it is looked whose time has come.
const ROUND: Duration = Duration::from_millis(100);
/// Checks under way at a time; others wait for their turn.
const AT_ONCE: usize = 256;

/// The longest text about what went wrong.
const MOST_CHARACTERS: usize = 256;

/// When each server is to be asked next.
type Due = HashMap<usize, (Weak<Target>, Instant)>;

/// Asks servers until the gateway stops.
pub async fn checking(
    registry: Arc<Registry>,
    current: Arc<Current>,
    clock: Clock,
    shutdown: Shutdown,
) {
    let (mut due, mut seen) = (Due::new(), 0);
    let mut running = FuturesUnordered::new();
    loop {
        let generation = current.load();
        if generation.number != seen {
            seen = generation.number;
            // Servers are asked from the start, not only from their first call on.
            for endpoint in generation.plan.endpoints() {
                if endpoint.health_check.is_some() {
                    registry.group(endpoint);
                }
            }
        }
        due.retain(|_, (target, _)| target.strong_count() > 0);
        let now = clock.instant();
        for group in registry.minded() {
            for target in wanted(&group, &mut due, now, AT_ONCE.saturating_sub(running.len())) {
                running.push(check(Arc::clone(&group), target, Arc::clone(&current), &clock));
            }
        }
        drop(generation);
        tokio::select! {
            () = shutdown.wait() => return,
            Some((place, interval)) = running.next() => {
                if let Some((_, next)) = due.get_mut(&place) {
                    *next = clock.instant() + shortened(interval);
                }
            }
            () = clock.sleep(ROUND) => {}
        }
    }
}

/// The servers of `group` whose time has come, at most `room` of them.
fn wanted(group: &Group, due: &mut Due, now: Instant, room: usize) -> Vec<Arc<Target>> {
    let Some(plan) = group.plan() else { return Vec::new() };
    let Some(check) = plan.health_check.as_deref() else { return Vec::new() };
    let mut list = Vec::new();
    for target in group.targets().iter() {
        let place = Arc::as_ptr(target).addr();
        let (_, next) = due.entry(place).or_insert_with(|| (Arc::downgrade(target), now));
        if *next <= now && list.len() < room {
            // The interval counts from the end of the check; this is the latest.
            *next = now + check.timeout + check.interval;
            list.push(Arc::clone(target));
        }
    }
    list
}

/// Up to a tenth less, so that many gateways do not ask at the same instant.
fn shortened(interval: Duration) -> Duration {
    let tenth = u64::try_from(interval.as_micros() / 10).unwrap_or(u64::MAX);
    interval.saturating_sub(Duration::from_micros(chassis::random::below(tenth.max(1))))
}

/// Asks one server; the answer is its place in memory and how long to wait for the next time.
async fn check(
    group: Arc<Group>,
    target: Arc<Target>,
    current: Arc<Current>,
    clock: &Clock,
) -> (usize, Duration) {
    let place = Arc::as_ptr(&target).addr();
    let plan = group.plan();
    let interval = plan.as_ref().and_then(|plan| plan.health_check.as_ref()).map(|it| it.interval);
    if let Some(plan) = plan {
        ask(&group, &plan, &target, &current, clock).await;
    }
    (place, interval.unwrap_or_default())
}

async fn ask(
    group: &Group,
    plan: &EndpointPlan,
    target: &Target,
    current: &Current,
    clock: &Clock,
) {
    let Some((check, server)) = plan.health_check.as_deref().zip(plan.servers.get(target.server))
    else {
        return;
    };
    let url = &server.url;
    let generation = current.load();
    let trust = generation.backends.of(plan.tls.as_deref()).filter(|_| url.tls).cloned();
    if url.tls && trust.is_none() {
        // It could not be put together, and nobody is asked without.
        return;
    }
    drop(generation);
    let asked = Probe {
        host: &url.host,
        port: url.port,
        address: target.address,
        authority: &url.authority,
        path: &check.path,
        trust,
    };
    let answer = clock.timeout(check.timeout, probe(&asked)).await;
    let trouble = match &answer {
        Ok(Ok(status)) if is_good(check, *status) => None,
        Ok(Ok(status)) => Some(format!("status {}", status.unwrap_or_default())),
        Ok(Err(error)) => Some(causes(error).chars().take(MOST_CHARACTERS).collect()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    let good = trouble.is_none();
    target.found(trouble);
    let now_ms = group.millis(clock.instant());
    if let Some(fit) = target.checked(good, check, now_ms) {
        tracing::warn!(server = %url, address = ?target.address, fit, "health check");
    }
}

/// `None`: a connection was made, and that is enough.
fn is_good(check: &HealthCheckPlan, status: Option<u16>) -> bool {
    status.is_none_or(|status| {
        if check.statuses.is_empty() {
            (200..400).contains(&status)
        } else {
            check.statuses.contains(&status)
        }
    })
}
