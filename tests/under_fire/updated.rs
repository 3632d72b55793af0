//! Do many quick updates cost memory, make callers wait, or make changes late?
//!
//! Incidents: envoyproxy/gateway#5344, where many updates took the memory of the proxy, and Kong#9860 and
//! Kong#6574, where each reload made callers wait.

use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{Backend, Client, Stack, eventually};
use tokio::sync::watch;
use tonic::transport::Channel;
use turnpike_proto::admin::v1::ApplyRequest;
use turnpike_proto::admin::v1::apply_client::ApplyClient;

const APIS: usize = 50;
const UPDATES: usize = 2000;
/// More memory than before, in MB; an unbounded queue of generations takes hundreds.
const GROWTH: f64 = 40.0;
/// No call may wait longer, on a machine that does other things too.
const SPIKE: Duration = Duration::from_millis(500);

/// Calls until it is told to end; how long each took.
async fn call(mut client: Client, mut over: watch::Receiver<bool>) -> Vec<Duration> {
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let mut spans = Vec::new();
    while !*over.borrow_and_update() {
        beat.tick().await;
        let begun = Instant::now();
        let asked = client.try_call("GET", "/api-0/1.0.0/open", &[], Bytes::new()).await;
        assert_eq!(asked.expect("an answer").status, 200);
        spans.push(begun.elapsed());
    }
    spans
}

async fn update(client: &mut ApplyClient<Channel>, backend: &Backend, number: usize) {
    let url = format!("{}/{number}", backend.url());
    let text = harness::resources::api(&format!("api-{}", number % APIS), &url, &[]);
    let (resources, problems) = plan::read_document(&text, "");
    assert!(problems.is_empty(), "{problems:?}");
    let request = ApplyRequest { resources, ..ApplyRequest::default() };
    let answer = client.apply(request).await.expect("an answer").into_inner();
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
}

async fn figure(stack: &Stack, name: &str) -> u64 {
    let metrics = Client::new(stack.operations("gateway")).get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn two_thousand_quick_updates_cost_no_memory_make_no_caller_wait_and_are_in_force_at_once() {
    let _turn = crate::alone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (stack, backend) = (Stack::start_uncounted(&[]).await, Backend::start("b").await);
        let mut client = ApplyClient::new(stack.channel("admin", "control-plane"));
        for number in 0..APIS {
            update(&mut client, &backend, number).await;
        }
        // The last of them is served once a call reaches it.
        let last = format!("/api-{}/1.0.0/open", APIS - 1);
        eventually("all are served", Duration::from_secs(10), async || {
            (stack.client().get(&last).await.status == 200).then_some(())
        })
        .await;
        let before = ["gateway", "control-plane"].map(|name| stack.memory(name).0);
        let (stop, over) = watch::channel(false);
        let calls = tokio::spawn(call(stack.client(), over));
        let begun = Instant::now();
        for number in 0..UPDATES {
            update(&mut client, &backend, number).await;
        }
        let took = begun.elapsed();
        eventually("the last update is in force", Duration::from_secs(5), async || {
            let target = format!("/api-{}/1.0.0/open", (UPDATES - 1) % APIS);
            let answer = stack.client().get(&target).await;
            let reached = answer.json()["target"].as_str()?.contains(&format!("/{}/", UPDATES - 1));
            reached.then_some(())
        })
        .await;
        stop.send_replace(true);
        let mut spans = calls.await.expect("a caller that ended");
        spans.sort_unstable();
        let grown: Vec<f64> = ["gateway", "control-plane"]
            .into_iter()
            .zip(before)
            .map(|(name, before)| stack.memory(name).1 - before)
            .collect();
        let all = figure(&stack, "turnpike_config_propagation_seconds_count").await;
        let soon = figure(&stack, "turnpike_config_propagation_seconds_bucket{le=\"0.05\"}").await;
        println!(
            "{UPDATES} updates in {took:?} as {all} transactions, {soon} of them in force within 50 ms; \
             memory grew by {grown:?} MB; of {} calls half took {:?}, the slowest {:?}",
            spans.len(),
            spans[spans.len() / 2],
            spans.last(),
        );
        assert!(grown.iter().all(|grown| *grown < GROWTH), "memory grew by {grown:?} MB");
        assert!(spans.last().is_some_and(|slowest| *slowest < SPIKE), "{:?}", spans.last());
        assert!(soon * 10 >= all * 9, "{soon} of {all} transactions were in force within 50 ms");
    });
}
