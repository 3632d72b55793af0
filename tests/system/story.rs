//! The first five minutes of a newcomer, on both sets of engines.

use std::time::Duration;

use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Engines, Stack, eventually};

/// Publish, subscribe, get a key and a token, call, see the call counted, revoke, be refused.
async fn check(engines: Engines) {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(engines).await;
    let published = [
        tier("Gold", 1000),
        api("orders", &backend.url(), &["Gold"]),
        application("shop", &[]),
        subscription("shop", "orders", "Gold"),
    ];
    stack.apply(&published.concat()).await;
    stack.generate_keys("shop").await;
    let token = stack.token("shop").await;

    // The new key reaches the gateway a moment after the command has returned.
    let mut app = stack.client().with_token(&token);
    let first = eventually("the first call works", Duration::from_secs(5), async || {
        let answer = stack.client().with_token(&token).get("/orders/1.0.0/items/7").await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(first.json()["backend"], "orders");
    assert_eq!(first.json()["target"], "/items/7");
    assert!(first.json()["headers"].get("authorization").is_none(), "the token stays here");
    assert!(first.header("ratelimit").contains("r=999"), "{:?}", first.headers);

    // Whoever keeps the application in a file has never seen its generated key.
    stack.apply(&application("shop", &[])).await;
    assert_eq!(app.get("/orders/1.0.0/items/8").await.status, 200, "the key is still known");

    eventually("the call is counted", Duration::from_secs(5), async || {
        (stack.counted("orders").await >= 1).then_some(())
    })
    .await;

    stack.turnpike(&["revoke", &token]).await;
    eventually("the revoked token is refused", Duration::from_secs(1), async || {
        let answer = stack.client().with_token(&token).get("/orders/1.0.0/items/7").await;
        (answer.verdict() == "401 900901").then_some(())
    })
    .await;
    assert_eq!(app.get("/orders/1.0.0/items/7").await.verdict(), "401 900901");

    let gateways = stack.turnpike(&["gateways"]).await;
    assert_eq!(gateways["gateways"][0]["inSync"], true, "{gateways}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_works_with_embedded_stores() {
    check(Engines::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_works_on_etcd_and_postgresql() {
    check(Engines::ScaleOut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_ends_cleanly_when_asked() {
    let mut stack = Stack::start(Engines::Embedded).await;
    for name in ["gateway", "control-plane", "key-manager", "analytics-collector"] {
        stack.stop(name);
    }
}
