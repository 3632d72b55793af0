//! What becomes of a call about which nobody can decide?
//!
//! Whatever goes wrong at a decision point, the API has said what follows, and nothing else does.

use turnpike_proto::envoy::config::core::v3::QueryParameter;
use turnpike_proto::envoy::service::auth::v3::check_response::HttpResponse;
use turnpike_proto::envoy::service::auth::v3::{CheckResponse, OkHttpResponse};

use crate::decision_point::{DecisionPoint, Says, framed};
use crate::stand::Stand;

/// One API for each thing that may become of a call.
const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: deny, version: "1" }
spec:
  context: /deny
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  externalAuthorization: { ASKED }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: unavailable, version: "1" }
spec:
  context: /unavailable
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  externalAuthorization: { onFailure: unavailable, ASKED }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: allow, version: "1" }
spec:
  context: /allow
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  externalAuthorization: { onFailure: allow, ASKED }
"#;

const EXT_AUTHZ: &str = "protocol: ext_authz";
const AUTHZEN: &str = "protocol: authzen";
const OPA: &str = "protocol: opa, path: /v1/data/a";

/// The three ways out, behind a decision point at `address`.
async fn check_at(protocol: &str, address: &str, what: &str) {
    let asked = format!("{protocol}, timeout: 0.3s, endpoint: {{ urls: ['http://{address}'] }}");
    let stand = Stand::start(&RESOURCES.replace("ASKED", &asked)).await;
    for (api, expected) in
        [("deny", "403 700711"), ("unavailable", "503 700712"), ("allow", "200 -")]
    {
        let answer = stand.call(&format!("GET /{api}/1/echo"), "", "").await;
        assert_eq!(answer.fault(), expected, "{protocol}, {what}, {api}: {answer:?}");
    }
    let number = |result: &str| {
        stand.number(&format!("gateway_external_decisions_total{{result=\"{result}\"}}"))
    };
    let numbers = ["permitted", "denied", "failed", "let_pass"].map(number);
    assert_eq!(numbers, [0, 0, 2, 1], "{protocol}, {what}");
    let requests = stand.backend.seen.requests.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(requests, 1, "{protocol}, {what}");
}

async fn check(protocol: &str, failures: Vec<(&str, Says)>) {
    for (what, says) in failures {
        let point = DecisionPoint::start(protocol == EXT_AUTHZ, says).await;
        check_at(protocol, &point.address.to_string(), what).await;
    }
}

fn status(status: u16, head: &'static str, body: &str) -> Says {
    Says::Answer { status, head, body: body.into(), trailers: None }
}

/// What fails in whichever words.
fn whatever() -> Vec<(&'static str, Says)> {
    vec![
        ("silence", Says::Nothing),
        ("closed", Says::HangsUp),
        ("reset", Says::Resets),
        ("no HTTP", Says::Bytes(b"220 mail.example ESMTP\r\n")),
        ("500", status(500, "", "down")),
        ("404", status(404, "", "")),
        ("moved", status(302, "location: /elsewhere", "")),
    ]
}

#[tokio::test]
async fn who_is_not_there_decides_nothing() {
    for protocol in [EXT_AUTHZ, AUTHZEN, OPA] {
        check_at(protocol, "127.0.0.1:1", "refused").await;
        check_at(protocol, "nowhere.invalid:80", "no name").await;
    }
}

