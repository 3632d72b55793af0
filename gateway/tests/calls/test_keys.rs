//! Who may try an API out with a test key, and with what that is not confused?

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;
use turnpike_proto::test_key::{AUDIENCE, TYPE};

use crate::stand::{Answer, ISSUER, Stand};
use crate::websocket::{ASKS, Sockets, ask, code, frame, soon};

/// One API in each state of life; operations that ask for scopes, for people, for nobody.
pub(crate) const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: LIFECYCLE
  security: { schemes: [oauth2, api_key] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  operations:
    - { method: GET, path: "/echo" }
    - { method: GET, path: "/free", auth: none }
    - { method: GET, path: "/scoped", scopes: [orders.read] }
    - { method: GET, path: "/person", auth: application_user }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: stock, version: "1.0" }
spec:
  context: /stock
  lifecycle: PUBLISHED
  endpoints: { sandbox: { urls: ["http://BACKEND/base"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0" } }
"#;

pub(crate) async fn stand(lifecycle: &str) -> Stand {
    Stand::start(&RESOURCES.replace("LIFECYCLE", lifecycle)).await
}

/// The claims of a test key; `said` is what it says of itself alone, `more` overrides claims.
fn claims(stand: &Stand, said: &Value, more: &Value) -> Value {
    let now = stand.host.clock.unix_seconds();
    let mut claims = json!({
        "iss": ISSUER, "sub": "test-key:ann", "aud": AUDIENCE, "jti": chassis::random::token(16),
        "iat": now, "exp": now + 900, "turnpike_test": said,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

/// A header line with a test key.
pub(crate) fn test_key(stand: &Stand, said: &Value) -> String {
    let key = stand.signed(TYPE, &claims(stand, said, &json!({})));
    format!("turnpike-test-key: {key}\r\n")
}

fn orders() -> Value {
    json!({ "apis": ["orders:1.0"] })
}

pub(crate) fn verdict(answer: &Answer) -> String {
    if answer.status == 200 { "200".to_owned() } else { answer.fault() }
}

async fn check(stand: &Stand, target: &str, fields: &str, expected: &str) {
    let answer = stand.call(&format!("GET {target}"), fields, "").await;
    assert_eq!(verdict(&answer), expected, "{target}: {answer:?}");
}

#[tokio::test]
async fn a_test_key_needs_no_application_no_subscription_and_no_scope() {
    let stand = stand("PUBLISHED").await;
    let key = test_key(&stand, &orders());
    for path in ["/echo", "/free", "/scoped", "/person"] {
        check(&stand, &format!("/orders/1.0{path}"), &key, "200").await;
    }
    check(&stand, "/orders/1.0/nothing", &key, "404 404").await;
    check(&stand, "/orders/1.0/echo", "", "401 900902").await;
}

#[tokio::test]
async fn the_backend_sees_nothing_of_a_test_key() {
    let stand = stand("PUBLISHED").await;
    let fields =
        format!("{}turnpike-debug: 1\r\nturnpike_test_key: x\r\n", test_key(&stand, &orders()));
    for path in ["/echo", "/free"] {
        let answer = stand.call(&format!("GET /orders/1.0{path}"), &fields, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.to_lowercase().contains("turnpike"), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_is_not_published_is_there_for_those_who_test_it_alone() {
    for (lifecycle, tested, untested) in [
        ("CREATED", "200", "404 404"),
        ("PROTOTYPED", "200", "200"),
        ("DEPRECATED", "200", "200"),
        ("BLOCKED", "503 700700", "503 700700"),
        ("RETIRED", "404 404", "404 404"),
    ] {
        let stand = stand(lifecycle).await;
        let key = test_key(&stand, &orders());
        check(&stand, "/orders/1.0/echo", &key, tested).await;
        check(&stand, "/orders/1.0/echo", &stand.bearer("live"), untested).await;
        // Beside another credential the test key lets nobody in.
        let both = format!("{key}{}", stand.bearer("live"));
        check(&stand, "/orders/1.0/echo", &both, untested).await;
        if lifecycle == "CREATED" {
            let other = test_key(&stand, &json!({ "apis": ["stock:1.0"] }));
            check(&stand, "/orders/1.0/echo", &other, "404 404").await;
            check(&stand, "/orders/1.0/free", "turnpike-test-key: x\r\n", "404 404").await;
        }
    }
}

#[tokio::test]
async fn a_test_key_is_good_for_the_apis_that_it_names() {
    let stand = stand("PUBLISHED").await;
    let other = test_key(&stand, &json!({ "apis": ["orders:2.0", "stock:1.0"] }));
    check(&stand, "/orders/1.0/echo", &other, "401 900901").await;
    // Production where only a sandbox is, and the reverse.
    check(&stand, "/stock/1.0/echo", &other, "403 900901").await;
    let sandbox = test_key(&stand, &json!({ "apis": ["stock:1.0"], "sandbox": true }));
    check(&stand, "/stock/1.0/echo", &sandbox, "200").await;
}

#[tokio::test]
async fn no_access_token_is_a_test_key_and_no_test_key_an_access_token() {
    let stand = stand("PUBLISHED").await;
    let shown = |token: &str| format!("turnpike-test-key: {token}\r\n");
    let ours = json!({ "aud": AUDIENCE, "turnpike_test": orders() });
    for token in [stand.token("live", &json!({})), stand.token("live", &ours)] {
        check(&stand, "/orders/1.0/echo", &shown(&token), "401 900901").await;
    }
    let client = json!({ "client_id": "live", "sub": "live" });
    for claims in [claims(&stand, &orders(), &json!({})), claims(&stand, &orders(), &client)] {
        let bearer = format!("authorization: Bearer {}\r\n", stand.signed(TYPE, &claims));
        check(&stand, "/orders/1.0/echo", &bearer, "401 900901").await;
        let key = format!("apikey: {}\r\n", stand.signed(TYPE, &claims));
        check(&stand, "/orders/1.0/echo", &key, "401 900901").await;
    }
}

#[tokio::test]
async fn a_test_key_that_was_not_made_as_they_are_is_none() {
    let stand = stand("PUBLISHED").await;
    let now = stand.host.clock.unix_seconds();
    let good = claims(&stand, &orders(), &json!({}));
    for (typ, claims) in [
        ("at+jwt", good.clone()),
        ("JWT", good.clone()),
        (TYPE, claims(&stand, &orders(), &json!({ "aud": "any" }))),
        (TYPE, claims(&stand, &orders(), &json!({ "aud": null }))),
        (TYPE, claims(&stand, &orders(), &json!({ "iss": "https://other.example" }))),
        (TYPE, claims(&stand, &orders(), &json!({ "exp": now - 60 }))),
        (TYPE, claims(&stand, &orders(), &json!({ "exp": now + 3601 }))),
        (TYPE, claims(&stand, &orders(), &json!({ "iat": now + 600, "exp": now + 900 }))),
        (TYPE, claims(&stand, &orders(), &json!({ "iat": null }))),
        (TYPE, claims(&stand, &orders(), &json!({ "jti": null }))),
        (TYPE, claims(&stand, &orders(), &json!({ "sub": null }))),
        (TYPE, claims(&stand, &orders(), &json!({ "turnpike_test": null }))),
        (TYPE, claims(&stand, &json!({}), &json!({}))),
        (TYPE, claims(&stand, &json!({ "apis": "orders:1.0" }), &json!({}))),
        (TYPE, claims(&stand, &json!({ "apis": [1] }), &json!({}))),
        (TYPE, claims(&stand, &json!({ "apis": ["orders:1.0"], "sandbox": 1 }), &json!({}))),
        // A key that only explains makes no calls.
        (TYPE, claims(&stand, &json!({ "explain_only": true }), &json!({}))),
    ] {
        let key = format!("turnpike-test-key: {}\r\n", stand.signed(typ, &claims));
        let explains = claims["turnpike_test"]["explain_only"] == true;
        let expected = if explains { "401 900902" } else { "401 900901" };
        check(&stand, "/orders/1.0/echo", &key, expected).await;
    }
    let key = format!("turnpike-test-key: {}\r\n", stand.signed(TYPE, &good));
    check(&stand, "/orders/1.0/echo", &key, "200").await;
    check(&stand, "/orders/1.0/echo", &format!("{key}{key}"), "400 400").await;
    check(&stand, "/orders/1.0/echo", &key.replace("\r\n", "x\r\n"), "401 900901").await;
    assert_eq!(stand.backend.seen.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_revoked_test_key_is_refused_from_its_next_call_on() {
    let stand = stand("PUBLISHED").await;
    let key = stand.signed(TYPE, &claims(&stand, &orders(), &json!({ "jti": "gone" })));
    let key = format!("turnpike-test-key: {key}\r\n");
    check(&stand, "/orders/1.0/echo", &key, "200").await;
    revoke(&stand);
    check(&stand, "/orders/1.0/echo", &key, "401 900901").await;
}

/// Ends the key with the identifier `gone`.
fn revoke(stand: &Stand) {
    let what = Some(What::Jti("gone".to_owned()));
    let entry = Revocation { issuer: ISSUER.to_owned(), what, ..Revocation::default() };
    stand.revocations.apply(&[entry]);
}

const SOCKET: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1.0" }
spec:
  context: /ws
  lifecycle: CREATED
  type: WS
  endpoints: { production: { urls: ["http://SOCKETS"] } }
"#;

#[tokio::test]
async fn a_socket_of_an_unpublished_api_goes_on_until_its_test_key_is_revoked() {
    let sockets = Sockets::start().await;
    let resources = SOCKET.replace("SOCKETS", &sockets.address.to_string());
    let stand = Stand::start(&resources).await;
    let said = json!({ "apis": ["ws:1.0"] });
    let key = stand.signed(TYPE, &claims(&stand, &said, &json!({ "jti": "gone" })));
    let fields = format!("{ASKS}turnpike-test-key: {key}\r\n");
    let (mut socket, answer) = ask(&stand, "/ws/1.0/echo", &fields).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    // Another generation, in which everything is asked anew.
    let other = "---\n{ apiVersion: turnpike/v1, kind: Application, metadata: { name: other }, spec: {} }\n";
    stand.publish(&format!("{resources}{other}"));
    let quiet = tokio::time::timeout(Duration::from_millis(150), socket.0.read_u8()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let hello = frame(0x82, b"hello");
    socket.0.write_all(&hello).await.unwrap();
    let mut heard = vec![0; hello.len()];
    soon(socket.0.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, hello);
    revoke(&stand);
    let mut goodbye = vec![0; 4];
    soon(socket.0.read_exact(&mut goodbye)).await.unwrap();
    assert_eq!(code(&goodbye), 1008);
}

#[tokio::test]
async fn another_credential_beside_a_test_key_decides() {
    let stand = stand("PUBLISHED").await;
    let key = test_key(&stand, &orders());
    let with = |more: &str| format!("{key}{more}");
    check(&stand, "/orders/1.0/scoped", &with(&stand.bearer("live")), "403 900910").await;
    check(&stand, "/orders/1.0/echo", &with("authorization: Bearer x\r\n"), "401 900901").await;
    check(&stand, "/orders/1.0/echo", &with("apikey: x\r\n"), "401 900901").await;
    check(&stand, "/orders/1.0/echo", &with(&stand.bearer("nobody")), "403 900908").await;
    // What the API does not read is none.
    check(&stand, "/orders/1.0/echo", &with("authorization: Basic eDp5\r\n"), "200").await;
    // And a test key that is not good takes nothing from one that is.
    let bad = format!("turnpike-test-key: x\r\n{}", stand.bearer("live"));
    check(&stand, "/orders/1.0/echo", &bad, "200").await;
    check(&stand, "/orders/1.0/free", "turnpike-test-key: x\r\n", "200").await;
}

#[tokio::test]
async fn whoever_is_denied_is_denied_with_a_test_key_too() {
    let deny = |spec: &str| {
        format!(
            "{}---\n{{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: {{ name: d }}, spec: {{ {spec} }} }}\n",
            RESOURCES.replace("LIFECYCLE", "PUBLISHED")
        )
    };
    for spec in ["addresses: [127.0.0.1]", "apis: ['orders:1.0']", "users: ['test-key:ann']"] {
        let stand = Stand::start(&deny(spec)).await;
        let key = test_key(&stand, &orders());
        check(&stand, "/orders/1.0/echo", &key, "403 900805").await;
    }
}

#[tokio::test]
async fn an_api_is_tried_out_ten_times_a_second_and_others_have_their_own_limits() {
    let stand = stand("PUBLISHED").await;
    let mut ended = 0;
    // Two keys of the same API count together.
    for _ in 0..15 {
        for key in [test_key(&stand, &orders()), test_key(&stand, &orders())] {
            let answer = stand.call("GET /orders/1.0/echo", &key, "").await;
            assert!(
                answer.field("ratelimit-policy").unwrap().starts_with("\"test-key"),
                "{answer:?}"
            );
            ended += usize::from(verdict(&answer) == "429 900807");
        }
    }
    assert!(ended >= 1, "30 calls were let through");
    check(&stand, "/orders/1.0/echo", &stand.bearer("live"), "200").await;
}

const PRODUCT: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: stock, version: "1" }
spec:
  context: /stock
  lifecycle: CREATED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  operations: [ { method: GET, path: /echo } ]
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: shop, version: "1" }
spec: { context: /shop, lifecycle: CREATED, apis: [ { name: stock, version: "1" } ] }
"#;

#[tokio::test]
async fn a_test_key_for_a_product_opens_the_product_and_not_its_apis() {
    let stand = Stand::start(PRODUCT).await;
    let key = test_key(&stand, &json!({ "apis": ["shop:1"] }));
    check(&stand, "/shop/1/echo", &key, "200").await;
    check(&stand, "/stock/1/echo", &key, "404 404").await;
    check(&stand, "/shop/1/echo", "", "404 404").await;
    let explained = format!("{key}turnpike-explain: 1\r\n");
    let answer = stand.call("GET /shop/1/echo", &explained, "").await;
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["stages"][1]["facts"]["member"], "stock:1", "{document:#}");
}
