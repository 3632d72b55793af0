//! Who may call what, and what is told to those who may not?

use serde_json::{Value, json};
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

use crate::stand::{ISSUER, Stand};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints:
    production: { urls: ["http://BACKEND/base"] }
  operations:
    - { method: GET, path: "/echo" }
    - { method: GET, path: "/free", auth: none }
    - { method: GET, path: "/scoped", scopes: [orders.read, orders.all] }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: trial, version: "1.0" }
spec:
  context: /trial
  lifecycle: PROTOTYPED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: foreign, version: "1.0" }
spec:
  context: /foreign
  lifecycle: PUBLISHED
  keyManagers: [other]
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
{ apiVersion: turnpike/v1, kind: KeyManager, metadata: { name: other }, spec: { issuer: "https://other.example", jwks: 'JWKS', anyAudience: true } }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop, owner: ann }
spec:
  keys:
    - { consumerKey: live }
    - { consumerKey: play, type: sandbox }
    - { consumerKey: abroad, keyManager: other }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: stranger }, spec: { keys: [ { consumerKey: stranger } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0", state: STATE } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: f }, spec: { application: shop, api: "foreign:1.0" } }
"#;

async fn stand(state: &str) -> Stand {
    Stand::start(&RESOURCES.replace("STATE", state)).await
}

/// Calls with a token of `client` that has `claims` besides, and compares status and number.
async fn check(stand: &Stand, client: &str, claims: Value, path: &str, expected: &str) {
    let token = stand.token(client, &claims);
    let fields = format!("authorization: Bearer {token}\r\n");
    // Twice: the second time the token is known.
    for _ in 0..2 {
        let answer = stand.call(&format!("GET {path}"), &fields, "").await;
        let shown = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
        assert_eq!(shown, expected, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_subscriber_with_a_good_token_comes_through_without_it() {
    let stand = stand("UNBLOCKED").await;
    check(&stand, "live", json!({}), "/orders/1.0/echo", "200").await;
    let answer = stand.call("GET /orders/1.0/echo", &stand.bearer("live"), "").await;
    assert!(!answer.body.to_lowercase().contains("authorization"), "{}", answer.body);
}

#[tokio::test]
async fn a_call_without_token_is_challenged() {
    let stand = stand("UNBLOCKED").await;
    let answer = stand.call("GET /orders/1.0/echo", "", "").await;
    assert_eq!(answer.fault(), "401 900902");
    assert_eq!(
        answer.field("www-authenticate"),
        Some(
            "bearer realm=\"turnpike\", resource_metadata=\
             \"http://api.example/.well-known/oauth-protected-resource/orders/1.0\""
        )
    );
    let answer = stand.call("GET /orders/1.0/echo", "authorization: Basic x\r\n", "").await;
    assert_eq!(answer.fault(), "401 900902");
    let twice = "authorization: Bearer x\r\nauthorization: Bearer y\r\n";
    assert_eq!(stand.call("GET /orders/1.0/echo", twice, "").await.fault(), "400 400");
}

#[tokio::test]
async fn an_open_operation_asks_for_nothing() {
    let stand = stand("UNBLOCKED").await;
    assert_eq!(stand.call("GET /orders/1.0/free", "", "").await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused() {
    let stand = stand("UNBLOCKED").await;
    let past = json!({ "exp": 1_000_000_000 });
    check(&stand, "live", past, "/orders/1.0/echo", "401 900901").await;
    let foreign = json!({ "iss": "https://nobody.example" });
    check(&stand, "live", foreign, "/orders/1.0/echo", "401 900901").await;
    let early = json!({ "nbf": 9_000_000_000_i64 });
    check(&stand, "live", early, "/orders/1.0/echo", "401 900901").await;
    for token in ["x", "a.b.c", ""] {
        let fields = format!("authorization: Bearer {token}\r\n");
        let answer = stand.call("GET /orders/1.0/echo", &fields, "").await;
        let expected = if token.is_empty() { "401 900902" } else { "401 900901" };
        assert_eq!(answer.fault(), expected, "{token:?}");
    }
}

#[tokio::test]
async fn a_good_token_of_an_issuer_that_the_api_does_not_trust_is_refused() {
    let stand = stand("UNBLOCKED").await;
    check(&stand, "live", json!({}), "/foreign/1.0/x", "401 900901").await;
    let abroad = json!({ "iss": "https://other.example" });
    check(&stand, "abroad", abroad.clone(), "/foreign/1.0/x", "200").await;
    check(&stand, "abroad", abroad, "/orders/1.0/echo", "401 900901").await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_its_next_call_on() {
    let stand = stand("UNBLOCKED").await;
    let token = stand.token("live", &json!({ "jti": "gone" }));
    let fields = format!("authorization: Bearer {token}\r\n");
    assert_eq!(stand.call("GET /orders/1.0/echo", &fields, "").await.status, 200);
    let what = Some(What::Jti("gone".to_owned()));
    let entry = Revocation { issuer: ISSUER.to_owned(), what, ..Revocation::default() };
    stand.revocations.apply(&[entry]);
    assert_eq!(stand.call("GET /orders/1.0/echo", &fields, "").await.fault(), "401 900901");
    check(&stand, "live", json!({}), "/orders/1.0/echo", "200").await;
}

#[tokio::test]
async fn who_has_not_subscribed_is_refused() {
    let stand = stand("UNBLOCKED").await;
    check(&stand, "stranger", json!({}), "/orders/1.0/echo", "403 900908").await;
    check(&stand, "unheard-of", json!({}), "/orders/1.0/echo", "403 900908").await;
}

#[tokio::test]
async fn the_state_of_the_subscription_decides() {
    for (state, expected) in [
        ("BLOCKED", "401 900907"),
        ("PROD_ONLY_BLOCKED", "401 900907"),
        ("ON_HOLD", "401 900909"),
        ("REJECTED", "401 900909"),
    ] {
        let stand = stand(state).await;
        check(&stand, "live", json!({}), "/orders/1.0/echo", expected).await;
    }
}

#[tokio::test]
async fn a_sandbox_key_needs_a_sandbox() {
    let without = stand("PROD_ONLY_BLOCKED").await;
    check(&without, "play", json!({}), "/orders/1.0/echo", "403 900901").await;
    let sandbox = "\n    sandbox: { urls: [\"http://BACKEND/base\"] }\n  operations:";
    let resources = RESOURCES.replace("STATE", "PROD_ONLY_BLOCKED");
    let with = Stand::start(&resources.replacen("\n  operations:", sandbox, 1)).await;
    check(&with, "play", json!({}), "/orders/1.0/echo", "200").await;
}

#[tokio::test]
async fn keys_of_one_kind_never_reach_the_backends_of_the_other() {
    for (endpoints, live, play) in [
        (
            "production: { urls: ['http://BACKEND/live'] }, sandbox: { urls: ['http://BACKEND/play'] }",
            "/live/echo",
            "/play/echo",
        ),
        ("production: { urls: ['http://BACKEND/live'] }", "/live/echo", "403 900901"),
        ("sandbox: { urls: ['http://BACKEND/play'] }", "403 900901", "/play/echo"),
    ] {
        let one = "production: { urls: [\"http://BACKEND/base\"] }\n  operations:";
        let other = format!("{}\n  operations:", endpoints.replace("}, ", "}\n    "));
        let resources = RESOURCES.replace("STATE", "UNBLOCKED").replacen(one, &other, 1);
        let stand = Stand::start(&resources).await;
        for (key, expected) in [("live", live), ("play", play)] {
            let answer = stand.call("GET /orders/1.0/echo", &stand.bearer(key), "").await;
            let said = if answer.status == 200 { answer.body.clone() } else { answer.fault() };
            assert!(said.contains(expected), "{key} of {endpoints}: {said}");
        }
    }
}

#[tokio::test]
async fn one_of_the_scopes_is_needed() {
    let stand = stand("UNBLOCKED").await;
    let path = "/orders/1.0/scoped";
    check(&stand, "live", json!({}), path, "403 900910").await;
    check(&stand, "live", json!({ "scope": "orders.reader" }), path, "403 900910").await;
    check(&stand, "live", json!({ "scope": "a orders.all" }), path, "200").await;
    let answer = stand.call(&format!("GET {path}"), &stand.bearer("live"), "").await;
    let challenge = answer.field("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"orders.read orders.all\""), "{challenge}");
}

#[tokio::test]
async fn an_api_on_trial_asks_for_a_token_and_for_no_subscription() {
    let stand = stand("UNBLOCKED").await;
    check(&stand, "stranger", json!({}), "/trial/1.0/x", "200").await;
    check(&stand, "unheard-of", json!({}), "/trial/1.0/x", "200").await;
    assert_eq!(stand.call("GET /trial/1.0/x", "", "").await.fault(), "401 900902");
}
