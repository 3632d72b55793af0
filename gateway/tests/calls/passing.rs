//! What reaches the backend, and what comes back?

use std::sync::atomic::Ordering;

use crate::stand::{Stand, request};

const OPEN: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: open, version: "1.0" }
spec:
  context: /open
  defaultVersion: true
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"], timeout: 0.3s } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: narrow, version: "1.0" }
spec:
  context: /narrow
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
  operations:
    - { method: GET, path: "/echo/{id}" }
    - { method: DELETE, path: "/echo/{id}" }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: blocked, version: "1.0" }
spec:
  context: /blocked
  lifecycle: BLOCKED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: away, version: "1.0" }
spec:
  context: /away
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://127.0.0.1:1"] } }
"#;

/// Sends a request and compares the status, or the status and the number of the fault.
async fn check(stand: &Stand, line: &str, expected: &str) {
    let answer = stand.call(line, "", "").await;
    let shown =
        if answer.body.contains("\"code\"") { answer.fault() } else { answer.status.to_string() };
    assert_eq!(shown, expected, "{line}: {answer:?}");
}

#[tokio::test]
async fn a_call_reaches_the_operation_that_it_names() {
    let stand = Stand::start(OPEN).await;
    for line in ["GET /open/1.0/echo", "PUT /open/echo?x=%2F", "GET /narrow/1.0/echo/7"] {
        check(&stand, line, "200").await;
    }
}

#[tokio::test]
async fn a_call_that_nobody_serves_is_told_why() {
    let stand = Stand::start(OPEN).await;
    check(&stand, "GET /nothing", "404 404").await;
    check(&stand, "GET /narrow/1.0/other", "404 404").await;
    check(&stand, "GET /narrow/1.0/echo/a%2Fb/c", "404 404").await;
    check(&stand, "PUT /narrow/1.0/echo/7", "405 405").await;
    check(&stand, "GET /blocked/1.0/x", "503 700700").await;
    check(&stand, "GET /open/1.0/../narrow", "400 400").await;
    let answer = stand.call("PUT /narrow/1.0/echo/7", "", "").await;
    assert_eq!(answer.field("allow"), Some("delete, get, head, options"));
    let answer = stand.call("OPTIONS /narrow/1.0/echo/7", "", "").await;
    assert_eq!((answer.status, answer.field("allow")), (200, Some("delete, get, head, options")));
}

#[tokio::test]
async fn a_backend_that_fails_is_told_apart() {
    let stand = Stand::start(OPEN).await;
    check(&stand, "GET /away/1.0/x", "503 101503").await;
    check(&stand, "GET /open/1.0/never", "504 101504").await;
    check(&stand, "GET /open/1.0/hang-up", "502 101505").await;
    check(&stand, "GET /open/1.0/status/503", "503").await;
}

#[tokio::test]
async fn the_backend_reads_the_request_and_who_sent_it() {
    let stand = Stand::start(OPEN).await;
    let fields = "accept: a\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
                  X-JWT-Assertion: forged\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\n\
                  X-Request-Id: forged\r\nAuthorization: Basic x\r\n\
                  Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = stand.call("POST /open/1.0/echo?q=1", fields, "hello").await;
    let name = answer.field("x-request-id").unwrap();
    assert_eq!(name.len(), 32);
    let backend = stand.backend.address;
    assert_eq!(
        answer.body.replace('\r', ""),
        format!(
            "POST /base/echo?q=1 HTTP/1.1\nhost: {backend}\naccept: a\nauthorization: Basic x\n\
             traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\
             x-forwarded-for: 127.0.0.1\nx-forwarded-proto: http\n\
             x-forwarded-host: api.example\nx-request-id: {name}\ncontent-length: 5\n\nhello"
        )
    );
    assert_eq!(answer.field("x-backend"), Some("yes"));
    assert_eq!(answer.field("keep-alive"), None);
}

#[tokio::test]
async fn a_proxy_that_is_trusted_speaks_for_its_client() {
    let trusting = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    };
    let stand = Stand::with(OPEN, trusting).await;
    let fields = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: outside.example\r\n";
    let answer = stand.call("GET /open/1.0/echo", fields, "").await;
    let said = "x-forwarded-for: 192.0.2.7, 127.0.0.1\r\nx-forwarded-proto: https\r\n\
                x-forwarded-host: outside.example\r\n";
    assert!(answer.body.contains(said), "{}", answer.body);
}

