//! What waits, and what does it cost, while the collector is away?

use std::time::{Duration, Instant, SystemTime};

use crate::callers::{Callers, Manner};
use crate::pair::{Ground, Pair};
use crate::stored;
use crate::verdict::Verdict;

/// More memory of the gateway than before, in MB; events that wait in it would be more.
const GROWTH: f64 = 48.0;

/// What became of an outage.
struct Outcome {
    verdict: Verdict,
    /// Counted by the gateway.
    dropped: u64,
    /// What the gateway told the collector.
    told: u64,
}

/// The collector is away for `seconds` at `rate`, while the spool may have `limit`.
async fn away(seconds: u32, rate: u32, limit: &str) -> Outcome {
    let ground = Ground { spool_limit: Some(limit), ..Ground::default() };
    let mut pair = Pair::start(ground).await;
    let since = SystemTime::now() - Duration::from_secs(1);
    // Long runs would remember millions of paths.
    let alike = if seconds * rate > 100_000 { 100 } else { 1 };
    let callers = Callers::start(pair.http(), Manner { rate, alike, padding: 100 });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = pair.gateway_memory().0;
    pair.kill_collector();
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    let waiting = pair.of_gateway("turnpike_usage_spool_batches").await;
    let bytes = pair.of_gateway("turnpike_usage_spool_bytes").await;
    pair.start_collector().await;
    let begun = Instant::now();
    // Calls go on meanwhile; "nearly" is what is always under way.
    let patience = Duration::from_mins(2) + Duration::from_secs(seconds.into());
    harness::eventually("the collector has caught up", patience, async || {
        (pair.of_gateway("turnpike_usage_spool_batches").await < 10).then_some(())
    })
    .await;
    let took = begun.elapsed();
    let most = pair.gateway_memory().1;
    let ledger = callers.end().await;
    assert_eq!(ledger.failed, 0, "{:?}", ledger.words);
    pair.delivered(patience).await;
    let mut dropped = 0;
    for who in ["workers", "spool"] {
        dropped += pair.of_gateway(&format!("turnpike_usage_events_dropped_by_{who}_total")).await;
    }
    pair.stop_gateway();
    let told = pair.of_collector("turnpike_collector_events_dropped_by_source_total").await;
    let verdict = Verdict::of(&ledger, &stored::by_path(&pair, since).await);
    println!(
        "away for {seconds} s at {rate}/s: {waiting} batches, {bytes} bytes waited and were caught up with \
         in {took:?}; {} served, {} stored, {dropped} dropped; the gateway's memory grew from {before} MB \
         to {most} MB, the collector's to {} MB",
        verdict.served,
        verdict.stored,
        pair.collector_memory().1,
    );
    assert!(most - before < GROWTH, "the gateway grew from {before} MB to {most} MB");
    Outcome { verdict, dropped, told }
}

#[track_caller]
fn check(seconds: u32, rate: u32, limit: &'static str, judge: fn(&Outcome)) {
    crate::alone(async {
        let outcome = away(seconds, rate, limit).await;
        let Outcome { verdict, dropped, told } = &outcome;
        assert!(verdict.doubled.is_empty(), "stored too often: {:?}", verdict.doubled);
        assert_eq!(verdict.unsure, 0, "calls broke off");
        let lost = verdict.lost();
        assert!(verdict.is_told_by(*dropped), "{lost} are missing, {dropped} counted as dropped");
        assert_eq!(told, dropped, "what the collector was told of, and what was dropped");
        judge(&outcome);
    });
}

#[test]
fn what_was_served_while_the_collector_was_away_is_stored_within_the_bound() {
    let (seconds, rate) = (crate::setting("AWAY", 8), crate::setting("RATE", 400));
    check(seconds, rate, "4GiB", |outcome| assert_eq!(outcome.dropped, 0));
}

#[test]
fn beyond_the_bound_the_oldest_are_dropped_and_counted() {
    check(10, 500, "1MiB", |outcome| assert!(outcome.dropped > 0));
}
