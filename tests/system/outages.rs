//! What goes on while a part is away, and what is still there when it is back?

use std::time::Duration;

use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Engines, Load, Stack, eventually};

const CALL: &str = "/orders/1.0.0/items/7";

/// A system in which `shop` may call `orders`, and a token for it.
async fn system() -> (Stack, Backend, String) {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let published = [
        tier("Much", 1_000_000_000),
        api("orders", &backend.url(), &["Much"]),
        application("shop", &[]),
        subscription("shop", "orders", "Much"),
    ];
    stack.apply(&published.concat()).await;
    stack.generate_keys("shop").await;
    let token = stack.token("shop").await;
    serves(&stack, &token).await;
    (stack, backend, token)
}

async fn serves(stack: &Stack, token: &str) {
    eventually("a call is served", Duration::from_secs(10), async || {
        let mut client = stack.client().with_token(token);
        let answer = client.try_call("GET", CALL, &[], bytes::Bytes::new()).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_key_manager_known_tokens_work_and_new_ones_are_503() {
    let (mut stack, _backend, token) = system().await;
    stack.kill("key-manager");
    assert_eq!(stack.client().with_token(&token).get(CALL).await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    eventually("a token request is answered 503", Duration::from_secs(5), async || {
        let mut client = stack.client();
        let answer =
            client.call("POST", "/oauth2/token", &form, "grant_type=client_credentials").await;
        (answer.status == 503).then_some(())
    })
    .await;

    // A gateway that starts while the key manager is away still knows its keys, and what it served
    // last, however short before its end that came: its control plane says it again.
    stack.kill("gateway");
    stack.restart("gateway").await;
    assert_eq!(stack.client().with_token(&token).get(CALL).await.status, 200);

    stack.restart("key-manager").await;
    eventually("new tokens are issued again", Duration::from_secs(20), async || {
        let output = stack.try_turnpike(&["token", "--app", "shop"]).await;
        output.status.success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_survives_every_restart() {
    let (mut stack, _backend, token) = system().await;
    let refused = async |stack: &Stack| {
        stack.client().with_token(&token).get(CALL).await.verdict() == "401 900901"
    };
    stack.turnpike(&["revoke", &token]).await;
    eventually("the token is refused", Duration::from_secs(1), async || {
        refused(&stack).await.then_some(())
    })
    .await;

    stack.kill("key-manager");
    stack.restart("key-manager").await;
    assert!(refused(&stack).await, "after the key manager's restart");
    // A new gateway hears of it before it says that it is ready.
    stack.kill("gateway");
    stack.restart("gateway").await;
    assert!(refused(&stack).await, "after the gateway's restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_control_plane_a_restarted_gateway_serves_from_disk() {
    let (mut stack, _backend, token) = system().await;
    // The state is written a moment after it is served.
    eventually("the state is on disk", Duration::from_secs(5), async || {
        let folder = stack.folder().join("gateway");
        find(&folder, "state").then_some(())
    })
    .await;
    stack.kill("control-plane");
    assert_eq!(stack.client().with_token(&token).get(CALL).await.status, 200);

    stack.stop("gateway");
    stack.restart("gateway").await;
    serves(&stack, &token).await;
    // It is as strict as before: a route without its policies would let this pass.
    assert_eq!(stack.client().get(CALL).await.verdict(), "401 900902");

    stack.restart("control-plane").await;
    eventually("the gateway is in step again", Duration::from_secs(20), async || {
        let gateways = stack.turnpike(&["gateways"]).await;
        (gateways["gateways"][0]["inSync"] == true).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_was_away_counts_every_call() {
    let (mut stack, backend, token) = system().await;
    let before = backend.calls();
    let counted = stack_counts(&stack, before).await;
    assert_eq!(counted, before);

    let load = Load::start(stack.gateway(), &token, CALL, 500, |_| None);
    stack.kill("analytics-collector");
    tokio::time::sleep(Duration::from_secs(20)).await;
    stack.restart("analytics-collector").await;
    let tally = load.end().await;
    assert_eq!(tally.failed, 0, "{:?}", tally.failures);
    assert!(tally.good > 5_000, "only {} calls", tally.good);
    assert_eq!(stack_counts(&stack, before + tally.good).await, before + tally.good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_sends_the_events_of_its_spool() {
    let (mut stack, backend, token) = system().await;
    stack.kill("analytics-collector");
    let mut shop = stack.client().with_token(&token);
    for _ in 0..200 {
        assert_eq!(shop.get(CALL).await.status, 200);
    }
    let served = backend.calls();
    // What is younger than the gateway's flush interval may go with it; wait until all is written.
    let size = std::cell::Cell::new(0);
    eventually("the spool holds all calls", Duration::from_secs(5), async || {
        let metrics = harness::Client::new(stack.operations("gateway")).get("/metrics").await;
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let before = size.replace(metric(&text, "turnpike_usage_spool_bytes"));
        let all = metric(&text, "turnpike_usage_events_total") >= served;
        (all && before > 0 && size.get() == before).then_some(())
    })
    .await;
    stack.kill("gateway");
    stack.restart("analytics-collector").await;
    stack.restart("gateway").await;
    assert_eq!(stack_counts(&stack, served).await, served);

    // And a collector that is killed right after has it all.
    stack.kill("analytics-collector");
    stack.restart("analytics-collector").await;
    assert_eq!(stack_counts(&stack, served).await, served);
}

/// The counted calls once they are at least `expected`; more would be a call counted twice.
async fn stack_counts(stack: &Stack, expected: u64) -> u64 {
    eventually(&format!("{expected} calls are counted"), Duration::from_secs(30), async || {
        let counted = stack.counted("orders").await;
        (counted >= expected).then_some(counted)
    })
    .await
}

fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn find(folder: &std::path::Path, part: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        path.to_string_lossy().contains(part) || (path.is_dir() && find(&path, part))
    })
}
