//! Do people see how much of its limits an application has used, and can they let them begin afresh?

use std::time::Duration;

use harness::resources::{api, application, subscription, tier};
use harness::{Backend, Client, Engines, Gateway, Stack, eventually};
use serde_json::{Value, json};

/// What a limit says of itself, as "used of amount, left".
fn shown(usage: &Value) -> String {
    let [used, amount, left] =
        [&usage["used"], &usage["limit"]["amount"], &usage["remaining"]].map(Value::to_string);
    format!("{used} of {amount}, {left} left")
}

/// The limit of the subscription, once all `gateways` have said something about it.
async fn asked(stack: &Stack, gateways: usize) -> Value {
    eventually("the gateways answer", Duration::from_secs(10), async || {
        let told = stack.turnpike(&["limits", "--app", "shop", "--api", "orders:1.0.0"]).await;
        (told["answered"].as_array()?.len() == gateways).then_some(told)
    })
    .await
}

async fn call(client: &mut Client, times: usize) {
    for _ in 0..times {
        assert_eq!(client.get("/orders/1.0.0/items/7").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_two_gateways_are_shown_together_and_begin_afresh() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let published = [
        // No hour turns while it is looked at.
        tier("Gold", 1000).replace("per: 3600s", "calendar: year"),
        api("orders", &backend.url(), &["Gold"]),
        application("shop", &[]),
        subscription("shop", "orders", "Gold"),
    ];
    stack.apply(&published.concat()).await;
    let mut second = Gateway::beside(&stack, "second").await;
    stack.generate_keys("shop").await;
    let token = stack.token("shop").await;
    for gateway in [stack.gateway(), second.http()] {
        eventually("the key is known", Duration::from_secs(5), async || {
            let mut client = Client::new(gateway).with_token(&token);
            (client.get("/orders/1.0.0/items/7").await.status == 200).then_some(())
        })
        .await;
    }
    let [mut one, mut other] =
        [stack.client(), second.client()].map(|client| client.with_token(&token));
    let before = asked(&stack, 2).await;
    let at_first = before["limits"][0]["used"].as_u64().unwrap();
    call(&mut one, 3).await;
    call(&mut other, 4).await;

    let told = asked(&stack, 2).await;
    let used = at_first + 7;
    let usage = &told["limits"][0];
    assert_eq!(usage["level"], "subscription", "{told}");
    assert_eq!((&usage["api"], &usage["tier"]), (&json!("orders:1.0.0"), &json!("Gold")));
    assert_eq!(usage["used"], used, "{told}");
    assert_eq!(usage["gateways"].as_array().unwrap().len(), 2, "{told}");
    assert!(usage["endsAt"].is_string() && told["at"].is_string(), "{told}");
    assert_eq!(told["silent"], json!([]));

    let reset = stack.turnpike(&["limits", "reset", "--app", "shop"]).await;
    assert_eq!(reset["reset"].as_array().unwrap().len(), 2, "{reset}");
    call(&mut one, 2).await;
    let told = asked(&stack, 2).await;
    assert_eq!(shown(&told["limits"][0]), "2 of 1000, 1000 left", "{told}");

    second.kill();
    let told = eventually("it is gone", Duration::from_secs(10), async || {
        let told = stack.turnpike(&["limits", "--app", "shop"]).await;
        (told["answered"].as_array()?.len() == 1).then_some(told)
    })
    .await;
    assert_eq!(shown(&told["limits"][0]), "2 of 1000, 998 left", "{told}");

    let missing = stack.try_turnpike(&["limits", "--app", "nobody"]).await;
    assert!(!missing.status.success(), "there is no such application");
}
