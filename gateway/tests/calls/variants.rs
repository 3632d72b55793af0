//! Which backends take a call of an API that has variants?

use crate::stand::Stand;

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: shop, version: "1" }
spec:
  context: /shop
  lifecycle: PUBLISHED
  security: { schemes: [SCHEME] }
  endpoints:
    production: { urls: ["http://BACKEND/base"] }
    sandbox: { urls: ["http://BACKEND/sandbox"] }
  variants:
    splitBy: SPLIT
    choices:
      - name: canary
        match: { headers: [ { name: x-canary, exact: "yes" } ] }
        production: { urls: ["http://BACKEND/canary"] }
      - { name: half, weight: 50, production: { urls: ["http://BACKEND/share"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: app }, spec: { keys: [ { consumerKey: live }, { consumerKey: play, type: sandbox } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: app, api: "shop:1" } }
"#;

async fn stand(scheme: &str, split: &str) -> Stand {
    Stand::start(&RESOURCES.replace("SCHEME", scheme).replace("SPLIT", split)).await
}

/// The backends that took twenty calls, by the first segment of what they read.
async fn check(stand: &Stand, fields: &str, expected: &[&str]) {
    let mut taken = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let answer = stand.call("GET /shop/1/echo", fields, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let path = answer.body.split(' ').nth(1).unwrap_or_default();
        taken.insert(path.split('/').nth(1).unwrap_or_default().to_owned());
    }
    assert_eq!(taken.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{fields}");
}

#[tokio::test]
async fn who_asks_for_the_canary_gets_it_and_the_others_are_divided() {
    let stand = stand("none", "call").await;
    check(&stand, "x-canary: yes\r\n", &["canary"]).await;
    check(&stand, "x-canary: no\r\n", &["base", "share"]).await;
}

#[tokio::test]
async fn a_client_keeps_to_its_variant() {
    let stand = stand("none", "client").await;
    let mut taken = Vec::new();
    for _ in 0..20 {
        taken.push(stand.call("GET /shop/1/echo", "", "").await.body.contains("/share/"));
    }
    taken.dedup();
    assert_eq!(taken.len(), 1, "{taken:?}");
}

#[tokio::test]
async fn keys_without_a_backend_of_the_variant_stay() {
    let stand = stand("oauth2", "application").await;
    let play = format!("x-canary: yes\r\n{}", stand.bearer("play"));
    check(&stand, &play, &["sandbox"]).await;
    let live = format!("x-canary: yes\r\n{}", stand.bearer("live"));
    check(&stand, &live, &["canary"]).await;
}
