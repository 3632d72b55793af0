//! Which operation of which API does a call reach, and in which bytes?

use crate::stand::{Stand, request};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: shop, version: "1.0" }
spec:
  context: /shop
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
  operations:
    - { method: GET, path: "/orders/{id}" }
    - { method: GET, path: "/orders" }
    - { method: GET, path: "/odd/a%2fb%2C/{id}" }
    - { method: HEAD, path: "/own" }
    - { method: GET, path: "/own" }
    - { method: OPTIONS, path: "/asked" }
    - { method: POST, path: "/only" }
    - { method: GET, path: "/any" }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: choice, version: "1.0" }
spec:
  context: "/choice/{version}/of"
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  operations:
    - { method: GET, path: "/x" }
    - { method: GET, path: "/x", auth: none, match: { headers: [ { name: X-Kind, exact: open } ] } }
    - method: GET
      path: "/x"
      scopes: [two]
      match:
        headers: [ { name: x-kind, exact: open } ]
        query: [ { name: "a b", prefix: "1" } ]
    - { method: GET, path: "/only", auth: none, match: { query: [ { name: v, regex: "[0-9]+" } ] } }
    - { method: GET, path: "/biscuit", auth: none, match: { cookies: [ { name: beta } ] } }
    - { method: POST, path: "/only" }
"#;

/// Sends a request and compares the first line that the backend read, or the fault.
async fn check(stand: &Stand, line: &str, fields: &str, expected: &str) {
    let answer = stand.call(line, fields, "").await;
    let shown = match answer.status {
        200 => answer.body.lines().next().unwrap_or_default().to_owned(),
        _ => answer.fault(),
    };
    assert_eq!(shown, expected, "{line}: {answer:?}");
}

