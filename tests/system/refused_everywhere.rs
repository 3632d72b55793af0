//! How long is what was revoked or blocked still let in, at any of three gateways under load?
//!
//! From the answer of whoever revokes to the first refusal at each gateway. A gateway that has refused
//! once lets no later call in. `TURNPIKE_REVOCATIONS=1000` takes so many samples of the first kind, a
//! tenth of each other, and more load.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::resources::api;
use harness::{Client, Load, eventually};

use crate::fleet::{BOUND, Call, End, Fleet, GATEWAYS, said};

const SAMPLES: usize = 50;
/// Calls per second at each gateway beside those that are ended.
const RATE: u32 = 300;
const MUCH: u32 = 1_000;
/// Connections to each gateway that show what is ended: each may be another worker's.
const CONNECTIONS: usize = 3;
/// Calls after the last gateway has refused.
const AFTER: u64 = 10;
const CALL: &str = "/orders/1.0.0/items/7";

/// What one gateway has said.
#[derive(Debug, Default)]
struct Heard {
    accepted: AtomicU64,
    refused: AtomicU64,
    first_refusal: OnceLock<Instant>,
    /// Calls that were begun after a refusal and let in all the same.
    let_in_again: AtomicU64,
    others: AtomicU64,
}

/// Calls until it is told to stop.
async fn calls(
    gateway: SocketAddr,
    call: Call,
    refusal: &'static str,
    heard: Arc<Heard>,
    stop: Arc<AtomicBool>,
) {
    let mut client = Client::new(gateway);
    while !stop.load(Ordering::Relaxed) {
        let was_refused = heard.first_refusal.get().is_some();
        match said(&mut client, &call).await.as_deref() {
            Some("200") => {
                heard.accepted.fetch_add(1, Ordering::Relaxed);
                heard.let_in_again.fetch_add(u64::from(was_refused), Ordering::Relaxed);
            }
            Some(verdict) if verdict == refusal => {
                let _ = heard.first_refusal.set(Instant::now());
                heard.refused.fetch_add(1, Ordering::Relaxed);
            }
            other => {
                println!("{} was answered otherwise: {other:?}", call.target);
                heard.others.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How long after its end each gateway has refused the call for the first time.
async fn measure(fleet: &Fleet, name: &str, call: &Call, end: &End) -> Vec<Duration> {
    fleet.becomes(&[0, 1, 2], call, "200").await;
    let stop = Arc::<AtomicBool>::default();
    let heard: Vec<Arc<Heard>> = (0..GATEWAYS).map(|_| Arc::default()).collect();
    let mut callers = Vec::new();
    for (gateway, heard) in fleet.gateways.iter().zip(&heard) {
        for _ in 0..CONNECTIONS {
            let (heard, stop) = (Arc::clone(heard), Arc::clone(&stop));
            let calling = calls(gateway.http(), call.clone(), end.refusal(), heard, stop);
            callers.push(tokio::spawn(calling));
        }
    }
    eventually("everybody is let in", BOUND, async || {
        let all = |heard: &Arc<Heard>| heard.accepted.load(Ordering::Relaxed) > 5;
        heard.iter().all(all).then_some(())
    })
    .await;
    fleet.end(name, end).await;
    let answered = Instant::now();
    eventually(&format!("{end:?} is refused everywhere"), BOUND, async || {
        let all = |heard: &Arc<Heard>| heard.refused.load(Ordering::Relaxed) > AFTER;
        heard.iter().all(all).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a caller");
    }
    for heard in &heard {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let wrong = (number(&heard.let_in_again), number(&heard.others));
        assert_eq!(wrong, (0, 0), "{end:?}: let in again, answered otherwise");
    }
    fleet.lift(name, end).await;
    let first = heard.iter().filter_map(|heard| heard.first_refusal.get());
    first.map(|at| at.saturating_duration_since(answered)).collect()
}

/// The figures of one kind.
fn figures(kind: &str, took: &mut [Duration]) -> Duration {
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let (half, most, longest) = (at(50), at(90), at(99));
    println!(
        "{kind:28} {:4} refusals: p50 {half:8.1?}  p90 {most:8.1?}  p99 {longest:8.1?}  longest {:8.1?}",
        took.len(),
        at(100)
    );
    assert!(at(100) <= BOUND, "{kind}: {took:?}");
    assert!(half < Duration::from_millis(250), "{kind}: {took:?}");
    half
}

fn second_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_or_blocked_is_refused_at_every_gateway_at_once() {
    let asked = std::env::var("TURNPIKE_REVOCATIONS").ok().and_then(|text| text.parse().ok());
    let samples = asked.unwrap_or(SAMPLES);
    let (few, rate) = ((samples / 10).max(3), if asked.is_some() { MUCH } else { RATE });
    let apis = ["orders", "steady"].map(|name| api(name, "BACKEND", &["Unlimited"]));
    let mut fleet = Fleet::start(GATEWAYS, &apis.concat()).await;
    let (shop, steady) =
        (fleet.app("shop", &["orders"]).await, fleet.app("steady", &["steady"]).await);
    fleet.publish().await;
    let ann = fleet.person("ann").await;
    let token = fleet.token(&steady, None).await;
    let load: Vec<Load> = fleet
        .gateways
        .iter()
        .map(|gateway| Load::start(gateway.http(), &token, "/steady/1.0.0/items/1", rate, |_| None))
        .collect();

    let kinds = ["token", "client", "user", "application"];
    for (kind, count) in kinds.into_iter().zip([samples, few, few, few]) {
        let mut took = Vec::new();
        for _ in 0..count {
            // Everything of a client ends by the second. More ends in one would date what it gets next
            // ever further ahead.
            let began = SystemTime::now();
            if kind != "token" {
                eventually("the next second", BOUND, async || {
                    second_of(SystemTime::now()).ne(&second_of(began)).then_some(())
                })
                .await;
            }
            let person = (kind == "user").then_some("ann");
            let token = fleet.token(&shop, person).await;
            let end = match kind {
                "token" => End::Token(token.clone()),
                "client" => End::Client(shop.client.clone()),
                "user" => End::User(ann.clone()),
                _ => End::Application(shop.name.clone()),
            };
            took.extend(measure(&fleet, kind, &Call::new(CALL, &token), &end).await);
        }
        figures(&format!("revoked, {kind}"), &mut took);
    }
    let token = fleet.token(&shop, Some("ann")).await;
    let blocks = [
        ("api", End::deny(|spec| spec.apis = vec!["orders:1.0.0".to_owned()])),
        ("application", End::deny(|spec| spec.applications = vec!["shop".to_owned()])),
        ("user", End::deny(|spec| spec.users = vec![ann.clone()])),
        ("address", End::deny(|spec| spec.addresses = vec!["192.0.2.7".to_owned()])),
        ("range", End::deny(|spec| spec.addresses = vec!["192.0.2.5-192.0.2.9".to_owned()])),
        (
            "subscription",
            End::Subscription { application: "shop".to_owned(), api: "orders".to_owned() },
        ),
    ];
    for (kind, end) in blocks {
        let call = Call::new(CALL, &token).from("192.0.2.7");
        let mut took = Vec::new();
        for _ in 0..few {
            took.extend(measure(&fleet, &format!("by-{kind}"), &call, &end).await);
        }
        figures(&format!("blocked, {kind}"), &mut took);
    }
    let mut good = 0;
    for load in load {
        let tally = load.end().await;
        assert_eq!(tally.failed, 0, "of others: {:?}", tally.failures);
        good += tally.good;
    }
    println!("{good} calls of others went through meanwhile");
    assert!(fleet.backend.calls() >= good);
}
