//! Which calls fulfil the conditions of an operation, and what is told to the others?

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::certificate::Told;
use gateway::receiver::Asked;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stand::{LIMIT, Stand, request};
use crate::test_keys::test_key;
use crate::tls::{Stranger, asks, client, connect};
use crate::websocket::ASKS;

const KEY: &str = "kmak_production_0123456789";

/// An API with this `security`, `access` and access of its operation `/orders/{id}`, in a product with
/// `bundled`; what follows is more resources.
fn resources(security: &str, access: &str, own: &str, bundled: &str) -> String {
    let key = URL_SAFE_NO_PAD.encode(digest(&SHA256, KEY.as_bytes()));
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
  access: {{ {access} }}
  operations:
    - {{ method: "*", path: "/echo" }}
    - {{ method: "*", path: "/orders/{{id}}", id: one, access: {{ {own} }} }}
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: {{ name: bundle, version: "1.0" }}
spec:
  context: /bundle
  lifecycle: PUBLISHED
  security: {{ {security} }}
  access: {{ {bundled} }}
  apis: [{{ name: orders, version: "1.0" }}]
---
apiVersion: turnpike/v1
kind: Application
metadata: {{ name: shop, owner: bob }}
spec:
  keys: [ {{ consumerKey: live }} ]
  apiKeys: [ {{ id: k1, sha256: "{key}", scopes: [orders.read] }} ]
---
{{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: s }}, spec: {{ application: shop, api: "orders:1.0" }} }}
---
{{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: b }}, spec: {{ application: shop, apiProduct: "bundle:1.0" }} }}
"#
    )
}

/// Status and number of a call with a token that says `claims` besides.
async fn check(stand: &Stand, line: &str, claims: &Value, fields: &str, expected: &str) {
    let fields = format!("authorization: Bearer {}\r\n{fields}", stand.token("live", claims));
    bare(stand, line, &fields, expected).await;
}

async fn bare(stand: &Stand, line: &str, fields: &str, expected: &str) {
    let answer = stand.call(line, fields, "").await;
    let said = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
    assert_eq!(said, expected, "{line} {fields}: {answer:?}");
}

const ECHO: &str = "GET /orders/1.0/echo";
const TOKENS: &str = "schemes: [oauth2]";
const REFUSED: &str = "403 900908";

#[tokio::test]
async fn a_token_says_what_each_rule_asks_for() {
    let access = "claims: [{ name: email_verified, equals: true }, { name: groups, anyOf: [sales, \
                  support] }, { name: address.country, noneOf: [KP] }, { name: level, atLeast: 3 }, \
                  { name: act, absent: true }, { name: sub, present: true }]";
    let stand = Stand::start(&resources(TOKENS, access, "", "")).await;
    let good = json!({
        "email_verified": true, "groups": ["staff", "sales"], "address": { "country": "CH" },
        "level": 3,
    });
    check(&stand, ECHO, &good, "", "200").await;
    for (claim, value) in [
        ("email_verified", json!("true")),
        ("email_verified", json!(false)),
        ("email_verified", Value::Null),
        ("groups", json!(["staff"])),
        ("groups", json!("sales, support")),
        ("address", json!({ "country": "KP" })),
        ("address", json!({})),
        ("address", json!("CH")),
        ("level", json!("3")),
        ("level", json!(2.9)),
        ("act", json!({ "sub": "somebody" })),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        check(&stand, ECHO, &claims, "", REFUSED).await;
    }
    check(&stand, ECHO, &json!({}), "", REFUSED).await;
}

