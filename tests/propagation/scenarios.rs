//! What is measured.
//!
//! A span begins when the store has said that the change is durable, and ends with the swap in the
//! gateway; both say so in their logs. What the store takes is a figure of its own: it begins with the time
//! stamp that the change carries.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::eventually;
use tokio::task::JoinHandle;
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::apply_client::ApplyClient;

use crate::figures::Report;
use crate::ground::{Engine, Ground, Made, apply, target};
use crate::simulated::{Arrival, Fleet};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Changes that are measured.
    changes: usize,
    /// Simulated gateways.
    gateways: usize,
    /// APIs that change all the time, with a route each.
    churn: usize,
    /// APIs of the large states.
    large: usize,
    /// APIs of the small one.
    small: usize,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// From the commit to the swap, with one gateway.
    One,
    /// The same with one gateway while thousands of routes are replaced.
    Churn,
    /// The same with many gateways.
    Fleet,
    /// With many gateways while thousands of routes are replaced.
    FleetChurn,
    /// Memory of a gateway with few APIs.
    Small,
    /// Memory, bytes on the wire and a start from disk with many APIs.
    Large,
}

const BOUND_P50: f64 = 5.0;
const BOUND_P99: f64 = 25.0;
const BOUND_FLEET: f64 = 100.0;
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two changes that are measured.
const PACE: Duration = Duration::from_millis(40);
/// Routes that are replaced by one transaction, and how often one comes.
const CHURN_BATCH: usize = 100;
const CHURN_PACE: Duration = Duration::from_millis(200);

impl Scale {
    pub(crate) const WHOLE: Self =
        Self { changes: 500, gateways: 200, churn: 5000, large: 50_000, small: 5000 };
    pub(crate) const QUICK: Self =
        Self { changes: 100, gateways: 200, churn: 1000, large: 5000, small: 5000 };
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] =
        [Self::One, Self::Churn, Self::Fleet, Self::FleetChurn, Self::Small, Self::Large];

    const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Churn => "churn",
            Self::Fleet => "fleet",
            Self::FleetChurn => "fleet-churn",
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    pub(crate) async fn run(self, engine: Engine, scale: Scale, report: &mut Report) {
        let of = (engine, self.name());
        match self {
            Self::One => Box::pin(one(of, scale, false, report)).await,
            Self::Churn => Box::pin(one(of, scale, true, report)).await,
            Self::Fleet => Box::pin(many(of, scale, false, report)).await,
            Self::FleetChurn => Box::pin(many(of, scale, true, report)).await,
            Self::Small => Box::pin(small(of, scale, report)).await,
            Self::Large => Box::pin(large(of, scale, report)).await,
        }
    }
}

/// Routes that are replaced all the time, until this is dropped.
struct Churn(JoinHandle<()>);

