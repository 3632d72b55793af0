//! The run: everything happens once, or as often as there is time for.

use std::future::Future;
use std::time::{Duration, Instant};

use harness::network;
use serde_json::json;

use crate::callers::{Callers, Tally};
use crate::fleet::{Counts, Fleet};
use crate::incidents::{ALL, Incident, in_step};
use crate::writer::{Acknowledged, Writer, beginning, listed};

/// Calls per second at each gateway.
const RATE: u32 = 40;

/// What a run came to.
struct Outcome {
    fleet: Fleet,
    tally: Tally,
    done: Acknowledged,
    planes: Counts,
    gateways: Vec<Counts>,
}

/// Runs a fleet in which `incidents` happen one after the other while at least `changes` are made, and
/// in between all are in step; then `judge` says what must be true. Without network namespaces nothing
/// can be shown here.
#[track_caller]
fn check<F: Future<Output = ()>>(
    incidents: &[Incident],
    changes: u64,
    soak: Duration,
    judge: impl FnOnce(Outcome) -> F,
) {
    if !network::is_possible() {
        return;
    }
    let _turn = crate::alone();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { judge(run(incidents, changes, soak).await).await });
}

async fn run(incidents: &[Incident], changes: u64, soak: Duration) -> Outcome {
    let mut fleet = Fleet::start().await;
    let begun = Instant::now();
    let first = beginning(&fleet);
    let writer = Writer::start(&fleet, first, Duration::from_millis(60)).await;
    for gateway in &fleet.gateways {
        gateway.ready().await;
    }
    drop(in_step(&fleet, &writer, "at first").await);
    let token = fleet.issuer.token("shop", &json!({ "exp": far_away() }));
    let addresses: Vec<_> = fleet.gateways.iter().map(crate::fleet::Node::http).collect();
    let callers = Callers::start(&addresses, &token, RATE);
    loop {
        for incident in incidents {
            let since = Instant::now();
            incident.happens(&mut fleet, &writer, &callers).await;
            fleet.cluster.answers().await;
            drop(in_step(&fleet, &writer, &format!("after {incident}")).await);
            println!("{incident}: in step again, {:?} in all", since.elapsed());
        }
        if begun.elapsed() >= soak {
            break;
        }
    }
    let made = writer.done.lock().await.last;
    writer.goes_on(changes.saturating_sub(made)).await;
    let done = writer.end().await;
    fleet.in_step(done.revision, "at the end").await;
    let tally = callers.end().await;
    let (planes, gateways) = fleet.counts().await;
    println!(
        "{} changes in {:?}, {} attempts repeated, the longest took {:?}; {} calls, the slowest took \
         {:?}; {planes:?} {gateways:?}",
        done.last,
        begun.elapsed(),
        done.repeated,
        done.longest,
        tally.good,
        tally.slowest,
    );
    Outcome { fleet, tally, done, planes, gateways }
}

fn far_away() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("a clock").as_secs() + 24 * 3600
}

/// `TURNPIKE_FIRE_SECONDS`: how long, at least; 0: everything once.
fn soak() -> Duration {
    let seconds = std::env::var("TURNPIKE_FIRE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

#[test]
fn whatever_breaks_no_acknowledged_change_is_lost_and_no_call_fails() {
    check(&ALL, 1000, soak(), async |it| {
        for plane in 0..it.fleet.planes.len() {
            let (kept, sides) = listed(&it.fleet, plane).await;
            assert_eq!(kept, it.done.kept, "what was acknowledged, at control plane {plane}");
            assert_eq!(sides, it.done.sides, "the further APIs at control plane {plane}");
        }
        let Tally { good, failed, mixed, back, ref words, .. } = it.tally;
        assert_eq!((failed, mixed, back), (0, 0, 0), "failed, mixed, gone back: {words:?}");
        assert!(good > 2_000, "the load was only {good} calls");
        assert!(it.done.last >= 1000, "only {} changes", it.done.last);
        assert!(it.fleet.backend.calls() >= good);
        assert_eq!(it.planes.loads, it.fleet.loads_explained, "resources were listed for nothing");
        for counts in &it.gateways {
            assert_eq!(counts.failed_syncs, 0, "{counts:?}");
            // The first time it held nothing. Whatever it lacked later was the difference, also after the
            // store was put back.
            assert_eq!(counts.full_syncs, 1, "everything was sent for nothing: {counts:?}");
        }
    });
}