#[tokio::test]
async fn conditions_see_the_call_and_who_makes_it() {
    let stand = Stand::start(&resources(TOKENS, "", "", "")).await;
    let claims = json!({ "sub": "ann", "tenant": "acme", "scope": "a b", "groups": ["x"] });
    let line = "POST /orders/1.0/orders/a%2Fb?page=2&twice=1&twice=2";
    let fields = "x-tenant: acme\r\nx-list: a\r\nx-list: b\r\nx-forwarded-for: 192.0.2.7\r\n";
    for (when, holds) in [
        (r#"claims.tenant == request.headers["x-tenant"]"#, true),
        (r#"request.headers["x-list"] == "a, b""#, true),
        (
            r#"request.method == "POST" && request.protocol == "HTTP/1.1" && request.size == 0"#,
            true,
        ),
        (r#"request.path == "/orders/1.0/orders/a%2Fb" && request.host == "api.example""#, true),
        (r#"request.params.id == "a/b" && request.query.page == "2""#, true),
        // The backend may take the other one.
        (r#"request.query.twice == "1" || request.query.twice == "2""#, false),
        (r#""twice" in request.query && !("other" in request.query)"#, true),
        (r#"request.time > timestamp("2025-01-01T00:00:00Z")"#, true),
        (r#"claims.sub == "ann" && claims.scope == "a b" && claims.client_id == "live""#, true),
        (r#"claims.exp > claims.iat && claims.aud == "any""#, true),
        (r#"caller.kind == "person" && caller.user == "ann" && caller.clientId == "live""#, true),
        (r#"caller.credentials == ["oauth2"] && "b" in caller.scopes"#, true),
        ("size(caller.roles) >= 0", false),
        (r#"application.name == "shop" && application.owner == "bob""#, true),
        (r#"application.tier == "Unlimited" && subscription.tier == "Unlimited""#, true),
        (r#"api.name == "orders" && api.version == "1.0" && api.context == "/orders""#, true),
        (
            r#"operation.path == "/orders/{id}" && operation.id == "one" && operation.method == "*""#,
            true,
        ),
        (r#"inNetwork(client.address, "127.0.0.0/8")"#, true),
        // What is the gateway's own is not there, and asking for it refuses.
        (r#""x-forwarded-for" in request.headers"#, false),
        (r#"request.headers["x-forwarded-for"] != "x""#, false),
        (r#"claims.tenant == "other""#, false),
        (r#"claims.nobody != "x""#, false),
        (r#"!(claims.nobody == "x")"#, false),
        ("claims.tenant", false),
        (r#"claims.groups.exists(g, g.matches("^x$"))"#, true),
    ] {
        let own = format!("conditions: [{{ when: '{when}' }}]");
        stand.publish(&resources(TOKENS, "", &own, ""));
        let expected = if holds { "200" } else { REFUSED };
        check(&stand, line, &claims, fields, expected).await;
    }
}

#[tokio::test]
async fn who_is_refused_learns_the_message_and_nothing_else() {
    let access = "conditions: [{ when: 'claims.tenant == \"secret\"', message: \"your own tenant \
                  only\" }]";
    let stand = Stand::start(&resources(TOKENS, access, "", "")).await;
    let fields =
        format!("authorization: Bearer {}\r\n", stand.token("live", &json!({ "tenant": "mine" })));
    let answer = stand.call(ECHO, &fields, "").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["description"], "your own tenant only", "{answer:?}");
    assert!(!answer.body.contains("secret") && !answer.body.contains("mine"), "{answer:?}");
    stand.publish(&resources(TOKENS, "claims: [{ name: tenant, equals: secret }]", "", ""));
    let answer = stand.call(ECHO, &fields, "").await;
    assert_eq!(answer.fault(), REFUSED);
    assert!(!answer.body.contains("secret") && !answer.body.contains("tenant"), "{answer:?}");
}

#[tokio::test]
async fn an_api_key_says_nothing_that_a_rule_asks_for() {
    let any = "schemes: [oauth2, api_key]";
    let rule = "claims: [{ name: act, absent: true }]";
    let stand = Stand::start(&resources(any, rule, "", "")).await;
    let key = format!("apikey: {KEY}\r\n");
    check(&stand, ECHO, &json!({}), "", "200").await;
    bare(&stand, ECHO, &key, REFUSED).await;
    for (when, expected) in [
        ("!has(claims.act)", REFUSED),
        (r#"caller.kind == "application" && caller.credentials == ["api_key"]"#, "200"),
        (r#"caller.clientId == "k1" && "orders.read" in caller.scopes"#, "200"),
        (r#"application.name == "shop""#, "200"),
        ("has(caller.user)", REFUSED),
        // The credential is for the gateway alone.
        (r#""apikey" in request.headers"#, REFUSED),
        (r#""api_key" in caller.credentials || claims.tenant == "x""#, "200"),
    ] {
        stand.publish(&resources(any, &format!("conditions: [{{ when: '{when}' }}]"), "", ""));
        bare(&stand, ECHO, &key, expected).await;
    }
}

#[tokio::test]
async fn a_test_key_is_a_credential_of_its_own() {
    let stand = Stand::start(&resources(TOKENS, "", "", "")).await;
    let key = test_key(&stand, &json!({ "apis": ["orders:1.0"] }));
    bare(&stand, ECHO, &key, "200").await;
    for (access, expected) in [
        ("claims: [{ name: act, absent: true }]", REFUSED),
        ("conditions: [{ when: '!has(claims.act)' }]", REFUSED),
        (r#"conditions: [{ when: 'caller.kind == "tester"' }]"#, "200"),
        (r#"conditions: [{ when: 'caller.credentials == ["test_key"]' }]"#, "200"),
        (r#"conditions: [{ when: '"turnpike-test-key" in request.headers' }]"#, REFUSED),
    ] {
        stand.publish(&resources(TOKENS, access, "", ""));
        bare(&stand, ECHO, &key, expected).await;
    }
}

#[tokio::test]
async fn a_certificate_says_nothing_that_a_rule_asks_for() {
    let known = Stranger::new();
    let pem = known.read("caller.pem").replace('\n', "\n    ");
    let with = |access: &str| {
        let security = "schemes: [mutual_tls], mutualTls: { certificates: [ { certificate: partner, \
                        rights: { scopes: [orders.read] } } ] }";
        let certificate = format!(
            "---\napiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: partner }}\nspec:\n  \
             use: caller\n  chain: |\n    {pem}\n"
        );
        format!("{}{certificate}", resources(security, access, "", ""))
    };
    let stand = Stand::with(&with(""), asks(Asked::Optional, Told::None)).await;
    for (access, expected) in [
        ("claims: [{ name: act, absent: true }]", "403"),
        ("conditions: [{ when: '!has(claims.act)' }]", "403"),
        (r#"conditions: [{ when: 'caller.kind == "certificate"' }]"#, "200"),
        (r#"conditions: [{ when: '"orders.read" in caller.scopes' }]"#, "200"),
        ("conditions: [{ when: 'has(application.name)' }]", "403"),
    ] {
        stand.publish(&with(access));
        let mut stream = connect(&stand, &client(&stand, Some(&known))).await.unwrap();
        let request = request(ECHO, "connection: close\r\n", "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut heard)).await.unwrap().unwrap();
        let heard = String::from_utf8_lossy(&heard);
        assert_eq!(heard.get(9..12), Some(expected), "{access}: {heard}");
    }
}

#[tokio::test]
async fn a_product_asks_for_its_own_besides_those_of_its_apis() {
    let rule = |name: &str| format!("claims: [{{ name: {name}, present: true }}]");
    let all = resources(TOKENS, &rule("a"), &rule("b"), &rule("c"));
    let stand = Stand::start(&all).await;
    let claims = |names: &str| -> Value {
        names
            .chars()
            .map(|name| (name.to_string(), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    check(&stand, "GET /orders/1.0/orders/7", &claims("ab"), "", "200").await;
    check(&stand, "GET /orders/1.0/echo", &claims("a"), "", "200").await;
    check(&stand, "GET /bundle/1.0/orders/7", &claims("abc"), "", "200").await;
    check(&stand, "GET /bundle/1.0/echo", &claims("ac"), "", "200").await;
    check(&stand, "GET /orders/1.0/orders/7", &claims("ac"), "", REFUSED).await;
    for missing in ["ab", "ac", "bc"] {
        check(&stand, "GET /bundle/1.0/orders/7", &claims(missing), "", REFUSED).await;
    }
    let own = r#"conditions: [{ when: 'request.params.id == "7" && api.name == "bundle"' }]"#;
    stand.publish(&resources(TOKENS, "", own, ""));
    check(&stand, "GET /bundle/1.0/orders/7", &json!({}), "", "200").await;
    check(&stand, "GET /bundle/1.0/orders/8", &json!({}), "", REFUSED).await;
    check(&stand, "GET /orders/1.0/orders/7", &json!({}), "", REFUSED).await;
}

#[tokio::test]
async fn a_page_of_another_site_makes_no_calls_that_change_something() {
    const CROSS: &str = "403 900426";
    let csrf = "csrf: { allowedOrigins: ['https://shop.example'] }";
    let open = "schemes: [none]";
    let stand = Stand::start(&resources(open, csrf, "csrf: { requireOrigin: true }", "")).await;
    let post = "POST /orders/1.0/echo";
    for (line, fields, expected) in [
        (ECHO, "sec-fetch-site: cross-site\r\norigin: https://evil.example\r\n", "200"),
        (post, "sec-fetch-site: cross-site\r\norigin: https://evil.example\r\n", CROSS),
        (post, "sec-fetch-site: cross-site\r\norigin: https://shop.example\r\n", "200"),
        (post, "sec-fetch-site: same-origin\r\n", "200"),
        (post, "origin: https://evil.example\r\n", CROSS),
        (post, "origin: null\r\n", CROSS),
        (post, "origin: http://api.example\r\n", "200"),
        (post, "referer: https://evil.example/api.example\r\n", CROSS),
        (post, "", "200"),
        // An operation may ask for more.
        ("DELETE /orders/1.0/orders/7", "", CROSS),
        ("DELETE /orders/1.0/orders/7", "origin: http://api.example\r\n", "200"),
    ] {
        bare(&stand, line, fields, expected).await;
    }
    let socket = format!("{ASKS}origin: https://evil.example\r\n");
    bare(&stand, ECHO, &socket, CROSS).await;
    // The API speaks no WebSocket, so that a handshake that is let in is an ordinary call.
    bare(&stand, ECHO, &format!("{ASKS}origin: https://shop.example\r\n"), "200").await;
}

#[tokio::test]
async fn what_costs_too_much_is_refused_and_the_next_call_is_served() {
    let when = "claims.groups.all(one, one in claims.groups)";
    let access = format!("conditions: [{{ when: '{when}' }}]");
    let stand = Stand::start(&resources(TOKENS, &access, "", "")).await;
    let many: Vec<u32> = (0..1200).collect();
    check(&stand, ECHO, &json!({ "groups": many }), "", REFUSED).await;
    check(&stand, ECHO, &json!({ "groups": [1, 2] }), "", "200").await;
}
