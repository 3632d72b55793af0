//! Which credentials get a call through, alone and together, and what does the backend see of them?

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::stand::Stand;

const KEY: &str = "kmak_production_0123456789";
const OLD: &str = "kmak_production_old";
const BOUND: &str = "kmak_production_bound";

fn sum(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// An API with this `security`, and an application with a client and three API keys that has subscribed.
fn resources(security: &str) -> String {
    format!(
        r#"
apiVersion: turnpike/v1
kind: Api
metadata: {{ name: orders, version: "1.0" }}
spec:
  context: /orders
  lifecycle: PUBLISHED
  security: {{ {security} }}
  endpoints: {{ production: {{ urls: ["http://BACKEND/base"] }} }}
  operations:
    - {{ method: GET, path: "/echo" }}
    - {{ method: GET, path: "/free", auth: none }}
    - {{ method: GET, path: "/read", scopes: [orders.read] }}
    - {{ method: GET, path: "/write", scopes: [orders.write] }}
    - {{ method: GET, path: "/machine", auth: application }}
    - {{ method: GET, path: "/person", auth: application_user }}
---
apiVersion: turnpike/v1
kind: Api
metadata: {{ name: stock, version: "1.0" }}
spec:
  context: /stock
  lifecycle: PUBLISHED
  subscriptionless: true
  security: {{ {security} }}
  endpoints: {{ production: {{ urls: ["http://BACKEND/base"] }} }}
---
apiVersion: turnpike/v1
kind: Application
metadata: {{ name: shop }}
spec:
  keys: [ {{ consumerKey: live }} ]
  apiKeys:
    - {{ id: k1, sha256: "{key}", scopes: [orders.read] }}
    - {{ id: k2, sha256: "{old}", expiresAt: "2020-01-01T00:00:00Z" }}
    - {{ id: k3, sha256: "{bound}", allowedIps: [127.0.0.0/8], allowedDomains: ["*.shop.example"] }}
---
apiVersion: turnpike/v1
kind: Application
metadata: {{ name: far }}
spec: {{ keys: [ {{ consumerKey: far }} ], allowedIps: ["2001:db8::/32"] }}
---
{{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: s }}, spec: {{ application: shop, api: "orders:1.0" }} }}
---
{{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: f }}, spec: {{ application: far, api: "orders:1.0" }} }}
"#,
        key = sum(KEY),
        old = sum(OLD),
        bound = sum(BOUND),
    )
}

/// Status and number of a call.
async fn check(stand: &Stand, target: &str, fields: &str, expected: &str) {
    let answer = stand.call(&format!("GET {target}"), fields, "").await;
    let said = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
    assert_eq!(said, expected, "{target} {fields}: {answer:?}");
}

