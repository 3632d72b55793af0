//! Do counters go on where they were when a gateway was killed, has stopped, or was replaced?

use std::fs;

use chassis::Clock;
use rustix::process::Signal;

use crate::ground::{Backend, Gateway, PATIENCE, Place, ask_with, backend, beside_others};

const SHORT: &str = "workers = 2\ndrain_idle = \"50ms\"\n";
/// Five calls a day; the key is `secret-key`.
const LIMITED: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Five }, spec: { quota: { requests: 5, calendar: year }, burst: { requests: 100, per: 1s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: limited, version: "1.0" }
spec:
  context: /limited
  lifecycle: PUBLISHED
  security: { schemes: [api_key] }
  tiers: [Five]
  endpoints: { production: { urls: ["http://BACKEND"] } }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop }
spec: { apiKeys: [ { id: k1, sha256: "hdvhXXXvkwjHrg8zx6MkzG9L9Rmi7S8wJ70zwUCk-ao" } ] }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "limited:1.0", tier: Five } }
"#;

/// A gateway that has answered three calls.
async fn used(folder: &std::path::Path, backend: &Backend) -> Gateway {
    let place = Place::new(folder, backend.address, SHORT);
    let limited = LIMITED.replace("BACKEND", &backend.address.to_string());
    fs::write(place.folder.join("resources/limited.yaml"), limited).unwrap();
    let gateway = place.start(&[]).await;
    for call in 1..=3 {
        assert_eq!(call_of(&place).await, 200);
        written(&place, call).await;
    }
    gateway
}

async fn call_of(place: &Place) -> u16 {
    let answer = ask_with(place.http, "GET /limited/1.0/x", "apikey: secret-key\r\n").await;
    answer.expect("an answer").0
}

/// Waits until counters were written so many times.
async fn written(place: &Place, times: u64) {
    let reached = async { while number(place, "turnpike_counters_written_total").await < times {} };
    assert!(Clock::system().timeout(PATIENCE, reached).await.is_ok(), "nothing is written");
}

async fn number(place: &Place, name: &str) -> u64 {
    let (_, text) = place.ask("/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim().parse().unwrap()
}

/// Calls three times and names what became of it.
async fn check(place: &Place, expected: [u16; 3]) {
    for expected in expected {
        assert_eq!(call_of(place).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_goes_on_counting() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let killed = used(folder.path(), &backend).await;
    let place = killed.place.clone();
    drop(killed);
    let again = place.start(&[]).await;
    assert_eq!(number(&place, "turnpike_counters_restored").await, 1);
    for call in 1..=2 {
        assert_eq!(call_of(&place).await, 200);
        written(&place, call).await;
    }
    assert_eq!(call_of(&place).await, 429);
    drop(again);
    // Nobody has called in between: what was not asked for is not forgotten either.
    for _ in 0..2 {
        drop(place.start(&[]).await);
    }
    let _gateway = place.start(&[]).await;
    assert_eq!(call_of(&place).await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_writes_its_last_calls() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let mut gateway = used(folder.path(), &backend).await;
    let place = gateway.place.clone();
    check(&place, [200, 200, 429]).await;
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success(), "{}", gateway.last_words());
    let _gateway = place.start(&[]).await;
    check(&place, [429, 429, 429]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_takes_over_goes_on_counting() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let mut before = used(folder.path(), &backend).await;
    let place = before.place.clone();
    let after = place.begin(&["--take-over"]);
    assert!(before.ended().await.success(), "{}", before.last_words());
    check(&place, [200, 200, 429]).await;
    after.signal(Signal::TERM);
    let mut after = after;
    assert!(after.ended().await.success(), "{}", after.last_words());
    let _gateway = place.start(&[]).await;
    assert_eq!(call_of(&place).await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_set_aside_and_counters_begin_afresh() {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backend = backend("any").await;
    let killed = used(folder.path(), &backend).await;
    let place = killed.place.clone();
    drop(killed);
    let counters = place.folder.join("data/counters");
    let file = fs::read_dir(&counters).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] ^= 1;
    fs::write(&file, bytes).unwrap();
    let _gateway = place.start(&[]).await;
    assert_eq!(number(&place, "turnpike_counters_damaged_files_total").await, 1);
    assert!(counters.join("counters.damaged").exists());
    check(&place, [200, 200, 200]).await;
}