#[tokio::test]
async fn bodies_of_any_size_pass_in_both_directions() {
    let stand = Stand::start(OPEN).await;
    for size in [0, 1, 1_000, 100_000, 3_000_000] {
        for kind in ["sized", "chunked"] {
            let answer = stand.call(&format!("GET /open/1.0/{kind}/{size}"), "", "").await;
            assert_eq!((answer.status, answer.body.len()), (200, size), "{kind}");
        }
        let sent = "y".repeat(size);
        let answer = stand.call("POST /open/1.0/echo", "", &sent).await;
        assert!(answer.body.ends_with(&format!("\r\n\r\n{sent}")), "{size}");
    }
}

#[tokio::test]
async fn a_chunked_request_stays_chunked() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    client.say(&request("POST /open/1.0/echo", "transfer-encoding: chunked\r\n", "")).await;
    client.say("5\r\nhello\r\n0\r\n\r\n").await;
    let body = client.hear().await.body;
    assert!(body.ends_with("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    let fields = "expect: 100-continue\r\ncontent-length: 2\r\n";
    client.say(&request("POST /open/1.0/echo", fields, "")).await;
    // The backend here never says "continue", so the gateway goes on after a second.
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut heard).await.unwrap();
    }
    assert_eq!(heard, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.say("hi").await;
    assert!(client.hear().await.body.ends_with("\r\n\r\nhi"));
}

#[tokio::test]
async fn head_tells_the_length_and_sends_no_body() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    for _ in 0..2 {
        client.say(&request("HEAD /open/1.0/status/204", "", "")).await;
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut heard).await.unwrap();
        }
        assert!(heard.starts_with(b"HTTP/1.1 204"));
    }
}

#[tokio::test]
async fn connections_to_the_backend_are_used_again() {
    let stand = Stand::start(OPEN).await;
    for _ in 0..10 {
        check(&stand, "GET /open/1.0/sized/10", "200").await;
    }
    assert_eq!(stand.backend.seen.connections.load(Ordering::Relaxed), 1);
    assert_eq!(stand.number("gateway_backend_reused_total"), 9);
}

#[tokio::test]
async fn a_connection_that_died_unused_costs_nobody_a_call() {
    let stand = Stand::start(OPEN).await;
    for _ in 0..10 {
        check(&stand, "GET /open/1.0/once", "200").await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/half", "", "")).await;
    assert!(client.hear_any().await.is_none());
    stand.until("gateway_faults_total{type=\"TARGET_CONNECTIVITY\"}", 1).await;
}

#[tokio::test]
async fn every_call_is_counted_once_however_it_ended() {
    let stand = Stand::start(OPEN).await;
    check(&stand, "GET /open/1.0/sized/1", "200").await;
    check(&stand, "GET /nothing", "404 404").await;
    check(&stand, "GET /away/1.0/x", "503 101503").await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/never", "", "")).await;
    stand.until("gateway_backend_reused_total", 1).await;
    drop(client);
    for (class, number) in [("2xx", 1), ("4xx", 1), ("5xx", 1), ("left", 1)] {
        stand.until(&format!("gateway_calls_total{{class=\"{class}\"}}"), number).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work_of_the_backend() {
    let stand = Stand::start(OPEN).await;
    let mut abandoned = stand.backend.seen.abandoned.subscribe();
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/never", "", "")).await;
    stand.until("gateway_backend_connections", 1).await;
    drop(client);
    abandoned.wait_for(|abandoned| *abandoned == 1).await.unwrap();
    stand.until("gateway_backend_connections", 0).await;
}

#[tokio::test]
async fn what_was_published_is_in_force_with_the_next_call() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/sized/1", "", "")).await;
    assert_eq!(client.hear().await.status, 200);
    stand.publish(&OPEN.replace("context: /open", "context: /moved"));
    client.say(&request("GET /open/1.0/sized/1", "", "")).await;
    assert_eq!(client.hear().await.status, 404);
    client.say(&request("GET /moved/1.0/sized/1", "", "")).await;
    assert_eq!(client.hear().await.status, 200);
}

#[tokio::test]
async fn a_backend_under_tls_is_believed_only_with_its_authority() {
    let secure = OPEN.replace("http://BACKEND/base", "https://localhost:SECURE/base");
    let stand = Stand::start(&secure).await;
    check(&stand, "GET /open/1.0/echo", "503 101503").await;
    let authority = format!(
        "---\napiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: ca }}\nspec:\n  \
         use: backend_ca\n  chain: |\n    {}\n",
        stand.authority()
    );
    stand.publish(&format!("{secure}{authority}"));
    for _ in 0..3 {
        check(&stand, "GET /open/1.0/sized/50000", "200").await;
    }
    let used = stand.number("gateway_backend_reused_total");
    assert_eq!(used, 2, "connections under TLS are used again");
    // Trust that was taken back holds for connections that are open, too.
    stand.publish(&secure);
    check(&stand, "GET /open/1.0/echo", "503 101503").await;
}
