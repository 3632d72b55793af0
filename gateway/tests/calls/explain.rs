//! Who is told how a call is judged, and what are they told?

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::stand::{Answer, Stand};
use crate::test_keys::{RESOURCES, stand, test_key, verdict};

const LIMITED: &str = r#"
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, spec: { quota: { requests: 1, per: 3600s } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: few, version: "1.0" }
spec:
  context: /few
  lifecycle: PUBLISHED
  tiers: [One]
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: few }, spec: { application: shop, api: "few:1.0", tier: One } }
---
{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: not-ben }, spec: { users: [ben] } }
"#;

/// A key that explains calls of every API.
fn explainer(stand: &Stand) -> String {
    format!("{}turnpike-explain: 1\r\n", test_key(stand, &json!({ "explain_only": true })))
}

/// The fields about the stages, in their order.
fn told(answer: &Answer) -> Vec<String> {
    let lines = answer.head.lines().filter_map(|line| line.strip_prefix("turnpike-debug: "));
    lines.map(str::to_owned).collect()
}

/// What is said of a stage.
#[track_caller]
fn stage<'t>(told: &'t [String], name: &str) -> &'t str {
    let about = told.iter().find(|line| line.starts_with(&format!("{name};")));
    about.unwrap_or_else(|| panic!("nothing about {name}: {told:#?}"))
}

/// Asks what would become of a call, and compares "stage code", or "allowed".
async fn explained(stand: &Stand, target: &str, fields: &str, expected: &str) -> Value {
    let fields = format!("{}{fields}", explainer(stand));
    let answer = stand.call(&format!("GET {target}"), &fields, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("turnpike-explain"), Some("1"), "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    let said = match document["refusal"].as_object() {
        None => format!("allowed by {}", document["answers"].as_str().unwrap()),
        Some(refusal) => {
            let text = |name: &str| refusal[name].as_str().unwrap();
            format!("{} {}", text("stage"), text("code"))
        }
    };
    assert_eq!(said, expected, "{document:#}");
    assert_eq!(document["allowed"], document["refusal"].is_null());
    document
}

/// The verdict and the facts of a stage.
fn of<'d>(document: &'d Value, stage: &str) -> (&'d str, &'d Value) {
    let stages = document["stages"].as_array().unwrap();
    let found = stages.iter().find(|one| one["stage"] == stage).unwrap();
    (found["verdict"].as_str().unwrap(), &found["facts"])
}

