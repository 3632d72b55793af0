//! Who is refused, and with which number?

use harness::resources::{api, application, subscription, tier};
use harness::{Answer, Backend, Engines, Issuer, Stack};
use serde_json::json;

const CALL: &str = "/orders/1.0.0/items/7";

/// A system with one API, an application `shop` that has subscribed to it with two calls an hour,
/// and an application `idle` that has not.
async fn system() -> (Stack, Backend, Issuer) {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let issuer = Issuer::new("https://issuer.test");
    let orders = api("orders", &backend.url(), &["Two", "Unlimited"])
        + "  keyManagers: [resident, outside]\n";
    let published = [
        format!("---\n{}\n", issuer.resource("outside")),
        tier("Two", 2),
        orders,
        application("shop", &["outside/shop"]),
        application("idle", &["outside/idle"]),
        subscription("shop", "orders", "Two"),
    ];
    stack.apply(&published.concat()).await;
    (stack, backend, issuer)
}

/// One call with this token, which must be refused with `verdict` and never reach the backend.
async fn check(system: &(Stack, Backend, Issuer), token: Option<&str>, verdict: &str) -> Answer {
    let (stack, backend, _) = system;
    let before = backend.calls();
    let mut client = stack.client();
    if let Some(token) = token {
        client = client.with_token(token);
    }
    let answer = client.get(CALL).await;
    assert_eq!(answer.verdict(), verdict, "{token:?}: {:?}", answer.json());
    assert_eq!(backend.calls(), before, "a refused call reached the backend");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_good_tokens_of_subscribers_pass() {
    let system = system().await;
    let (stack, _, issuer) = &system;

    let missing = check(&system, None, "401 900902").await;
    assert!(missing.header("www-authenticate").starts_with("Bearer"), "{:?}", missing.headers);

    let good = issuer.token("shop", &json!({}));
    let bad = [
        ("nonsense", "nonsense".to_owned()),
        ("expired", issuer.token("shop", &json!({ "exp": 1_000_000_000 }))),
        ("not yet valid", issuer.token("shop", &json!({ "nbf": 4_000_000_000_u64 }))),
        ("of another issuer", issuer.token("shop", &json!({ "iss": "https://other.test" }))),
        ("of another key", Issuer::new(&issuer.url).token("shop", &json!({}))),
        ("with another payload", forged(&good)),
        ("without signature", format!("{}.", good.rsplit_once('.').expect("three parts").0)),
    ];
    for (_, token) in &bad {
        let answer = check(&system, Some(token), "401 900901").await;
        assert!(
            answer.header("www-authenticate").contains("invalid_token"),
            "{:?}",
            answer.headers
        );
    }

    check(&system, Some(&issuer.token("idle", &json!({}))), "403 900908").await;
    check(&system, Some(&issuer.token("stranger", &json!({}))), "403 900908").await;

    // An open operation asks for nothing, and what is not there is not there for anybody.
    let mut anybody = stack.client();
    assert_eq!(anybody.get("/orders/1.0.0/open").await.status, 200);
    assert_eq!(anybody.get("/nowhere/1.0.0/items").await.status, 404);
    assert_eq!(anybody.call("DELETE", CALL, &[], "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_over_the_limit_is_told_when_to_come_back() {
    let system = system().await;
    let (stack, backend, issuer) = &system;
    let token = issuer.token("shop", &json!({}));
    let mut shop = stack.client().with_token(&token);

    for left in ["1", "0"] {
        let answer = shop.get(CALL).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("ratelimit").contains(&format!("r={left}")), "{:?}", answer.headers);
        assert!(answer.header("ratelimit-policy").contains("q=2;w=3600"), "{:?}", answer.headers);
    }
    let refused = check(&system, Some(&token), "429 900804").await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds to wait");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").contains("r=0"), "{:?}", refused.headers);
    assert_eq!(backend.calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_subscription_and_a_blocked_api_refuse() {
    let system = system().await;
    let (stack, backend, issuer) = &system;
    let token = issuer.token("shop", &json!({}));

    let blocked = subscription("shop", "orders", "Two").replace("tier:", "state: BLOCKED, tier:");
    stack.apply(&blocked).await;
    check(&system, Some(&token), "401 900907").await;

    let orders = api("orders", &backend.url(), &["Two", "Unlimited"])
        .replace("PUBLISHED", "BLOCKED")
        + "  keyManagers: [resident, outside]\n";
    stack.apply(&orders).await;
    check(&system, Some(&token), "503 700700").await;
}

/// The same token with `sub` replaced: the signature does not fit any more.
fn forged(token: &str) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let payload = parts[1].clone();
    let middle = payload.len() / 2;
    let other = if payload.as_bytes()[middle] == b'A' { "B" } else { "A" };
    parts[1].replace_range(middle..=middle, other);
    parts.join(".")
}