impl Churn {
    /// Replaces the APIs from `first` on, a batch at a time.
    fn start(ground: &Ground, first: usize, count: usize) -> Self {
        let mut client = ApplyClient::new(ground.channel("admin"));
        let all: Vec<usize> = (first..first + count).collect();
        let backends = [ground.other_backend(), ground.other_backend()];
        Self(tokio::spawn(async move {
            let mut beat = tokio::time::interval(CHURN_PACE);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for backend in backends.iter().cycle() {
                for batch in all.chunks(CHURN_BATCH) {
                    beat.tick().await;
                    apply(&mut client, batch, backend).await;
                }
            }
        }))
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Changes at a steady pace.
async fn edits(ground: &Ground, count: usize) -> Vec<Made> {
    let mut client = ApisClient::new(ground.channel("admin"));
    let mut beat = tokio::time::interval(PACE);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut made = Vec::new();
    for number in 0..count {
        beat.tick().await;
        made.push(Box::pin(ground.edit(&mut client, number % 100)).await);
    }
    made
}

fn waits(made: &[Made]) -> Vec<i64> {
    made.iter().map(|made| i64::try_from(made.took.as_micros()).unwrap_or(i64::MAX)).collect()
}

async fn one(of: (Engine, &'static str), scale: Scale, churns: bool, report: &mut Report) {
    let mut ground = Ground::start(of.0).await;
    ground.load(0, 100).await;
    if churns {
        ground.load(100, scale.churn).await;
    }
    ground.start_gateway().await;
    Box::pin(edits(&ground, 10)).await;
    let churn = churns.then(|| Churn::start(&ground, 100, scale.churn));
    let made = Box::pin(edits(&ground, scale.changes)).await;
    drop(churn);
    spans(&ground, of, &made, (Some(BOUND_P50), Some(BOUND_P99)), report).await;
}

/// What each change took, on its way to the store and from there to the gateway.
async fn spans(
    ground: &Ground,
    of: (Engine, &'static str),
    made: &[Made],
    bounds: (Option<f64>, Option<f64>),
    report: &mut Report,
) {
    let (swaps, commits) = (swapped(ground, made).await, ground.commits());
    let (mut stores, mut ways) = (Vec::new(), Vec::new());
    for made in made {
        let durable = commits.get(&made.revision).expect("a commit in the log");
        let (_, swapped) = swaps.range(made.revision..).next().expect("a swap in the log");
        stores.push(durable - made.stamped_us);
        // A gateway may have it before the writer's own control plane has heard that it is durable.
        ways.push((swapped - durable).max(0));
    }
    report.spans(of, "commit to swap", ways, bounds);
    report.spans(of, "the store", stores, (None, None));
    report.spans(of, "the writer's wait", waits(made), (None, None));
}

/// The swaps, once the last change is among them.
async fn swapped(ground: &Ground, made: &[Made]) -> BTreeMap<u64, i64> {
    let last = made.last().map_or(0, |made| made.revision);
    eventually("the last change is in force", PATIENCE, async || {
        let swaps = ground.swaps();
        swaps.last_key_value().is_some_and(|(at, _)| *at >= last).then_some(swaps)
    })
    .await
}

async fn many(of: (Engine, &'static str), scale: Scale, churns: bool, report: &mut Report) {
    let ground = Ground::start(of.0).await;
    ground.load(0, 100).await;
    if churns {
        ground.load(100, scale.churn).await;
    }
    let fleet = Fleet::connect(&ground, scale.gateways).await;
    Box::pin(edits(&ground, 5)).await;
    let churn = churns.then(|| Churn::start(&ground, 100, scale.churn));
    drop(fleet.arrived());
    let made = Box::pin(edits(&ground, scale.changes)).await;
    drop(churn);
    let last = made.last().map_or(0, |made| made.revision);
    eventually("all gateways have the last change", PATIENCE, async || {
        (fleet.at(last) >= scale.gateways).then_some(())
    })
    .await;
    let arrived = fleet.arrived();
    assert!(arrived.iter().all(|one| !one.full), "a gateway was sent everything");
    let commits = ground.commits();
    let span = |one: &Arrival| Some((one.at_us - commits.get(&one.revision)?).max(0));
    let spans: Vec<i64> = arrived.iter().filter_map(span).collect();
    let what = format!("commit to each of {}", scale.gateways);
    report.spans(of, &what, spans, (None, Some(BOUND_FLEET)));
    report.spans(of, "the writer's wait", waits(&made), (None, None));
    let (now, most) = ground.plane_memory();
    report.add(of, "control plane, resident", (now, "MB"), None);
    report.add(of, "control plane, at most", (most, "MB"), None);
}

async fn small(of: (Engine, &'static str), scale: Scale, report: &mut Report) {
    let mut ground = Ground::start(of.0).await;
    ground.load(0, scale.small).await;
    ground.start_gateway().await;
    settled(&ground, scale.small).await;
    let (now, most) = ground.gateway_memory();
    let figure = format!("gateway with {} APIs, resident", scale.small);
    report.add(of, &figure, (now, "MB"), Some(40.0));
    report.add(of, "gateway, at most", (most, "MB"), None);
    ground.stop_gateway();
    let took = ground.boot(&target(scale.small - 1)).await;
    report.add(of, "start to the first answer", (took.as_secs_f64(), "s"), None);
    let (now, _) = ground.gateway_memory();
    report.add(of, "gateway from disk, resident", (now, "MB"), Some(40.0));
}

async fn large(of: (Engine, &'static str), scale: Scale, report: &mut Report) {
    let mut ground = Ground::start(of.0).await;
    let begun = std::time::Instant::now();
    ground.load(0, scale.large).await;
    let count = scale.large;
    report.add(of, format!("{count} APIs stored"), (begun.elapsed().as_secs_f64(), "s"), None);
    let (now, most) = ground.plane_memory();
    report.add(of, format!("control plane with {count} APIs, resident"), (now, "MB"), None);
    report.add(of, "control plane, at most", (most, "MB"), None);
    let begun = std::time::Instant::now();
    ground.start_gateway().await;
    settled(&ground, scale.large).await;
    report.add(of, "a new gateway has all", (begun.elapsed().as_secs_f64(), "s"), None);
    let fleet = Fleet::connect(&ground, 1).await;
    let made = Box::pin(edits(&ground, (scale.changes / 5).max(20))).await;
    spans(&ground, of, &made, (None, None), report).await;
    let largest = fleet.arrived().iter().map(|one| one.bytes).max().unwrap_or(usize::MAX);
    let bytes = f64::from(u32::try_from(largest).unwrap_or(u32::MAX));
    report.add(of, "a change of one route, on the wire", (bytes, "bytes"), Some(2048.0));
    drop(fleet);
    let (now, _) = ground.gateway_memory();
    report.add(of, format!("gateway with {count} APIs, resident"), (now, "MB"), None);
    ground.stop_gateway();
    ground.kill_plane();
    let took = ground.boot(&target(scale.large - 1)).await;
    let bound = Some(1.0);
    report.add(of, "start from disk to the first answer", (took.as_secs_f64(), "s"), bound);
    let begun = std::time::Instant::now();
    ground.start_plane().await;
    report.add(of, "control plane, start", (begun.elapsed().as_secs_f64(), "s"), None);
    let (now, most) = ground.plane_memory();
    report.add(of, "control plane after its start, resident", (now, "MB"), None);
    report.add(of, "control plane after its start, at most", (most, "MB"), None);
}

/// Waits until the gateway serves everything, has it on disk, and its memory rests.
async fn settled(ground: &Ground, count: usize) {
    eventually("the gateway serves everything", PATIENCE, async || {
        ground.routes(&target(count - 1)).await.then_some(())
    })
    .await;
    let before = std::cell::Cell::new(0.0);
    eventually("its memory rests", PATIENCE, async || {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let (now, _) = ground.gateway_memory();
        ((before.replace(now) - now).abs() < 0.5).then_some(())
    })
    .await;
}
