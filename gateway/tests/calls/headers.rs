//! What do header policies make of a request and of its answer?

use serde_json::json;

use crate::stand::{Answer, ISSUER, Stand};

const RULES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: ruled, version: "1.0" }
spec:
  context: /ruled
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  policies:
    request:
      - setHeader: { name: X-Api, value: "${api.name}/${api.version} of ${application.name}" }
      - addHeader: { name: Accept, value: text/plain }
      - removeHeader: { name: X-Secret }
      - setHeader: { name: X-User, value: "${user.name}" }
      - setHeader: { name: X-From, value: "${client.address} ${request.id}" }
      - removeHeader: { name: X-Forwarded-For }
    response:
      - setHeader: { name: Server, value: "gateway ${request.method} ${operation.path}" }
      - removeHeader: { name: X-Powered-By }
      - addHeader: { name: Vary, value: Accept }
  operations:
    - { method: "*", path: "/*" }
    - method: GET
      path: /open/echo
      auth: none
      policies:
        request:
          - removeHeader: { name: Accept }
          - setHeader: { name: X-Api, value: own }
        response:
          - setHeader: { name: X-Own, value: "1" }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop, owner: ann }
spec: { keys: [{ consumerKey: shop-key }] }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-ruled }
spec: { application: shop, api: "ruled:1.0" }
"#;

/// Calls with `fields` and looks for `lines` in the head that the backend read (`+line`: it is
/// there, `-line`: it is not), and in the head of the answer.
#[track_caller]
fn check(answer: &Answer, backend: &[&str], client: &[&str]) {
    assert_eq!(answer.status, 200, "{answer:?}");
    for (head, lines) in [(answer.body.to_lowercase(), backend), (answer.head.clone(), client)] {
        for line in lines {
            let (sign, line) = line.split_at(1);
            let found = head.lines().any(|said| said.starts_with(line));
            assert_eq!(found, sign == "+", "{line} in\n{head}");
        }
    }
}

#[tokio::test]
async fn rules_change_the_request_and_the_answer() {
    let stand = Stand::start(RULES).await;
    let fields = format!(
        "{}accept: a/b\r\nx-secret: 1\r\nx-api: forged\r\nx-user: root\r\n",
        stand.bearer("shop-key")
    );
    let answer = stand.call("GET /ruled/1.0/echo", &fields, "").await;
    let id = answer.field("x-request-id").unwrap().to_owned();
    check(
        &answer,
        &[
            "+x-api: ruled/1.0 of shop",
            "-x-api: forged",
            "+accept: a/b",
            "+accept: text/plain",
            "-x-secret",
            "+x-user: shop-key",
            "-x-user: root",
            &format!("+x-from: 127.0.0.1 {id}"),
            "-x-forwarded-for",
            "+x-forwarded-proto",
        ],
        &["+server: gateway get /*", "+vary: accept", "-x-own"],
    );
}

#[tokio::test]
async fn an_operation_has_rules_of_its_own_after_those_of_its_api() {
    let stand = Stand::start(RULES).await;
    let answer = stand.call("GET /ruled/1.0/open/echo", "accept: a/b\r\n", "").await;
    check(
        &answer,
        &["-accept", "+x-api: own", "-x-api: ruled", "-x-user"],
        &["+x-own: 1", "+server: gateway"],
    );
}

#[tokio::test]
async fn answers_of_the_gateway_itself_are_left_as_they_are() {
    let stand = Stand::start(RULES).await;
    let answer = stand.call("GET /ruled/1.0/echo", "", "").await;
    assert_eq!((answer.status, answer.field("vary")), (401, None));
}

#[tokio::test]
async fn a_name_in_a_token_makes_no_field_of_its_own() {
    let stand = Stand::start(RULES).await;
    let token = stand.token("shop-key", &json!({ "sub": "ann\r\nx-admin: 1", "iss": ISSUER }));
    let fields = format!("authorization: Bearer {token}\r\n");
    let answer = stand.call("GET /ruled/1.0/echo", &fields, "").await;
    check(&answer, &["+x-user: annx-admin: 1", "-x-admin"], &[]);
}
