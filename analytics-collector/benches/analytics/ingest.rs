//! How many events a second are durable, and what does each cost?
//!
//! As many as the collector takes; or, with a rate, no more than it can also show to the alerts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use turnpike_proto::usage::v1::collector_client::CollectorClient;

use super::events::{BATCH, Traffic};
use super::figures::{Goal, tell};
use super::stage::Stage;

/// Gateways that send at the same time.
const SOURCES: u64 = 4;
/// Batches that are made before they are asked for.
const AHEAD: usize = 4;

pub(crate) async fn run(stage: &mut Stage, traffic: &Traffic, core: usize, rate: Option<u64>) {
    stage.start(Some(core)).await;
    let (cpu, began) = (stage.processor_seconds(), Instant::now());
    let traffic = Arc::new(Traffic { ..*traffic });
    let sending: Vec<_> = (0..SOURCES)
        .map(|source| {
            let client = CollectorClient::new(stage.channel("gateway"));
            tokio::spawn(send(client, Arc::clone(&traffic), source, rate))
        })
        .collect();
    let mut acknowledged = 0;
    for one in sending {
        acknowledged += one.await.unwrap();
    }
    let (took, at_last) = (began.elapsed().as_secs_f64(), stage.processor_seconds() - cpu);
    let events = traffic.events as f64;
    assert_eq!(acknowledged * BATCH, traffic.events, "events that were acknowledged");
    tell("ingest", "events", events, "", Goal::None);
    tell(
        "ingest",
        "acknowledged, collector on one core",
        events / took,
        "events/s",
        if rate.is_none() { Goal::AtLeast(50_000.0) } else { Goal::None },
    );
    let each = |seconds: f64| seconds / events * 1e6;
    tell(
        "ingest",
        "processor time to the last acknowledgement",
        each(at_last),
        "us/event",
        Goal::AtMost(20.0),
    );
    stage.settle().await;
    let all = stage.processor_seconds() - cpu;
    tell("ingest", "processor time, merges afterwards included", each(all), "us/event", Goal::None);
    let unwatched = stage.metric("turnpike_collector_calls_unwatched_total").await;
    let none = if rate.is_some() { Goal::AtMost(0.0) } else { Goal::None };
    tell("ingest", "events that no alert looked at", unwatched, "", none);
    tell("ingest", "alerts", stage.metric("turnpike_collector_alerts_total").await, "", Goal::None);
    tell("ingest", "most memory", stage.most_memory(), "MB", Goal::None);
    let disk = stage.disk() as f64;
    tell("ingest", "size on disk", disk / 1e6, "MB", Goal::None);
    tell("ingest", "size of an event", disk / events, "bytes", Goal::None);
    tell("ingest", "files", stage.metric("turnpike_collector_segments").await, "", Goal::None);
    stage.stop();
}

/// Sends the batches of one source and says how many were acknowledged.
async fn send(
    mut client: CollectorClient<tonic::transport::Channel>,
    traffic: Arc<Traffic>,
    source: u64,
    rate: Option<u64>,
) -> u64 {
    let (made, batches) = mpsc::channel(AHEAD);
    let making = tokio::task::spawn_blocking(move || {
        let name = format!("gateway-{source}");
        let all = traffic.events / BATCH;
        let began = Instant::now();
        for (sequence, at) in (1..).zip((source..all).step_by(SOURCES as usize)) {
            if let Some(rate) = rate {
                let due = Duration::from_secs_f64((at * BATCH) as f64 / rate as f64);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            made.blocking_send(traffic.batch(at, &name, sequence)).unwrap();
        }
    });
    let mut answers = client.collect(ReceiverStream::new(batches)).await.unwrap().into_inner();
    let mut acknowledged = 0;
    while answers.message().await.unwrap().is_some() {
        acknowledged += 1;
    }
    making.await.unwrap();
    acknowledged
}
