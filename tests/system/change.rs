//! Does a change under load ever fail a call or show half of itself?

use std::time::{Duration, Instant};

use harness::resources::{application, subscription, tier};
use harness::{Answer, Backend, Engines, Issuer, Load, Stack};
use serde_json::json;

/// Each change moves the API to the other backend and the subscription to the other tier; an
/// answer from one with the quota of the other would have seen two revisions.
const QUOTAS: [(&str, u64); 2] = [("left", 1_000_000_000), ("right", 2_000_000_000)];

fn mixed(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let policy = answer.header("ratelimit-policy");
    let agree = QUOTAS
        .iter()
        .any(|(name, quota)| json["backend"] == *name && policy.contains(&format!("q={quota};")));
    (!agree).then(|| format!("{} under {policy}", json["backend"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_none_sees_two_revisions() {
    let left = Backend::start("left").await;
    let right = Backend::start("right").await;
    let stack = Stack::start(Engines::Embedded).await;
    let issuer = Issuer::new("https://issuer.test");
    let revision = |backend: &Backend, name: &str| {
        let api = harness::resources::api("orders", &backend.url(), &["left", "right"])
            + "  keyManagers: [outside]\n";
        api + &subscription("shop", "orders", name)
    };
    let published = [
        format!("---\n{}\n", issuer.resource("outside")),
        QUOTAS.map(|(name, quota)| tier(name, quota)).concat(),
        application("shop", &["outside/shop"]),
        revision(&left, "left"),
    ];
    stack.apply(&published.concat()).await;

    let token = issuer.token("shop", &json!({}));
    let load = Load::start(stack.gateway(), &token, "/orders/1.0.0/items/7", 1000, mixed);
    let (began, mut changes) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(30) {
        let (backend, name) = if changes % 2 == 0 { (&right, "right") } else { (&left, "left") };
        stack.apply(&revision(backend, name)).await;
        changes += 1;
    }
    let tally = load.end().await;
    println!("{} calls during {changes} changes, {} failed", tally.good, tally.failed);
    assert_eq!(tally.failed, 0, "{:?}", tally.failures);
    assert!(tally.good >= 20_000, "the load was only {} calls", tally.good);
    assert!(changes >= 10, "only {changes} changes");
    assert!(left.calls() > 0 && right.calls() > 0);
}