#[tokio::test]
async fn whoever_answers_for_the_api_sees_how_a_call_was_judged() {
    let stand = stand("PUBLISHED").await;
    let key =
        format!("{}turnpike-debug: 1\r\n", test_key(&stand, &json!({ "apis": ["orders:1.0"] })));
    let answer = stand.call("GET /orders/1.0/echo", &key, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = told(&answer);
    assert!(stage(&said, "api").contains("verdict=passed;id=\"orders:1.0\""), "{said:#?}");
    assert!(stage(&said, "operation").contains("path=\"/echo\""), "{said:#?}");
    assert!(stage(&said, "credential").contains("kind=\"test_key\""), "{said:#?}");
    assert!(stage(&said, "credential").contains("user=\"test-key:ann\""), "{said:#?}");
    assert!(stage(&said, "subscription").contains("verdict=notasked"), "{said:#?}");
    assert!(stage(&said, "backend").contains("endpoint=\"production\""), "{said:#?}");
    let address = stand.backend.address.to_string();
    assert!(stage(&said, "backend").contains(&format!("asked=\"{address}\"")), "{said:#?}");
}

#[tokio::test]
async fn they_see_why_a_consumer_is_refused() {
    let stand = stand("PUBLISHED").await;
    let key =
        format!("{}turnpike-debug: 1\r\n", test_key(&stand, &json!({ "apis": ["orders:1.0"] })));
    let fields = format!("{key}{}", stand.bearer("live"));
    let answer = stand.call("GET /orders/1.0/scoped", &fields, "").await;
    assert_eq!(verdict(&answer), "403 900910");
    let said = told(&answer);
    assert!(stage(&said, "refusal").starts_with("refusal;stage=scopes;status=403;code=900910"));
    assert!(stage(&said, "scopes").contains("verdict=refused;wanted=\"orders.read\""), "{said:#?}");
    assert!(stage(&said, "application").contains("name=\"shop\""), "{said:#?}");
    assert!(stage(&said, "subscription").contains("state=\"unblocked\""), "{said:#?}");
    assert!(stage(&said, "deny").contains("verdict=notreached"), "{said:#?}");
    let token = stand.token("live", &json!({ "exp": 1_000_000_000 }));
    let fields = format!("{key}authorization: Bearer {token}\r\n");
    let answer = stand.call("GET /orders/1.0/echo", &fields, "").await;
    assert_eq!(verdict(&answer), "401 900901");
    let said = told(&answer);
    assert!(stage(&said, "refusal").contains("expired"), "{said:#?}");
    assert!(!said.concat().contains(&token.to_lowercase()), "{said:#?}");
}

#[tokio::test]
async fn nobody_else_sees_any_of_it() {
    let stand = stand("PUBLISHED").await;
    let other = test_key(&stand, &json!({ "apis": ["stock:1.0"] }));
    let own = test_key(&stand, &json!({ "apis": ["orders:1.0"] }));
    for fields in [
        String::new(),
        "turnpike-test-key: x\r\n".to_owned(),
        other,
        own.replace("turnpike-test-key", "x-test-key"),
    ] {
        for target in ["/orders/1.0/echo", "/orders/1.0/scoped", "/orders/1.0/free"] {
            let fields = format!("{fields}{}turnpike-debug: 1\r\n", stand.bearer("live"));
            let answer = stand.call(&format!("GET {target}"), &fields, "").await;
            assert_eq!(told(&answer), Vec::<String>::new(), "{answer:?}");
        }
    }
    // And with the key only whoever asks.
    let answer = stand.call("GET /orders/1.0/echo", &own, "").await;
    assert_eq!(told(&answer), Vec::<String>::new(), "{answer:?}");
}

#[tokio::test]
async fn an_explanation_calls_no_backend_and_uses_no_limit_up() {
    let stand =
        Stand::start(&format!("{}{LIMITED}", RESOURCES.replace("LIFECYCLE", "PUBLISHED"))).await;
    let bearer = stand.bearer("live");
    for _ in 0..5 {
        let document = explained(&stand, "/few/1.0/echo", &bearer, "allowed by backend").await;
        assert_eq!(of(&document, "subscription").1["tier"], "One");
        assert_eq!(of(&document, "limits").1["tiers"], "subscription One");
        // As the call itself would be told: of the one that it may make, none is left behind it.
        assert!(
            of(&document, "limits").1["left"].as_str().unwrap().contains(";r=0"),
            "{document:#}"
        );
        assert_eq!(of(&document, "backend").0, "passed");
        assert!(of(&document, "backend").1["asked"].is_null());
    }
    assert_eq!(stand.backend.seen.requests.load(Ordering::SeqCst), 0);
    let answer = stand.call("GET /few/1.0/echo", &bearer, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = explained(&stand, "/few/1.0/echo", &bearer, "limits 900804").await;
    assert_eq!(of(&document, "limits").1["refused"], "subscription");
    // Nor is it counted as a call, or as one that was refused.
    stand.until("gateway_calls_total{class=\"2xx\"}", 1).await;
    assert_eq!(stand.number("gateway_faults_total{type=\"THROTTLED\"}"), 0);
}

#[tokio::test]
async fn an_explanation_names_the_rule_that_refuses() {
    let stand =
        Stand::start(&format!("{}{LIMITED}", RESOURCES.replace("LIFECYCLE", "CREATED"))).await;
    let bearer = stand.bearer("live");
    explained(&stand, "/nowhere/1.0", &bearer, "api 404").await;
    let created = explained(&stand, "/orders/1.0/echo", &bearer, "api 404").await;
    assert_eq!(of(&created, "api").1["lifecycle"], "CREATED");
    stand.publish(&format!("{}{LIMITED}", RESOURCES.replace("LIFECYCLE", "PUBLISHED")));
    explained(&stand, "/orders/1.0/nothing", &bearer, "operation 404").await;
    let missing = explained(&stand, "/orders/1.0/echo", "", "credential 900902").await;
    assert_eq!(of(&missing, "credential").1["accepted"], "oauth2 api_key");
    assert_eq!(of(&missing, "application").0, "notReached");
    explained(&stand, "/orders/1.0/echo", "authorization: Bearer x\r\n", "credential 900901").await;
    explained(&stand, "/orders/1.0/echo", &stand.bearer("nobody"), "application 900908").await;
    let stock = explained(&stand, "/stock/1.0/echo", &bearer, "subscription 900908").await;
    assert_eq!(of(&stock, "application").1["name"], "shop");
    let scoped = explained(&stand, "/orders/1.0/scoped", &bearer, "scopes 900910").await;
    assert_eq!(of(&scoped, "scopes").1["wanted"], "orders.read");
    let token = stand.token("live", &json!({ "sub": "ben" }));
    let ben = format!("authorization: Bearer {token}\r\n");
    let denied = explained(&stand, "/orders/1.0/echo", &ben, "deny 900805").await;
    assert_eq!(of(&denied, "deny").1["policy"], "not-ben");
    explained(&stand, "/orders/1.0/free", "", "allowed by backend").await;
    assert_eq!(stand.backend.seen.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn whoever_may_not_be_explained_to_is_not_called_for_either() {
    let stand = stand("PUBLISHED").await;
    let other = test_key(&stand, &json!({ "apis": ["stock:1.0"] }));
    for key in ["turnpike-test-key: x\r\n", &other] {
        let fields = format!("{key}turnpike-explain: 1\r\n{}", stand.bearer("live"));
        let answer = stand.call("GET /orders/1.0/echo", &fields, "").await;
        assert_eq!(verdict(&answer), "401 900901", "{answer:?}");
    }
    assert_eq!(stand.backend.seen.requests.load(Ordering::SeqCst), 0);
}
