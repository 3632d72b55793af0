//! What does a browser hear about who may read an answer?

use serde_json::json;

use crate::stand::{Answer, Stand};

const SHOP: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: shop, version: "1" }
spec:
  context: /shop
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"], timeout: 0.3s } }
  cors: CORS
  operations:
    - { method: GET, path: "/echo" }
    - { method: PUT, path: "/echo" }
    - { method: OPTIONS, path: "/echo" }
    - { method: "*", path: "/any" }
    - { method: GET, path: "/sharing", auth: none }
    - { method: GET, path: "/never", auth: none }
    - { method: GET, path: "/empty", auth: none, match: { headers: [ { name: x } ] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: app }, spec: { keys: [ { consumerKey: key } ] } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, spec: { level: subscription, quota: { requests: 1, per: 60s } } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: app, api: "shop:1", tier: One } }
"#;

const NAMED: &str = "{ allowOrigins: ['https://a.example', 'https://*.b.example'], \
    allowCredentials: true, allowHeaders: [authorization, x-one], exposeHeaders: [x-backend], \
    maxAge: 600s }";
const ANY: &str = "{}";

async fn stand(cors: &str) -> Stand {
    Stand::start(&SHOP.replace("CORS", cors)).await
}

/// The status and what is told about sharing, `name=value` without `access-control-`.
fn told(answer: &Answer) -> String {
    let mut told: Vec<String> = answer
        .head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.starts_with("access-control-") || *name == "vary")
        .map(|(name, value)| format!("{}={value}", name.trim_start_matches("access-control-")))
        .collect();
    told.sort();
    format!("{} {}", answer.status, told.join("; "))
}

async fn check(stand: &Stand, line: &str, fields: &str, expected: &str) {
    let answer = stand.call(line, fields, "").await;
    assert_eq!(told(&answer), expected, "{line} {fields}: {answer:?}");
}

fn asks(origin: &str, method: &str, names: &str) -> String {
    let names = match names {
        "" => String::new(),
        names => format!("access-control-request-headers: {names}\r\n"),
    };
    format!("origin: {origin}\r\naccess-control-request-method: {method}\r\n{names}")
}

const ASKED: &str = "vary=access-control-request-headers; vary=access-control-request-method";

#[tokio::test]
async fn a_preflight_is_answered_without_credentials_and_without_the_backend() {
    let stand = stand(NAMED).await;
    let told = |origin: &str, methods: &str| {
        format!(
            "204 allow-credentials=true; allow-headers=authorization, x-one; \
             allow-methods={methods}; allow-origin={origin}; max-age=600; {ASKED}; vary=origin"
        )
    };
    let origin = "https://a.example";
    let line = "OPTIONS /shop/1/echo";
    let all = "get, head, options, put";
    check(&stand, line, &asks(origin, "PUT", ""), &told(origin, all)).await;
    check(&stand, line, &asks(origin, "PATCH", "x-two"), &told(origin, all)).await;
    let below = "https://x.y.b.example";
    check(&stand, line, &asks(below, "GET", "x-one"), &told(below, all)).await;
    check(&stand, "OPTIONS /shop/1/any", &asks(origin, "PATCH", ""), &told(origin, "patch")).await;
    check(&stand, "OPTIONS /shop/1/empty", &asks(origin, "GET", ""), &told(origin, "get, head"))
        .await;
    assert_eq!(stand.backend.seen.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_preflight_of_an_origin_that_may_not_read_is_told_nothing() {
    let stand = stand(NAMED).await;
    for origin in [
        "https://evil.example",
        "https://b.example",
        "https://evil-bxexample",
        "https://a.example.evil.example",
        "http://a.example",
        "null",
    ] {
        let nothing = format!("204 {ASKED}; vary=origin");
        check(&stand, "OPTIONS /shop/1/echo", &asks(origin, "GET", ""), &nothing).await;
    }
    let unknown = "204 allow-credentials=true; allow-headers=authorization, x-one; \
                   allow-origin=https://a.example; max-age=600; ";
    let fields = asks("https://a.example", "GET", "");
    check(&stand, "OPTIONS /shop/1/none", &fields, &format!("{unknown}{ASKED}; vary=origin")).await;
}

#[tokio::test]
async fn without_further_words_every_page_may_call_without_credentials() {
    let stand = stand(ANY).await;
    let fields = asks("https://x.example", "GET", "authorization,x-any");
    let told = format!(
        "204 allow-headers=authorization,x-any; allow-methods=get, head, options, put; \
         allow-origin=*; {ASKED}"
    );
    check(&stand, "OPTIONS /shop/1/echo", &fields, &told).await;
    let odd = asks("https://x.example", "GET", "a(b");
    let told = told.replace("allow-headers=authorization,x-any; ", "");
    check(&stand, "OPTIONS /shop/1/echo", &odd, &told).await;
    check(&stand, "GET /shop/1/sharing", "", "200 allow-origin=*; vary=accept").await;
}

#[tokio::test]
async fn an_options_call_that_is_no_preflight_is_a_call() {
    let stand = stand(NAMED).await;
    check(&stand, "OPTIONS /shop/1/echo", "", "401 vary=origin").await;
    let only = "access-control-request-method: GET\r\n";
    check(&stand, "OPTIONS /shop/1/echo", only, "401 vary=origin").await;
    check(&stand, "OPTIONS /shop/1/sharing", "", "200 vary=origin").await;
}

#[tokio::test]
async fn every_answer_says_who_may_read_it_and_the_backends_words_are_replaced() {
    let stand = stand(NAMED).await;
    let may = |status: u16| {
        format!(
            "{status} allow-credentials=true; allow-origin=https://a.example; \
             expose-headers=x-backend; vary=origin"
        )
    };
    let a = "origin: https://a.example\r\n";
    check(&stand, "GET /shop/1/echo", a, &may(401)).await;
    check(&stand, "GET /shop/1/none", a, &may(404)).await;
    check(&stand, "DELETE /shop/1/echo", a, &may(405)).await;
    check(&stand, "GET /shop/1/never", a, &may(504)).await;
    let with_token = format!("{a}authorization: Bearer {}\r\n", stand.token("key", &json!({})));
    check(&stand, "GET /shop/1/echo", &with_token, &may(200)).await;
    check(&stand, "GET /shop/1/echo", &with_token, &may(429)).await;
    let told = may(200).replace("vary=origin", "vary=accept; vary=origin");
    check(&stand, "GET /shop/1/sharing", a, &told).await;
    let evil = "origin: https://evil.example\r\n";
    let told = "200 vary=accept; vary=origin";
    check(&stand, "GET /shop/1/sharing", evil, told).await;
    let twice = format!("{a}{a}");
    check(&stand, "GET /shop/1/sharing", &twice, told).await;
    stand.publish(&SHOP.replace("CORS", NAMED).replace("PUBLISHED", "BLOCKED"));
    check(&stand, "GET /shop/1/echo", a, &may(503)).await;
}

#[tokio::test]
async fn a_socket_of_a_page_that_may_not_read_is_refused() {
    let stand = stand(NAMED).await;
    let socket = |origin: &str| {
        format!(
            "origin: {origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
    };
    let refused = stand.call("GET /shop/1/sharing", &socket("https://evil.example"), "").await;
    assert_eq!(refused.fault(), "403 900425");
    let taken = stand.call("GET /shop/1/sharing", &socket("https://a.example"), "").await;
    assert_ne!(taken.fault(), "403 900425");
}
