//! What happens when the disk of the gateway, or of the collector, is full?

use std::time::{Duration, SystemTime};

use harness::eventually;

use crate::callers::{Callers, Manner};
use crate::disk::Disk;
use crate::pair::{Ground, PATIENCE, Pair};
use crate::stored;
use crate::verdict::Verdict;

const MANNER: Manner = Manner { rate: 400, alike: 1, padding: 900 };

/// Events that the gateway says it has dropped.
async fn dropped(pair: &Pair) -> u64 {
    let mut sum = 0;
    for who in ["workers", "spool"] {
        sum += pair.of_gateway(&format!("turnpike_usage_events_dropped_by_{who}_total")).await;
    }
    sum
}

/// Ends the calls, none of which may have failed, waits until everything is delivered, and compares:
/// what is missing is what the gateway has counted, and what the collector was told. Says how many.
async fn settle(pair: &mut Pair, callers: Callers, since: SystemTime) -> u64 {
    let ledger = callers.end().await;
    assert_eq!(ledger.failed, 0, "{:?}", ledger.words);
    let (served, unsure) = ledger.sums();
    assert_eq!(unsure, 0, "calls broke off");
    eventually("all events are told", PATIENCE, async || {
        let told = pair.of_gateway("turnpike_usage_events_total").await
            + pair.of_gateway("turnpike_usage_events_dropped_by_workers_total").await;
        (told >= served).then_some(())
    })
    .await;
    pair.delivered(PATIENCE).await;
    let (dropped, told) = (
        dropped(pair).await,
        pair.of_collector("turnpike_collector_events_dropped_by_source_total").await,
    );
    pair.stop_gateway();
    let verdict = Verdict::of(&ledger, &stored::by_path(pair, since).await);
    println!("{served} calls served, {} stored, {dropped} dropped and counted", verdict.stored);
    assert!(verdict.doubled.is_empty(), "stored too often: {:?}", verdict.doubled);
    let lost = verdict.lost();
    assert!(verdict.is_told_by(dropped), "{lost} are missing, {dropped} counted as dropped");
    assert_eq!(told, dropped, "the collector was told of it");
    dropped
}

#[test]
fn a_spool_on_a_full_disk_drops_the_oldest_and_counts_them_and_no_call_fails() {
    let Some(disk) = Disk::of_kib(4 << 10) else { return };
    crate::alone(async {
        // The disk ends before the spool's own bound.
        let ground =
            Ground { gateway: Some(disk.path()), spool_limit: Some("5MiB"), ..Ground::default() };
        let mut pair = Pair::start(ground).await;
        let since = SystemTime::now() - Duration::from_secs(1);
        pair.kill_collector();
        let callers = Callers::start(pair.http(), MANNER);
        eventually("the disk is full for a while", PATIENCE, async || {
            (dropped(&pair).await > 2_000).then_some(())
        })
        .await;
        let waiting = pair.of_gateway("turnpike_usage_spool_bytes").await;
        assert!(waiting > 1 << 20, "{waiting} bytes wait: newer events are kept");
        pair.start_collector().await;
        eventually("the spool is nearly empty", PATIENCE, async || {
            (pair.of_gateway("turnpike_usage_spool_batches").await < 5).then_some(())
        })
        .await;
        assert!(settle(&mut pair, callers, since).await > 2_000);
    });
}

#[test]
fn a_spool_goes_on_when_others_give_room_back() {
    let Some(disk) = Disk::of_kib(8 << 10) else { return };
    crate::alone(async {
        let ground = Ground { gateway: Some(disk.path()), ..Ground::default() };
        let mut pair = Pair::start(ground).await;
        let since = SystemTime::now() - Duration::from_secs(1);
        disk.fill(0);
        pair.kill_collector();
        let callers = Callers::start(pair.http(), MANNER);
        eventually("events find no room", PATIENCE, async || {
            (dropped(&pair).await > 200).then_some(())
        })
        .await;
        pair.start_collector().await;
        disk.free();
        let before = pair.of_gateway("turnpike_usage_events_total").await;
        eventually("events find room", PATIENCE, async || {
            let (events, dropped) =
                (pair.of_gateway("turnpike_usage_events_total").await, dropped(&pair).await);
            (events > before + 400 && events > dropped + 400).then_some(())
        })
        .await;
        settle(&mut pair, callers, since).await;
    });
}