#[tokio::test]
async fn json_that_says_nothing_decides_nothing() {
    let long =
        format!("{{\"decision\": true, \"result\": true, \"x\": \"{}\"}}", "x".repeat(65_536));
    for protocol in [AUTHZEN, OPA] {
        let mut failures = whatever();
        failures.extend([
            ("too long", Says::json(&long)),
            ("empty", Says::json("")),
            ("half", Says::json("{\"decision\": true, \"result\": true")),
            ("a list", Says::json("[true]")),
            (
                "twice",
                Says::json("{\"decision\":true,\"decision\":true,\"result\":1,\"result\":1}"),
            ),
            ("a text", Says::json("{\"decision\": \"true\", \"result\": \"true\"}")),
            ("a number", Says::json("{\"decision\": 1, \"result\": 1}")),
            ("an object", Says::json("{\"decision\": {}, \"result\": {\"allow\": \"yes\"}}")),
            ("no content", status(204, "", "")),
        ]);
        check(protocol, failures).await;
    }
    // What is not defined does not permit; what does not decide at all is a failure.
    check(AUTHZEN, vec![("no decision", Says::json("{\"context\": {}}"))]).await;
    let forged = r#"{"result": {"allow": true, "headers": {"x-a": "1\r\nx-b: 2"}}}"#;
    let many: Vec<_> = (0..65).map(|number| format!("\"x-{number}\": \"1\"")).collect();
    let many = format!("{{\"result\": {{\"allow\": true, \"headers\": {{{}}}}}}}", many.join(","));
    check(OPA, vec![("no field", Says::json(forged)), ("many", Says::json(&many))]).await;
}

/// A permission that takes fields away and sets parameters.
fn permitted(drops: Vec<String>, parameters: Vec<QueryParameter>) -> CheckResponse {
    let ok = OkHttpResponse {
        headers_to_remove: drops,
        query_parameters_to_set: parameters,
        ..OkHttpResponse::default()
    };
    CheckResponse { http_response: Some(HttpResponse::OkResponse(ok)), ..CheckResponse::default() }
}

#[tokio::test]
async fn grpc_that_says_nothing_decides_nothing() {
    const GRPC: &str = "content-type: application/grpc";
    let answer = |body: Vec<u8>, trailers| Says::Answer { status: 200, head: GRPC, body, trailers };
    // `status { code: 0 }`, which permits.
    let good: &[u8] = &[0x0a, 0];
    let mut failures = whatever();
    failures.extend([
        ("unavailable", answer(Vec::new(), Some("grpc-status: 14\ngrpc-message: later"))),
        ("unavailable in the head", {
            let head = "content-type: application/grpc\ngrpc-status: 14";
            Says::Answer { status: 200, head, body: Vec::new(), trailers: None }
        }),
        ("permitted, and then not", answer(framed(0, good), Some("grpc-status: 13"))),
        ("no message", answer(Vec::new(), Some("grpc-status: 0"))),
        ("no status", answer(framed(0, good), None)),
        ("no decision", Says::message(&[])),
        ("garbage", Says::message(&[0xff; 32])),
        ("half", answer(framed(0, good)[..6].to_vec(), Some("grpc-status: 0"))),
        ("two", answer([framed(0, good), framed(0, good)].concat(), Some("grpc-status: 0"))),
        ("compressed", answer(framed(1, good), Some("grpc-status: 0"))),
        ("many changes", Says::decision(&permitted(vec!["x".to_owned(); 65], Vec::new()))),
        ("no field", Says::decision(&permitted(vec!["a b".to_owned()], Vec::new()))),
        ("long query", {
            let parameter = QueryParameter { key: "a".to_owned(), value: "%".repeat(30_000) };
            Says::decision(&permitted(Vec::new(), vec![parameter]))
        }),
        ("too long", Says::message(&[good, &[0x12].repeat(65_536)].concat())),
    ]);
    check(EXT_AUTHZ, failures).await;
}

#[tokio::test]
async fn a_breaker_stops_questions_that_bring_nothing() {
    let mut point = DecisionPoint::start(false, Says::json("{}")).await;
    let asked = format!(
        "{AUTHZEN}, endpoint: {{ urls: ['http://{}'], breaker: {{ minCalls: 3, open: 60s }} }}",
        point.address
    );
    let stand = Stand::start(&RESOURCES.replace("ASKED", &asked)).await;
    for _ in 0..5 {
        assert_eq!(stand.call("GET /deny/1/echo", "", "").await.fault(), "403 700711");
    }
    assert_eq!(point.count(), 3);
    assert_eq!(stand.number("gateway_backend_breaker_opened_total"), 1);
}