/// What the backend reads of a call that comes through.
async fn seen(stand: &Stand, target: &str, fields: &str) -> String {
    let answer = stand.call(&format!("GET {target}"), fields, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.to_lowercase()
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn an_api_key_gets_through_and_no_further() {
    let stand = Stand::start(&resources("schemes: [api_key], apiKey: { query: key }")).await;
    let key = format!("apikey: {KEY}\r\n");
    check(&stand, "/orders/1.0/echo", &key, "200").await;
    check(&stand, &format!("/orders/1.0/echo?a=b&key={KEY}"), "", "200").await;
    check(&stand, "/orders/1.0/echo", "", "401 900902").await;
    check(&stand, "/orders/1.0/echo", "apikey: kmak_production_\r\n", "401 900901").await;
    check(&stand, "/orders/1.0/echo", &format!("apikey: {KEY}x\r\n"), "401 900901").await;
    check(&stand, "/orders/1.0/echo", &format!("apikey: {OLD}\r\n"), "401 900901").await;
    check(&stand, &format!("/orders/1.0/echo?key={KEY}"), &key, "400 400").await;
    check(&stand, "/orders/1.0/echo", &stand.bearer("live"), "401 900902").await;
    let body = seen(&stand, "/orders/1.0/echo", &key).await;
    assert!(!body.contains("kmak"), "{body}");
    let body = seen(&stand, &format!("/orders/1.0/echo?a=b&key={KEY}&c"), "").await;
    assert!(!body.contains("kmak") && body.contains("/base/echo?a=b&c"), "{body}");
    // What is not read goes on.
    let other = format!("{key}authorization: Bearer own\r\n");
    assert!(seen(&stand, "/orders/1.0/echo", &other).await.contains("bearer own"));
}

#[tokio::test]
async fn an_api_key_has_the_scopes_that_it_was_given() {
    let stand = Stand::start(&resources("schemes: [api_key]")).await;
    let key = format!("apikey: {KEY}\r\n");
    check(&stand, "/orders/1.0/read", &key, "200").await;
    check(&stand, "/orders/1.0/write", &key, "403 900910").await;
    check(&stand, "/orders/1.0/machine", &key, "200").await;
    check(&stand, "/orders/1.0/person", &key, "401 900905").await;
}

#[tokio::test]
async fn a_key_is_good_where_its_address_and_its_page_both_fit() {
    let stand = Stand::start(&resources("schemes: [api_key, oauth2]")).await;
    let with = |fields: &str| format!("apikey: {BOUND}\r\n{fields}");
    let target = "/orders/1.0/echo";
    check(&stand, target, &with("origin: https://a.shop.example\r\n"), "200").await;
    check(&stand, target, &with("referer: https://a.shop.example/cart\r\n"), "200").await;
    check(&stand, target, &with(""), "403 900908").await;
    check(&stand, target, &with("origin: https://shop.example\r\n"), "403 900908").await;
    let both = "origin: https://a.shop.example\r\nreferer: https://evil.example/\r\n";
    check(&stand, target, &with(both), "403 900908").await;
    // What proxies would say is not believed of anybody.
    let far = format!("{}x-forwarded-for: 2001:db8::1\r\n", stand.bearer("far"));
    check(&stand, target, &far, "403 900908").await;
}

#[tokio::test]
async fn a_token_is_good_where_it_says() {
    let stand = Stand::start(&resources("")).await;
    let restricted = |said: Value| bearer(&stand.token("live", &json!({ "km": { "rst": said } })));
    let target = "/orders/1.0/echo";
    check(&stand, target, &restricted(json!({ "ip": ["127.0.0.1"] })), "200").await;
    check(&stand, target, &restricted(json!({ "ip": ["192.0.2.0/24"] })), "403 900908").await;
    check(&stand, target, &restricted(json!({ "ref": ["shop.example"] })), "403 900908").await;
    check(&stand, target, &restricted(json!({ "ip": "127.0.0.1" })), "401 900901").await;
}

#[tokio::test]
async fn several_credentials_are_asked_for_as_the_expression_says() {
    let security = "required: expression, expression: 'api_key and oauth2 or basic and oauth2'";
    let stand = Stand::start(&resources(security)).await;
    let (key, token) = (format!("apikey: {KEY}\r\n"), stand.bearer("live"));
    check(&stand, "/orders/1.0/echo", &format!("{key}{token}"), "200").await;
    check(&stand, "/orders/1.0/echo", &key, "401 900902").await;
    check(&stand, "/orders/1.0/echo", &token, "401 900902").await;
    check(&stand, "/orders/1.0/echo", &format!("apikey: x\r\n{token}"), "401 900901").await;
    check(&stand, "/orders/1.0/free", "", "200").await;
    // Nobody can be asked about a password here.
    let basic = "authorization: Basic YW5uOnNlY3JldA==, Bearer ";
    let both = format!("{basic}{}\r\n", stand.token("live", &json!({})));
    check(&stand, "/orders/1.0/echo", &both, "503 101503").await;
}

#[tokio::test]
async fn what_the_api_does_not_read_goes_on_to_the_backend() {
    let stand = Stand::start(&resources("")).await;
    let token = stand.token("live", &json!({}));
    let fields = format!("authorization: Basic b3duOnNlY3JldA==, Bearer {token}\r\n");
    let body = seen(&stand, "/orders/1.0/echo", &fields).await;
    assert!(body.contains("authorization: basic b3duonnly3jlda=="), "{body}");
    assert!(!body.contains("bearer"), "{body}");
}

#[tokio::test]
async fn applications_and_people_are_told_apart() {
    let stand = Stand::start(&resources("")).await;
    let person = bearer(&stand.token("live", &json!({ "sub": "ann" })));
    let machine = stand.bearer("live");
    check(&stand, "/orders/1.0/person", &person, "200").await;
    check(&stand, "/orders/1.0/person", &machine, "401 900905").await;
    check(&stand, "/orders/1.0/machine", &person, "401 900905").await;
    check(&stand, "/orders/1.0/machine", &machine, "200").await;
    let said = bearer(&stand.token("live", &json!({ "sub": "x", "aut": "APPLICATION" })));
    check(&stand, "/orders/1.0/machine", &said, "200").await;
}

#[tokio::test]
async fn an_api_without_subscriptions_asks_for_an_application_all_the_same() {
    let stand = Stand::start(&resources("")).await;
    check(&stand, "/stock/1.0/echo", &stand.bearer("live"), "200").await;
    check(&stand, "/stock/1.0/echo", "", "401 900902").await;
}

#[tokio::test]
async fn an_api_takes_tokens_of_its_own_audience_and_algorithms_only() {
    let security = "audiences: ['https://orders.example'], algorithms: [ES256]";
    let stand = Stand::start(&resources(security)).await;
    let ours = bearer(&stand.token("live", &json!({ "aud": ["x", "https://orders.example"] })));
    check(&stand, "/orders/1.0/echo", &ours, "200").await;
    check(&stand, "/orders/1.0/echo", &stand.bearer("live"), "403 900914").await;
    let stand = Stand::start(&resources("algorithms: [RS256]")).await;
    check(&stand, "/orders/1.0/echo", &stand.bearer("live"), "401 900901").await;
}

/// A proof of `key` for a call of `target` with `token`.
fn proof(stand: &Stand, key: &SigningKey, target: &str, token: &str) -> String {
    let mut jwk = key.public_jwk();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let claims = json!({
        "jti": chassis::random::token(16), "htm": "GET", "ath": sum(token),
        "htu": format!("http://api.example{target}"), "iat": stand.host.clock.unix_seconds(),
    });
    key.sign_under(&header.to_string(), &claims).unwrap()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_comes_with_a_proof() {
    let stand = Stand::start(&resources("")).await;
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let token = stand.token("live", &json!({ "cnf": { "jkt": key.kid() } }));
    let target = "/orders/1.0/echo";
    let fresh = || proof(&stand, &key, target, &token);
    let with =
        |scheme: &str, proof: &str| format!("authorization: {scheme} {token}\r\ndpop: {proof}\r\n");
    let once = with("DPoP", &fresh());
    check(&stand, target, &once, "200").await;
    check(&stand, target, &once, "401 900901").await;
    check(&stand, target, &bearer(&token), "401 900901").await;
    check(&stand, target, &with("Bearer", &fresh()), "401 900901").await;
    check(&stand, target, &format!("authorization: DPoP {token}\r\n"), "401 900901").await;
    let elsewhere = proof(&stand, &key, "/orders/1.0/read", &token);
    check(&stand, target, &with("DPoP", &elsewhere), "401 900901").await;
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let stolen = proof(&stand, &other, target, &token);
    check(&stand, target, &with("DPoP", &stolen), "401 900901").await;
    // One that is not bound is not shown as if.
    let free = stand.token("live", &json!({}));
    let proof = proof(&stand, &key, target, &free);
    check(
        &stand,
        target,
        &format!("authorization: DPoP {free}\r\ndpop: {proof}\r\n"),
        "401 900901",
    )
    .await;
    let body = seen(&stand, target, &with("DPoP", &fresh())).await;
    assert!(!body.contains("dpop"), "{body}");
}

#[tokio::test]
async fn an_api_may_take_bound_tokens_alone() {
    let stand = Stand::start(&resources("senderConstrained: true")).await;
    let target = "/orders/1.0/echo";
    check(&stand, target, &stand.bearer("live"), "401 900901").await;
    let answer = stand.call(&format!("GET {target}"), &stand.bearer("live"), "").await;
    let challenge = answer.field("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("dpop "), "{challenge}");
}

#[tokio::test]
async fn a_challenge_says_where_more_is_told() {
    let stand = Stand::start(&resources("schemes: [oauth2, basic, api_key]")).await;
    let answer = stand.call("GET /orders/1.0/echo", "", "").await;
    let place = "http://api.example/.well-known/oauth-protected-resource/orders/1.0";
    let expected = format!("bearer realm=\"turnpike\", resource_metadata=\"{place}\"");
    assert_eq!(answer.field("www-authenticate"), Some(&*expected));
    let told = stand.call("GET /.well-known/oauth-protected-resource/orders/1.0", "", "").await;
    let told: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["resource"], "http://api.example/orders/1.0");
    assert_eq!(told["scopes_supported"], json!(["orders.read", "orders.write"]));
    assert_eq!(told["authorization_servers"], json!([crate::stand::ISSUER]));
    for other in ["/orders", "/orders/1.0/echo", "/nothing"] {
        let target = format!("/.well-known/oauth-protected-resource{other}");
        check(&stand, &target, "", "404 404").await;
    }
}

/// A call that waits with the API key `k1` is answered with `fault` once its line says `now`.
async fn check_ended(now: &str, fault: &str) {
    let resources = resources("schemes: [api_key]");
    let stand = Stand::start(&resources).await;
    let mut waiting = stand.client().await;
    let fields = format!("apikey: {KEY}\r\n");
    waiting.say(&crate::stand::request("GET /stock/1.0/never", &fields, "")).await;
    stand.until("gateway_backend_connections", 1).await;
    let line = resources.lines().find(|line| line.contains("id: k1")).unwrap();
    stand.publish(&resources.replace(line, now));
    assert_eq!(waiting.hear().await.fault(), fault);
}

#[tokio::test]
async fn an_api_key_that_is_gone_or_bound_elsewhere_ends_what_is_open_with_it() {
    check_ended("", "401 900901").await;
    let key = sum(KEY);
    check_ended(
        &format!("    - {{ id: k1, sha256: \"{key}\", allowedIps: [192.0.2.0/24] }}"),
        "403 900908",
    )
    .await;
    check_ended(
        &format!("    - {{ id: k1, sha256: \"{key}\", expiresAt: \"2020-01-01T00:00:00Z\" }}"),
        "401 900901",
    )
    .await;
}
