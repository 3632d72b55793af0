//! Where are the servers that are known by name, as of now?
//!
//! The operating system is asked, so that its hosts file and its rules hold; it tells no time to
//! live, so an endpoint says how often it is asked. A name that does not resolve keeps the addresses
//! it had.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use futures_util::future::join_all;
use plan::EndpointPlan;

use crate::servers::{Group, MOST_TARGETS, Registry, Target};

/// How often it is looked whose time has come.
const ROUND: Duration = Duration::from_millis(500);
/// How long one name may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Names that are asked for at a time.
const AT_ONCE: usize = 16;

/// Resolves names until the gateway stops.
pub async fn resolving(registry: Arc<Registry>, clock: Clock, shutdown: Shutdown) {
    let mut due: HashMap<usize, Instant> = HashMap::new();
    loop {
        let now = clock.instant();
        registry.sweep();
        let groups = registry.minded();
        let is_due = |group: &Arc<Group>| {
            group.has_names() && due.get(&place(group)).is_none_or(|due| *due <= now)
        };
        let wanted: Vec<Arc<Group>> =
            groups.iter().filter(|group| is_due(group)).cloned().collect();
        for some in wanted.chunks(AT_ONCE) {
            let mut each = Vec::with_capacity(some.len());
            for group in some {
                each.push(resolve(Arc::clone(group), &registry, &clock));
            }
            tokio::select! {
                () = shutdown.wait() => return,
                _ = join_all(each) => {}
            }
        }
        let after = clock.instant();
        for group in &wanted {
            let every = group.plan().map_or(LIMIT, |plan| plan.resolve_every);
            due.insert(place(group), after + every);
        }
        if due.len() > groups.len() {
            let known: BTreeSet<usize> = groups.iter().map(place).collect();
            due.retain(|place, _| known.contains(place));
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = clock.sleep(ROUND) => {}
        }
    }
}

fn place(group: &Arc<Group>) -> usize {
    Arc::as_ptr(group).addr()
}

async fn resolve(group: Arc<Group>, registry: &Registry, clock: &Clock) {
    let Some(plan) = group.plan() else { return };
    let mut found: Vec<Option<BTreeSet<SocketAddr>>> = Vec::with_capacity(plan.servers.len());
    for server in &plan.servers {
        let name = (server.url.host.as_str(), server.url.port);
        let answer = clock.timeout(LIMIT, tokio::net::lookup_host(name)).await;
        found.push(match answer {
            Ok(Ok(addresses)) => Some(addresses.collect::<BTreeSet<_>>()),
            Ok(Err(error)) => {
                tracing::warn!(host = name.0, %error, "the name of a server does not resolve");
                None
            }
            Err(_) => {
                tracing::warn!(host = name.0, "the name of a server does not resolve in time");
                None
            }
        });
    }
    let now_ms = registry.millis(clock.instant());
    if let Some(targets) = merged(&plan, &group.targets(), &found, now_ms) {
        tracing::info!(
            server = plan.servers.first().map_or("", |server| server.url.authority.as_str()),
            addresses = targets.len(),
            "the servers of an endpoint have other addresses"
        );
        group.replace(targets);
    }
}

/// The addresses as of now; `None`: nothing is new. What is known about an address that stays is
/// kept.
fn merged(
    plan: &EndpointPlan,
    before: &[Arc<Target>],
    found: &[Option<BTreeSet<SocketAddr>>],
    now_ms: u64,
) -> Option<Vec<Arc<Target>>> {
    let mut targets: Vec<Arc<Target>> = Vec::with_capacity(before.len());
    let most = MOST_TARGETS / plan.servers.len().max(1);
    for (server, addresses) in found.iter().enumerate() {
        let known = || before.iter().filter(|target| target.server == server);
        let Some(addresses) = addresses.as_ref().filter(|addresses| !addresses.is_empty()) else {
            targets.extend(known().cloned());
            continue;
        };
        let staying: Vec<&Arc<Target>> = known()
            .filter(|target| target.address.is_some_and(|address| addresses.contains(&address)))
            .collect();
        let mut places: BTreeSet<usize> = staying.iter().map(|target| target.place).collect();
        targets.extend(staying.iter().map(|target| Arc::clone(target)));
        // The first time all of them have been there all along.
        let since_ms = if known().any(|target| target.address.is_some()) { now_ms } else { 0 };
        let is_new = |address: &&SocketAddr| {
            !staying.iter().any(|target| target.address.as_ref() == Some(*address))
        };
        let room = most.saturating_sub(staying.len());
        for address in addresses.iter().filter(is_new).take(room) {
            let place = (0..MOST_TARGETS).find(|place| !places.contains(place)).unwrap_or_default();
            places.insert(place);
            targets.push(Arc::new(Target::new(server, place, Some(*address), since_ms)));
        }
    }
    let same = targets.len() == before.len()
        && targets.iter().all(|target| before.iter().any(|known| Arc::ptr_eq(known, target)));
    (!same).then_some(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves the one name of an endpoint again and again: each word of `answers` lists the last
    /// numbers of its addresses, `!` is a failure. The answer shows the addresses each time, a `'`
    /// behind those that were there before.
    #[track_caller]
    fn check(answers: &str, expected: &str) {
        let plan = crate::servers::fixtures::endpoint("http://backend.example:81");
        let mut targets = vec![Arc::new(Target::new(0, 0, None, 0))];
        let mut shown = Vec::new();
        for answer in answers.split(' ') {
            let found = (answer != "!").then(|| {
                answer
                    .split(',')
                    .filter(|number| !number.is_empty())
                    .map(|number| format!("192.0.2.{number}:81").parse().unwrap())
                    .collect()
            });
            let before = targets.clone();
            targets = merged(&plan, &targets, &[found], 5).unwrap_or(targets);
            let one = |target: &Arc<Target>| {
                let number = target.address.map_or_else(
                    || "?".to_owned(),
                    |address| address.ip().to_string().replace("192.0.2.", ""),
                );
                let kept = before.iter().any(|known| Arc::ptr_eq(known, target));
                format!("{number}{}", if kept { "'" } else { "" })
            };
            shown.push(targets.iter().map(one).collect::<Vec<_>>().join(","));
        }
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn what_is_known_about_an_address_stays_with_it() {
        check("1 1 1,2 2 2,3", "1 1' 1',2 2' 2',3");
    }

    #[test]
    fn a_name_that_does_not_resolve_keeps_its_addresses() {
        check("1,2 ! ,", "1,2 1',2' 1',2'");
        check("! 1", "?' 1");
    }
}