#[tokio::test]
async fn escapes_and_queries_reach_the_backend_as_they_came() {
    let stand = Stand::start(RESOURCES).await;
    for rest in [
        "/orders/a%2fb",
        "/orders/a%2Fb%2c%3B",
        "/orders/7?a=%2f&b=%2F&&=&c=%zz&d='!$()*,;:@~[1]|",
        "/orders/7?",
        "/orders/7?x=1?y=2/../z",
        "/orders/;x=1,2:@!$&'()*+=",
        "/odd/a%2Fb%2C/7",
        "/odd/a%2fb%2c/%c3%BC",
    ] {
        let line = format!("GET /shop/1.0{rest}");
        check(&stand, &line, "", &format!("GET {rest} HTTP/1.1")).await;
    }
    check(&stand, "GET /shop/1.0/orders/a/b", "", "404 404").await;
    check(&stand, "GET /shop/1.0/%6Frders/%37%2f", "", "GET /orders/7%2f HTTP/1.1").await;
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_same_operation_and_is_forwarded() {
    let stand = Stand::start(RESOURCES).await;
    check(&stand, "GET /shop/1.0/orders/", "", "GET /orders/ HTTP/1.1").await;
    check(&stand, "GET /shop/1.0/orders/7/?q", "", "GET /orders/7/?q HTTP/1.1").await;
    check(&stand, "GET /shop/1.0/orders//", "", "404 404").await;
}

#[tokio::test]
async fn head_is_answered_by_get_and_options_by_the_gateway() {
    let stand = Stand::start(RESOURCES).await;
    let mut client = stand.client().await;
    client.say("HEAD /shop/1.0/any HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.say(&request("GET /shop/1.0/any", "", "")).await;
    let mut heads = String::new();
    while heads.matches("HTTP/1.1 200").count() < 2 {
        let mut bytes = [0; 4096];
        let read = tokio::io::AsyncReadExt::read(&mut client.0, &mut bytes).await.unwrap();
        assert!(read > 0, "{heads}");
        heads.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(heads.contains("GET /any HTTP/1.1"), "{heads}");
    assert!(!heads.contains("HEAD /any"), "an answer to HEAD has no content: {heads}");
    let options = stand.call("OPTIONS /shop/1.0/any", "", "").await;
    assert_eq!((options.status, options.field("allow")), (200, Some("get, head, options")));
    let other = stand.call("PUT /shop/1.0/asked", "", "").await;
    assert_eq!((other.status, other.field("allow")), (405, Some("options")));
    check(&stand, "OPTIONS /shop/1.0/asked", "", "OPTIONS /asked HTTP/1.1").await;
    check(&stand, "OPTIONS /shop/1.0/nothing", "", "404 404").await;
}

#[tokio::test]
async fn what_a_call_carries_chooses_among_operations_of_one_path() {
    let stand = Stand::start(RESOURCES).await;
    let path = "GET /choice/1.0/of";
    check(&stand, &format!("{path}/x"), "", "401 900902").await;
    check(&stand, &format!("{path}/x"), "x-kind: other\r\nX-KIND: open\r\n", "GET /x HTTP/1.1")
        .await;
    check(&stand, &format!("{path}/x?a+b=12"), "x-kind: open\r\n", "401 900902").await;
    check(&stand, &format!("{path}/x?a%20b=2"), "x-kind: open\r\n", "GET /x?a%20b=2 HTTP/1.1")
        .await;
    check(&stand, &format!("{path}/only?v=42"), "", "GET /only?v=42 HTTP/1.1").await;
    check(&stand, &format!("{path}/only?v=42a"), "", "404 404").await;
    check(&stand, &format!("{path}/biscuit"), "cookie: a=1; beta=\r\n", "GET /biscuit HTTP/1.1")
        .await;
    check(&stand, &format!("{path}/biscuit"), "cookie: alpha=beta\r\n", "404 404").await;
    check(&stand, "GET /choice/of/x", "", "404 404").await;
}

/// The state of the API, and what a subscriber and somebody without a token are told.
async fn live(stand: &Stand, state: &str, subscriber: &str, nobody: &str) {
    let resources = format!(
        "{{ apiVersion: turnpike/v1, kind: Api, metadata: {{ name: life, version: '1' }}, spec: \
         {{ context: /life, lifecycle: {state}, endpoints: \
         {{ production: {{ urls: ['http://BACKEND'] }} }} }} }}\n---\n\
         {{ apiVersion: turnpike/v1, kind: Application, metadata: {{ name: app }}, spec: \
         {{ keys: [ {{ consumerKey: key }} ] }} }}\n---\n\
         {{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: sub }}, spec: \
         {{ application: app, api: 'life:1' }} }}\n"
    );
    stand.publish(&resources);
    check(stand, "GET /life/1/x", &stand.bearer("key"), subscriber).await;
    check(stand, "GET /life/1/x", "", nobody).await;
}

#[tokio::test]
async fn the_life_of_an_api_decides_what_its_callers_meet() {
    let stand = Stand::start("").await;
    let served = "GET /x HTTP/1.1";
    live(&stand, "CREATED", "404 404", "404 404").await;
    live(&stand, "PROTOTYPED", served, "401 900902").await;
    live(&stand, "PUBLISHED", served, "401 900902").await;
    live(&stand, "BLOCKED", "503 700700", "503 700700").await;
    live(&stand, "DEPRECATED", served, "401 900902").await;
    live(&stand, "RETIRED", "404 404", "404 404").await;
    live(&stand, "PUBLISHED", served, "401 900902").await;
}

const HOSTS: &str = r#"
{ apiVersion: turnpike/v1, kind: GatewayGroup, metadata: { name: inner }, spec: { virtualHosts: ["api.example.com", "*.apps.example.com"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: inner, version: "1" }
spec:
  context: /inner
  gateways: [inner]
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
"#;

#[tokio::test]
async fn a_virtual_host_is_compared_without_port_case_and_root() {
    let stand = Stand::start(HOSTS).await;
    for (host, status) in [
        ("api.example.com", 200),
        ("API.Example.COM:8280", 200),
        ("api.example.com.", 200),
        ("api.example.com.:80", 200),
        ("x.apps.example.com", 200),
        ("X.APPS.EXAMPLE.COM.:1", 200),
        ("apps.example.com", 404),
        ("a.b.apps.example.com", 404),
        (".apps.example.com", 404),
        ("xapps.example.com", 404),
        ("api.example.com.evil.example", 404),
        ("www.example.com", 404),
    ] {
        let mut client = stand.client().await;
        client.say(&format!("GET /inner/1/x HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.hear().await.status, status, "{host}");
    }
}
