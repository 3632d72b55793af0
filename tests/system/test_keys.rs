//! Does whoever answers for an API get to try it out, and do they see why calls are judged as they are?

use std::time::Duration;

use harness::resources::{application, subscription};
use harness::{Backend, Engines, Stack, eventually};
use serde_json::Value;

fn api(backend: &str, lifecycle: &str) -> String {
    format!(
        "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: orders, version: 1.0.0 }}\nspec:\n  \
         context: /orders\n  lifecycle: {lifecycle}\n  security: {{ schemes: [oauth2, api_key] }}\n  \
         endpoints: {{ production: {{ urls: ['{backend}'] }} }}\n  operations:\n    \
         - {{ method: GET, path: '/items/*' }}\n    \
         - {{ method: GET, path: '/read', scopes: [orders.read] }}\n"
    )
}

/// Waits until a call with this field is judged so.
async fn becomes(stack: &Stack, field: (&str, &str), expected: &str) {
    eventually(expected, Duration::from_secs(5), async || {
        let answer = stack.client().call("GET", "/orders/1.0.0/items/1", &[field], "").await;
        let said = if answer.status == 200 { "200".to_owned() } else { answer.verdict() };
        println!("{said}");
        (said == expected).then_some(())
    })
    .await;
}

/// Who refuses a call, with which number; empty: nobody.
async fn explained(stack: &Stack, target: &str, fields: &[&str]) -> String {
    let with = fields.iter().flat_map(|field| ["-H", *field]);
    let asked: Vec<&str> = ["explain", "GET", target].into_iter().chain(with).collect();
    let document = stack.turnpike(&asked).await;
    let refusal = &document["refusal"];
    let text = |name: &str| refusal[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("stage"), text("code")).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_is_tried_out_before_it_is_published() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start_uncounted(&[]).await;
    stack.apply(&api(&backend.url(), "CREATED")).await;
    let asked = ["keys", "test-key", "--api", "orders:1.0.0", "--expires", "5m"];
    let made = stack.turnpike(&asked).await;
    let key = made["key"].as_str().unwrap();
    becomes(&stack, ("turnpike-test-key", key), "200").await;
    becomes(&stack, ("authorization", &format!("Bearer {key}")), "404 404").await;
    let unknown = ["keys", "test-key", "--api", "orders:2.0.0"];
    assert_eq!(stack.try_turnpike(&unknown).await.status.code(), Some(1));
    let long = ["keys", "test-key", "--api", "orders:1.0.0", "--expires", "2h"];
    assert_eq!(stack.try_turnpike(&long).await.status.code(), Some(1));
    let lines = stack.turnpike(&["audit", "list"]).await.to_string();
    assert!(lines.contains("test_key.issued"), "{lines}");
    assert!(!lines.contains(key), "{lines}");
    stack.turnpike(&["revoke", key]).await;
    becomes(&stack, ("turnpike-test-key", key), "404 404").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_explained_by_the_gateway_that_would_serve_it() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start_uncounted(&[]).await;
    let published =
        [api(&backend.url(), "PUBLISHED"), application("shop", &[]), application("other", &[])];
    let allowed = subscription("shop", "orders", "Unlimited");
    stack.apply(&format!("{}{allowed}", published.concat())).await;
    stack.generate_keys("shop").await;
    stack.generate_keys("other").await;
    let bearer = format!("Authorization: Bearer {}", stack.token("shop").await);
    let other = format!("Authorization: Bearer {}", stack.token("other").await);
    eventually("the keys are known", Duration::from_secs(5), async || {
        let said = explained(&stack, "/orders/1.0.0/items/1", &[&bearer]).await;
        let other = explained(&stack, "/orders/1.0.0/items/1", &[&other]).await;
        println!("{said} / {other}");
        // Gateways do not hear of applications without a subscription.
        (said.is_empty() && other == "application 900908").then_some(())
    })
    .await;
    assert_eq!(explained(&stack, "/orders/1.0.0/read", &[&bearer]).await, "scopes 900910");
    assert_eq!(explained(&stack, "/orders/1.0.0/items/1", &[]).await, "credential 900902");
    assert_eq!(explained(&stack, "/orders/1.0.0/none", &[&bearer]).await, "operation 404");
    assert_eq!(explained(&stack, "/nothing", &[&bearer]).await, "api 404");
    let url = format!("http://{}/orders/1.0.0/items/1", stack.gateway());
    assert_eq!(explained(&stack, &url, &[&bearer]).await, "");
    assert_eq!(backend.calls(), 0, "a call that was only explained");
}

/// The key with this identifier among those of an application.
fn key<'l>(list: &'l Value, id: &str) -> &'l Value {
    let mut keys = list["keys"].as_array().unwrap().iter();
    keys.find(|key| key["id"] == id).unwrap_or_else(|| panic!("no {id} in {list}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_listed_with_their_last_use() {
    let backend = Backend::start("orders").await;
    let mut stack = Stack::start(Engines::Embedded).await;
    let published = [
        api(&backend.url(), "PUBLISHED"),
        application("shop", &[]),
        subscription("shop", "orders", "Unlimited"),
    ];
    stack.apply(&published.concat()).await;
    let (client, _) = stack.generate_keys("shop").await;
    let made = stack.turnpike(&["keys", "api-key", "--app", "shop", "--label", "till"]).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let list = stack.turnpike(&["keys", "list", "--app", "shop"]).await;
    assert_eq!(list["lastUsedKnown"], true, "{list}");
    assert!(key(&list, id)["lastUsedAt"].is_null() && key(&list, &client)["lastUsedAt"].is_null());
    assert!(!list.to_string().contains(secret), "{list}");
    becomes(&stack, ("apikey", secret), "200").await;
    eventually("the use of the key is known", Duration::from_secs(10), async || {
        let list = stack.turnpike(&["keys", "list", "--app", "shop"]).await;
        assert!(key(&list, &client)["lastUsedAt"].is_null(), "{list}");
        key(&list, id)["lastUsedAt"].as_i64().filter(|at| *at > 1_700_000_000)
    })
    .await;
    stack.kill("analytics-collector");
    let list = stack.turnpike(&["keys", "list", "--app", "shop"]).await;
    assert_eq!(list["lastUsedKnown"], false, "{list}");
    assert_eq!(key(&list, id)["label"], "till");
}
