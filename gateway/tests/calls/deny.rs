//! Whom do policies turn away, and what is told to them?

use serde_json::{Value, json};

use crate::stand::Stand;

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  operations:
    - { method: GET, path: "/echo" }
    - { method: GET, path: "/free", auth: none }
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: bundle, version: "1.0" }
spec:
  context: /bundle
  lifecycle: PUBLISHED
  apis: [{ name: orders, version: "1.0" }]
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: b }, spec: { application: shop, apiProduct: "bundle:1.0" } }
---
{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: d }, spec: { POLICY } }
"#;

/// What calls under `policy` get, each "path fields", with a token of the client `live`, of the user
/// ann, where the path is not free: statuses and numbers in their order.
async fn check(policy: &str, calls: &[&str], expected: &[&str]) {
    let resources = RESOURCES.replace("POLICY", policy);
    let stand = Stand::with(&resources, |settings| {
        settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    })
    .await;
    let token = stand.token("live", &json!({ "sub": "7", "username": "ann" }));
    for (call, expected) in calls.iter().zip(expected) {
        let (path, from) = call.split_once(' ').unwrap_or((call, "127.0.0.1"));
        let bearer = if path.ends_with("free") {
            String::new()
        } else {
            format!("authorization: Bearer {token}\r\n")
        };
        let fields = format!("{bearer}x-forwarded-for: {from}\r\n");
        let answer = stand.call(&format!("GET {path}"), &fields, "").await;
        let shown = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
        assert_eq!(shown, *expected, "{policy}: {call}: {answer:?}");
    }
}

const BLOCKED: &str = "403 900805";
const ECHO: &str = "/orders/1.0/echo";

#[tokio::test]
async fn an_address_is_refused_whoever_it_is_and_only_as_trusted_proxies_say() {
    check(
        "addresses: [192.0.2.0/24, '2001:db8::1']",
        &[
            "/orders/1.0/free 192.0.2.7",
            "/orders/1.0/echo 192.0.2.255",
            "/orders/1.0/echo 2001:db8::1",
            "/orders/1.0/free 192.0.3.0",
            // What a client says of itself before its proxy is not believed.
            "/orders/1.0/free 192.0.2.7, 198.51.100.1",
        ],
        &[BLOCKED, BLOCKED, BLOCKED, "200", "200"],
    )
    .await;
}

#[tokio::test]
async fn who_comes_from_a_refused_address_is_not_asked_for_a_credential() {
    let stand = Stand::start(&RESOURCES.replace("POLICY", "addresses: [127.0.0.1]")).await;
    let answer = stand.call("GET /orders/1.0/echo", "authorization: Bearer x\r\n", "").await;
    assert_eq!(answer.fault(), BLOCKED);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["message"], "Message blocked");
    assert_eq!(stand.number(r#"gateway_faults_total{type="THROTTLED"}"#), 1);
    assert_eq!(stand.backend.seen.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn callers_are_refused_by_application_client_subject_and_name() {
    for policy in ["applications: [shop]", "clients: [live]", "users: ['7']", "users: [ann]"] {
        check(policy, &[ECHO, "/bundle/1.0/echo", "/orders/1.0/free"], &[BLOCKED, BLOCKED, "200"])
            .await;
    }
    for policy in ["applications: [other]", "clients: ['7']", "users: [shop, live]"] {
        check(policy, &[ECHO], &["200"]).await;
    }
}

#[tokio::test]
async fn an_api_is_refused_through_its_products_too() {
    check("apis: ['orders:*']", &[ECHO, "/bundle/1.0/echo"], &[BLOCKED, BLOCKED]).await;
    check("apis: ['bundle:1.0']", &[ECHO, "/bundle/1.0/echo"], &["200", BLOCKED]).await;
}

#[tokio::test]
async fn all_of_a_policy_has_to_hold() {
    let policy = "users: [ann], addresses: [192.0.2.0/24], apis: ['orders:1.0']";
    let calls =
        ["/orders/1.0/echo 192.0.2.1", "/orders/1.0/echo 192.0.3.1", "/orders/1.0/free 192.0.2.1"];
    check(policy, &calls, &[BLOCKED, "200", "200"]).await;
    check(&format!("{policy}, disabled: true"), &calls, &["200", "200", "200"]).await;
    let over = format!("{policy}, expiresAt: '2001-01-01T00:00:00Z'");
    check(&over, &calls, &["200", "200", "200"]).await;
}

#[tokio::test]
async fn a_policy_that_is_lifted_refuses_nothing_from_the_next_call_on() {
    let stand = Stand::start(&RESOURCES.replace("POLICY", "users: [ann]")).await;
    let token = stand.token("live", &json!({ "username": "ann" }));
    let fields = format!("authorization: Bearer {token}\r\n");
    let call = async || stand.call("GET /orders/1.0/echo", &fields, "").await;
    assert_eq!(call().await.fault(), BLOCKED);
    stand.publish(&RESOURCES.replace("POLICY", "users: [ben]"));
    assert_eq!(call().await.status, 200);
    stand.publish(&RESOURCES.replace("POLICY", "users: [ben, ann]"));
    assert_eq!(call().await.fault(), BLOCKED);
}

#[tokio::test]
async fn a_call_that_is_refused_takes_no_room_from_its_limits() {
    let tier = "\n---\n{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, \
                spec: { quota: { requests: 1, per: 3600s } } }\n";
    let resources = RESOURCES
        .replace("api: \"orders:1.0\" }", "api: \"orders:1.0\", tier: One }")
        .replace("context: /orders", "context: /orders\n  tiers: [One]")
        + tier;
    let stand = Stand::start(&resources.replace("POLICY", "users: [ann]")).await;
    let named = |name: &str| {
        let token = stand.token("live", &json!({ "username": name }));
        format!("authorization: Bearer {token}\r\n")
    };
    let (ann, ben) = (named("ann"), named("ben"));
    assert_eq!(stand.call("GET /orders/1.0/echo", &ann, "").await.fault(), BLOCKED);
    assert_eq!(stand.call("GET /orders/1.0/echo", &ben, "").await.status, 200);
    assert_eq!(stand.call("GET /orders/1.0/echo", &ben, "").await.fault(), "429 900804");
    assert_eq!(stand.call("GET /orders/1.0/echo", &ann, "").await.fault(), BLOCKED);
}
