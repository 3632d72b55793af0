//! What do header policies make of a request and of its answer?

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::json;

use crate::http2_backend::{self, client};
use crate::stand::{Answer, ISSUER, Stand, request};

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
      - setHeader: { name: X-Team, value: "${token.claims.team}" }
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
async fn a_claim_in_a_token_makes_no_field_of_its_own() {
    let stand = Stand::start(RULES).await;
    let says = |claims: serde_json::Value| {
        format!("authorization: Bearer {}\r\n", stand.token("shop-key", &claims))
    };
    let fields = says(json!({ "team": "sales\r\nx-admin: 1", "iss": ISSUER }));
    let answer = stand.call("GET /ruled/1.0/echo", &fields, "").await;
    check(&answer, &["+x-team: salesx-admin: 1", "-x-admin"], &[]);
    // Nobody is called so.
    let fields = says(json!({ "sub": "ann\r\nx-admin: 1", "iss": ISSUER }));
    let answer = stand.call("GET /ruled/1.0/echo", &fields, "").await;
    assert_eq!(answer.fault(), "401 900901");
}

const TRAILED: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: PROTOCOL, version: "1.0" }
spec:
  context: /PROTOCOL
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints:
    production:
      urls: ["http://SERVER"]
      protocol: PROTOCOL
      security: { apiKey: { header: X-Key, secret: key } }
  policies:
    request: [{ removeHeader: { name: X-Debug } }, { setHeader: { name: X-Role, value: none } }]
    response: [{ removeHeader: { name: X-Sum } }]
"#;
const KEY: &str = "
{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: key }, spec: { value: k-1 } }
";
/// The last three are left to policies and to the endpoint's credential.
const NAMES: [&str; 5] = ["x-own", "x-sum", "x-debug", "x-role", "x-key"];

#[tokio::test]
async fn what_rules_leave_out_stands_behind_no_body_either() {
    let streams = http2_backend::Backend::start(None).await;
    let of =
        |protocol, server: &str| TRAILED.replace("PROTOCOL", protocol).replace("SERVER", server);
    let both = [of("http1", "BACKEND"), of("h2", &streams.address.to_string()), KEY.to_owned()];
    let stand = Stand::start(&both.join("---")).await;
    let mut plain = stand.client().await;
    let lines = NAMES.map(|name| format!("{name}: 1\r\n")).concat();
    let chunked = "transfer-encoding: chunked\r\n";
    plain.say(&request("POST /http1/1.0/echo", chunked, "")).await;
    plain.say(&format!("2\r\nhi\r\n0\r\n{lines}\r\n")).await;
    let heard = plain.hear().await.body;
    assert!(heard.ends_with("2\r\nhi\r\n0\r\nx-own: 1\r\nx-sum: 1\r\n\r\n"), "{heard}");
    assert!(heard.contains("\r\nx-role: none\r\n") && heard.contains("x-key: k-1"), "{heard}");
    plain.say(&request("GET /http1/1.0/trailers", "te: trailers\r\n", "")).await;
    let answer = plain.hear().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "xxx"), "and no trailer behind it");

    // The backend sends back what it reads, trailers included.
    let trailers: HeaderMap =
        NAMES.map(|name| (name.parse().unwrap(), "1".parse().unwrap())).into_iter().collect();
    let frames = [Ok(Frame::data(Bytes::from("hi"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed();
    let ask = http::Request::post("http://api.example/h2/1.0/echo").body(body).unwrap();
    let answer = client(&stand).await.send_request(ask).await.unwrap();
    let answer = answer.into_body().collect().await.unwrap();
    let left: Vec<_> = answer.trailers().unwrap().keys().map(ToString::to_string).collect();
    let heard = (left.concat(), answer.to_bytes());
    assert_eq!(heard, ("x-own".to_owned(), Bytes::from("hi")));
}