#[test]
fn a_gateway_that_is_killed_on_a_full_disk_starts_and_serves() {
    let Some(disk) = Disk::of_kib(2 << 10) else { return };
    crate::alone(async {
        let ground =
            Ground { gateway: Some(disk.path()), spool_limit: Some("5MiB"), ..Ground::default() };
        let mut pair = Pair::start(ground).await;
        let since = SystemTime::now() - Duration::from_secs(1);
        pair.kill_collector();
        disk.fill(64);
        let callers = Callers::start(pair.http(), MANNER);
        eventually("events find no room", PATIENCE, async || {
            (dropped(&pair).await > 200).then_some(())
        })
        .await;
        pair.kill_gateway();
        drop(callers.end().await);
        pair.start_gateway().await;
        let callers = Callers::start(pair.http(), MANNER);
        eventually("events find no room again", PATIENCE, async || {
            (dropped(&pair).await > 200).then_some(())
        })
        .await;
        disk.free();
        pair.start_collector().await;
        let stored = stored::calls(&pair, since).await.expect("an answer");
        eventually("events are stored again", PATIENCE, async || {
            let calls = stored::calls(&pair, since).await;
            calls.is_ok_and(|calls| calls > stored + 400).then_some(())
        })
        .await;
        let ledger = callers.end().await;
        assert_eq!(ledger.failed, 0, "{:?}", ledger.words);
        assert_eq!(ledger.sums().1, 0, "calls broke off");
    });
}

/// The collector's disk is full for a while, and `meanwhile` happens; everything is stored afterwards.
#[track_caller]
fn check_collector(meanwhile: impl AsyncFnOnce(&mut Pair)) {
    let Some(disk) = Disk::of_kib(32 << 10) else { return };
    crate::alone(async {
        let ground = Ground { collector: Some(disk.path()), ..Ground::default() };
        let mut pair = Pair::start(ground).await;
        let since = SystemTime::now() - Duration::from_secs(1);
        let callers = Callers::start(pair.http(), MANNER);
        eventually("calls are stored", PATIENCE, async || {
            stored::calls(&pair, since).await.is_ok_and(|calls| calls > 400).then_some(())
        })
        .await;
        disk.fill(512);
        eventually("batches are refused", PATIENCE, async || {
            let failed = pair.of_collector("turnpike_collector_commit_failures_total").await;
            let waiting = pair.of_gateway("turnpike_usage_spool_batches").await;
            (failed > 0 && waiting > 20).then_some(())
        })
        .await;
        let known = stored::calls(&pair, since).await.expect("an answer on a full disk");
        assert!(known > 400, "{known}");
        meanwhile(&mut pair).await;
        let again = stored::calls(&pair, since).await.expect("an answer on a full disk");
        assert!(again >= known, "{again} of {known}");
        disk.free();
        pair.delivered(PATIENCE).await;
        assert_eq!(settle(&mut pair, callers, since).await, 0);
    });
}

#[test]
fn a_collector_on_a_full_disk_refuses_and_answers_and_then_stores_everything() {
    check_collector(async |_| {});
}

#[test]
fn a_collector_that_is_killed_on_a_full_disk_starts_and_answers() {
    check_collector(async |pair| {
        pair.kill_collector();
        pair.launch_collector();
        let (pair, since) = (&*pair, SystemTime::now() - Duration::from_mins(10));
        eventually("the collector answers", PATIENCE, async || {
            stored::calls(pair, since).await.is_ok().then_some(())
        })
        .await;
    });
}
