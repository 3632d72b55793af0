//! How often may one call, and what is told about it?

use serde_json::json;

use crate::stand::Stand;

const RESOURCES: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Three }, spec: { quota: { requests: 3, per: 3600s } } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Pace }, spec: { burst: { requests: 2, per: 3600s } } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Marked }, spec: { quota: { requests: 1, per: 3600s }, stopOnQuotaReached: false } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Tried }, spec: { quota: { requests: 1, per: 3600s }, shadow: true } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Sent }, spec: { quota: { bytes: 10, direction: request, calendar: year } } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Got }, spec: { quota: { requests: 9, per: 3600s, rolling: true }, quotas: [ { bytes: 100000, direction: response, calendar: year } ] } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Two }, spec: { level: application, quota: { requests: 2, per: 3600s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  tiers: [Three, Pace, Marked, Tried, Sent, Got, Unlimited]
  endpoints: { production: { urls: ["http://URL"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { tier: APPLICATION, keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0", tier: SUBSCRIPTION } }
"#;

fn resources(subscription: &str, application: &str, url: &str) -> String {
    let tiers = RESOURCES.replace("SUBSCRIPTION", subscription).replace("APPLICATION", application);
    tiers.replace("URL", url)
}

/// Calls four times with these tiers and compares what became of each.
async fn check(subscription: &str, application: &str, expected: [&str; 4]) {
    let stand = Stand::start(&resources(subscription, application, "BACKEND/base")).await;
    let bearer = stand.bearer("live");
    for expected in expected {
        let answer = stand.call("GET /orders/1.0/echo", &bearer, "").await;
        let shown = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
        assert_eq!(shown, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn each_limit_answers_with_its_own_number() {
    check("Three", "Unlimited", ["200", "200", "200", "429 900804"]).await;
    check("Pace", "Unlimited", ["200", "200", "429 900807", "429 900807"]).await;
    check("Unlimited", "Two", ["200", "200", "429 900803", "429 900803"]).await;
    check("Unlimited", "Unlimited", ["200"; 4]).await;
}

#[tokio::test]
async fn the_users_of_an_application_share_its_limits() {
    for (tiers, number) in
        [(("Unlimited", "Two"), "429 900803"), (("Pace", "Unlimited"), "429 900807")]
    {
        let stand = Stand::start(&resources(tiers.0, tiers.1, "BACKEND/base")).await;
        for (user, expected) in [("ann", "200"), ("ben", "200"), ("cid", number), ("ann", number)] {
            let token = stand.token("live", &json!({ "sub": user }));
            let fields = format!("authorization: Bearer {token}\r\n");
            let answer = stand.call("GET /orders/1.0/echo", &fields, "").await;
            let shown = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
            assert_eq!(shown, expected, "{tiers:?} {user}");
        }
    }
}

#[tokio::test]
async fn a_quota_that_does_not_stop_lets_calls_pass() {
    check("Marked", "Unlimited", ["200"; 4]).await;
}

#[tokio::test]
async fn a_limit_that_is_only_tried_refuses_nobody_and_is_counted() {
    let stand = Stand::start(&resources("Tried", "Unlimited", "BACKEND/base")).await;
    let bearer = stand.bearer("live");
    for _ in 0..3 {
        let answer = stand.call("GET /orders/1.0/echo", &bearer, "").await;
        assert_eq!((answer.status, answer.field("ratelimit")), (200, None));
    }
    assert_eq!(stand.number("gateway_shadow_refusals_total"), 2);
}

#[tokio::test]
async fn bytes_that_are_sent_count_and_a_body_that_does_not_fit_is_refused() {
    let stand = Stand::start(&resources("Sent", "Unlimited", "BACKEND/base")).await;
    let bearer = stand.bearer("live");
    for (body, expected) in [("123456", 200), ("12345", 429), ("1234", 200), ("", 429)] {
        let answer = stand.call("POST /orders/1.0/echo", &bearer, body).await;
        assert_eq!(answer.status, expected, "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn bytes_of_answers_count_when_they_have_passed() {
    let stand = Stand::start(&resources("Got", "Unlimited", "BACKEND/base")).await;
    let bearer = stand.bearer("live");
    let left = |answer: &crate::stand::Answer| {
        let state = answer.field("ratelimit").unwrap().to_owned();
        let (_, bytes) = state.split_once("\"subscription-2\";r=").unwrap();
        bytes.split(';').next().unwrap().parse::<usize>().unwrap()
    };
    let first = stand.call("GET /orders/1.0/echo", &bearer, "").await;
    assert_eq!(left(&first), 100_000);
    let policy =
        "\"subscription\";q=9;w=3600, \"subscription-2\";q=100000;w=31622400;qu=\"content-bytes\"";
    assert_eq!(first.field("ratelimit-policy"), Some(policy));
    let second = stand.call("GET /orders/1.0/echo", &bearer, "").await;
    assert_eq!(left(&second), 100_000 - first.body.len());
}

#[tokio::test]
async fn the_fields_tell_what_is_left_and_when_to_come_again() {
    let stand = Stand::start(&resources("Three", "Unlimited", "BACKEND/base")).await;
    let bearer = stand.bearer("live");
    for left in [2, 1, 0, 0] {
        let answer = stand.call("GET /orders/1.0/echo", &bearer, "").await;
        assert_eq!(answer.field("ratelimit-policy"), Some("\"subscription\";q=3;w=3600"));
        let state = answer.field("ratelimit").unwrap();
        let (start, reset) = state.split_once(";t=").unwrap();
        assert_eq!(start, format!("\"subscription\";r={left}"));
        assert!((1..=3600).contains(&reset.parse::<u32>().unwrap()), "{state}");
        assert_eq!(answer.field("retry-after").is_some(), answer.status == 429);
    }
}

#[tokio::test]
async fn a_call_that_reached_no_backend_does_not_count() {
    let stand = Stand::start(&resources("Three", "Two", "127.0.0.1:1")).await;
    let bearer = stand.bearer("live");
    for _ in 0..5 {
        let answer = stand.call("GET /orders/1.0/echo", &bearer, "").await;
        assert_eq!(answer.fault(), "503 101503");
    }
}
