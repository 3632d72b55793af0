//! Who may call a product, and which backends answer?

use serde_json::json;

use crate::stand::Stand;

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1" }
spec:
  context: /orders
  lifecycle: ORDERS
  endpoints:
    production: { urls: ["http://BACKEND/orders"] }
    sandbox: { urls: ["http://BACKEND/play"] }
  operations:
    - { method: GET, path: "/orders/{id}", scopes: [read] }
    - { method: GET, path: /hidden }
  variants:
    choices:
      - name: canary
        match: { headers: [ { name: x-canary } ] }
        production: { urls: ["http://BACKEND/canary"] }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: stock, version: "1" }
spec:
  context: /stock
  endpoints: { production: { urls: ["http://BACKEND/stock"] } }
  operations:
    - { method: GET, path: /stock }
    - { method: GET, path: /free, auth: none }
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: shop, version: "1" }
spec:
  context: /shop
  defaultVersion: true
  lifecycle: PRODUCT
  tiers: [One]
  cors: {}
  apis:
    - { name: orders, version: "1", operations: [ { method: GET, path: "/orders/{id}" } ] }
    - { name: stock, version: "1" }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, spec: { level: subscription, quota: { requests: 5, per: 60s } } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: app }, spec: { keys: [ { consumerKey: live }, { consumerKey: play, type: sandbox } ] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: other }, spec: { keys: [ { consumerKey: other } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: p }, spec: { application: app, apiProduct: "shop:1", tier: One } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: o }, spec: { application: other, api: "orders:1" } }
"#;

fn resources(orders: &str, product: &str) -> String {
    RESOURCES.replace("ORDERS", orders).replace("PRODUCT", product)
}

/// Calls with a token of `client` for the scope `read`, and compares the path that the backend
/// read, or the fault.
async fn check(stand: &Stand, client: &str, path: &str, fields: &str, expected: &str) {
    let token = stand.token(client, &json!({ "scope": "read" }));
    let fields = format!("authorization: Bearer {token}\r\n{fields}");
    let answer = stand.call(&format!("GET {path}"), &fields, "").await;
    let shown = match answer.status {
        200 => answer.body.split(' ').nth(1).unwrap_or_default().to_owned(),
        _ => answer.fault(),
    };
    assert_eq!(shown, expected, "{client} {path}: {answer:?}");
}

#[tokio::test]
async fn a_subscription_to_the_product_reaches_the_backends_of_its_apis() {
    let stand = Stand::start(&resources("PUBLISHED", "PUBLISHED")).await;
    check(&stand, "live", "/shop/1/orders/7?q", "", "/orders/orders/7?q").await;
    check(&stand, "live", "/shop/orders/7", "x-canary: 1\r\n", "/canary/orders/7").await;
    check(&stand, "play", "/shop/1/orders/7", "", "/play/orders/7").await;
    check(&stand, "play", "/shop/1/stock", "", "403 900901").await;
    check(&stand, "live", "/shop/1/stock", "", "/stock/stock").await;
    let free = stand.call("GET /shop/1/free", "origin: https://a.example\r\n", "").await;
    assert_eq!((free.status, free.field("access-control-allow-origin")), (200, Some("*")));
}

#[tokio::test]
async fn the_rights_are_those_of_the_product() {
    let stand = Stand::start(&resources("PUBLISHED", "PUBLISHED")).await;
    check(&stand, "live", "/shop/1/hidden", "", "404 404").await;
    check(&stand, "live", "/orders/1/orders/7", "", "403 900908").await;
    check(&stand, "other", "/shop/1/orders/7", "", "403 900908").await;
    check(&stand, "other", "/orders/1/orders/7", "", "/orders/orders/7").await;
    check(&stand, "live", "/stock/1/stock", "", "404 404").await;
    let without = stand.call("GET /shop/1/orders/7", &stand.bearer("live"), "").await;
    assert_eq!(without.fault(), "403 900910");
    for _ in 0..5 {
        check(&stand, "live", "/shop/1/stock", "", "/stock/stock").await;
    }
    check(&stand, "live", "/shop/1/orders/7", "", "429 900804").await;
}

#[tokio::test]
async fn the_life_of_the_product_and_of_its_apis_decides() {
    let stand = Stand::start(&resources("BLOCKED", "PUBLISHED")).await;
    check(&stand, "live", "/shop/1/orders/7", "", "503 700700").await;
    check(&stand, "live", "/shop/1/stock", "", "/stock/stock").await;
    stand.publish(&resources("RETIRED", "PUBLISHED"));
    check(&stand, "live", "/shop/1/orders/7", "", "404 404").await;
    stand.publish(&resources("CREATED", "PROTOTYPED"));
    check(&stand, "other", "/shop/1/orders/7", "", "/orders/orders/7").await;
    stand.publish(&resources("PUBLISHED", "BLOCKED"));
    check(&stand, "live", "/shop/1/stock", "", "503 700700").await;
    stand.publish(&resources("PUBLISHED", "RETIRED"));
    check(&stand, "live", "/shop/1/stock", "", "404 404").await;
}
