//! What does a backend learn about the caller, and can it believe it?
//!
//! What a backend got is verified as a backend would do it: by the key set that the gateway serves, and
//! with a library that is not ours.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode_header};
use serde_json::{Value, json};

use crate::stand::{Answer, Stand};
use crate::websocket::{ASKS, Sockets, ask};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: told, version: "1" }
spec:
  context: /told
  lifecycle: PUBLISHED
  endpoints:
    production: { urls: ["http://BACKEND"] }
  backendJwt:
    claims:
      mail: "${token.claims.email}"
      roles: "${token.claims.roles}"
      tenant: "t-${request.header.x-tenant}"
      owner: "${application.owner}"
      nothing: "${token.claims.nothing}"
  policies: { request: [ { setHeader: { name: X-JWT-Assertion, value: forged } } ] }
  operations:
    - { method: GET, path: "/echo/{id}" }
    - { method: GET, path: /echo, auth: none }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: old, version: "1" }
spec:
  context: /old
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  backendJwt: { header: X-Caller, audience: "urn:old", algorithm: RS256, dialect: wso2, encoding: base64 }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: plain, version: "1" }
spec:
  context: /plain
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  backendJwt: { enabled: false, header: X-Off }
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: shop, version: "2" }
spec:
  context: /shop
  lifecycle: PUBLISHED
  apis: [ { name: told, version: "1" }, { name: plain, version: "1" } ]
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: app, owner: olga }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: t }, spec: { application: app, api: "told:1" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: o }, spec: { application: app, api: "old:1" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: p }, spec: { application: app, api: "plain:1" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: app, apiProduct: "shop:2" } }
"#;

/// The values of a field of the request that the backend read.
fn fields(head: &str, name: &str) -> Vec<String> {
    let start = format!("{name}: ");
    head.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
}

/// The one JWT that came to the backend in this field.
#[track_caller]
fn jwt(head: &str, name: &str) -> String {
    let said = fields(head, name);
    assert_eq!(said.len(), 1, "{head}");
    said[0].clone()
}

impl Stand {
    /// What the JWT says, if it is one of this gateway for `audience`.
    async fn verified(&self, jwt: &str, audience: &str) -> Value {
        let set = self.call("GET /.well-known/turnpike/backend-jwks", "", "").await;
        assert_eq!(set.field("content-type"), Some("application/jwk-set+json"));
        let set: JwkSet = serde_json::from_str(&set.body).unwrap();
        let header = decode_header(jwt).unwrap();
        let key = set.find(header.kid.as_deref().unwrap()).expect("a published key");
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_issuer(&["turnpike"]);
        validation.validate_nbf = true;
        let key = DecodingKey::from_jwk(key).unwrap();
        jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap().claims
    }

    fn origin(&self) -> String {
        format!("http://{}", self.backend.address)
    }

    async fn told(&self, path: &str, claims: &Value, more: &str) -> Answer {
        let token = self.token("live", claims);
        let fields = format!("authorization: Bearer {token}\r\n{more}");
        let answer = self.call(&format!("GET {path}"), &fields, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }
}

/// Compares what a JWT says beside its times.
#[track_caller]
fn check(mut said: Value, expected: &Value) {
    let object = said.as_object_mut().unwrap();
    let [iat, nbf, exp] = ["iat", "nbf", "exp"].map(|name| object.remove(name).unwrap());
    let (iat, exp) = (iat.as_i64().unwrap(), exp.as_i64().unwrap());
    assert!(nbf == iat && exp > iat && exp - iat <= 60, "{iat} {exp}");
    assert!(object.remove("jti").is_some_and(|jti| jti.as_str().unwrap().len() > 20));
    assert_eq!(said, *expected);
}

#[tokio::test]
async fn a_backend_verifies_who_calls_by_the_keys_that_the_gateway_serves() {
    let stand = Stand::start(RESOURCES).await;
    let claims =
        json!({ "sub": "ann", "scope": "a b", "email": "ann@x.example", "roles": ["r", 1] });
    let spoofed = "x-tenant: 7\r\nX-JWT-Assertion: spoofed\r\nX_JWT_Assertion: spoofed\r\n";
    let answer = stand.told("/told/1/echo/7", &claims, spoofed).await;
    assert!(!answer.body.contains("spoofed") && !answer.body.contains("forged"), "{}", answer.body);
    let said = stand.verified(&jwt(&answer.body, "x-jwt-assertion"), &stand.origin()).await;
    check(
        said,
        &json!({
            "iss": "turnpike", "aud": stand.origin(), "sub": "ann", "client_id": "live",
            "scope": "a b", "app": "app", "api": "told", "version": "1",
            "operation": "GET /echo/{id}", "key_type": "PRODUCTION", "tier": "Unlimited",
            "mail": "ann@x.example", "roles": ["r", 1], "tenant": "t-7", "owner": "olga",
        }),
    );
}

#[tokio::test]
async fn who_calls_an_open_operation_is_nobody() {
    let stand = Stand::start(RESOURCES).await;
    let answer = stand.call("GET /told/1/echo", "x-jwt-assertion: spoofed\r\n", "").await;
    let said = stand.verified(&jwt(&answer.body, "x-jwt-assertion"), &stand.origin()).await;
    check(
        said,
        &json!({
            "iss": "turnpike", "aud": stand.origin(), "api": "told", "version": "1",
            "operation": "GET /echo", "tenant": "t-",
        }),
    );
}

#[tokio::test]
async fn an_api_key_is_a_caller_like_any_other_and_stays_here() {
    let key = "kmak_production_0123456789";
    let sum = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.as_bytes()));
    let resources = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: keyed, version: "1" }
spec:
  context: /keyed
  lifecycle: PUBLISHED
  security: { schemes: [api_key] }
  endpoints: { production: { urls: ["http://BACKEND"] } }
  backendJwt: { audience: "urn:keyed", claims: { key: "${request.header.apikey}" } }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop }
spec: { apiKeys: [ { id: k1, sha256: "SUM", scopes: [a, b] } ] }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "keyed:1" } }
"#;
    let stand = Stand::start(&resources.replace("SUM", &sum)).await;
    let answer = stand.call("GET /keyed/1/echo", &format!("apikey: {key}\r\n"), "").await;
    assert!(!answer.body.contains(key), "{answer:?}");
    let said = stand.verified(&jwt(&answer.body, "x-jwt-assertion"), "urn:keyed").await;
    check(
        said,
        &json!({
            "iss": "turnpike", "aud": "urn:keyed", "client_id": "k1", "scope": "a b", "app": "shop",
            "api": "keyed", "version": "1", "operation": "GET /*", "key_type": "PRODUCTION",
            "tier": "Unlimited",
        }),
    );
}

#[tokio::test]
async fn a_product_tells_what_the_api_behind_it_tells() {
    let stand = Stand::start(RESOURCES).await;
    let answer = stand.told("/shop/2/echo/7", &json!({}), "").await;
    let said = stand.verified(&jwt(&answer.body, "x-jwt-assertion"), &stand.origin()).await;
    assert_eq!((said["api"].as_str(), said["version"].as_str()), (Some("shop"), Some("2")));
}

#[tokio::test]
async fn a_field_of_any_api_is_kept_from_clients_of_all() {
    let stand = Stand::start(RESOURCES).await;
    let spoofed = "x-jwt-assertion: spoofed\r\nx-caller: spoofed\r\nX_Caller: spoofed\r\n\
                   x-off: spoofed\r\nx_off: spoofed\r\nx-callers: mine\r\n";
    let answer = stand.told("/plain/1/echo", &json!({}), spoofed).await;
    assert!(!answer.body.contains("spoofed"), "{}", answer.body);
    assert_eq!(fields(&answer.body, "x-callers"), ["mine"]);
    let mut client = stand.client().await;
    let bearer = stand.bearer("live");
    let head = crate::stand::request(
        "POST /plain/1/echo",
        &format!("{bearer}transfer-encoding: chunked\r\n"),
        "",
    );
    client.say(&head).await;
    client.say("2\r\nhi\r\n0\r\nx-caller: spoofed\r\nx_off: spoofed\r\nx-mine: 1\r\n\r\n").await;
    let heard = client.hear().await.body;
    assert!(heard.contains("x-mine: 1") && !heard.contains("spoofed"), "{heard}");
}

#[tokio::test]
async fn backends_of_wso2_are_told_in_its_words() {
    let stand = Stand::start(RESOURCES).await;
    let answer = stand.told("/old/1/echo", &json!({ "sub": "ann" }), "").await;
    let jwt = jwt(&answer.body, "x-caller");
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, claims] = [0, 1].map(|place| {
        serde_json::from_slice::<Value>(&STANDARD.decode(parts[place]).unwrap()).unwrap()
    });
    assert_eq!((head["alg"].as_str(), head["typ"].as_str()), (Some("RS256"), Some("JWT")));
    let of =
        |name: &str| claims[format!("http://wso2.org/claims/{name}")].as_str().unwrap().to_owned();
    let said = [
        "subscriber",
        "applicationid",
        "applicationname",
        "applicationtier",
        "apiname",
        "apicontext",
        "version",
        "tier",
        "keytype",
        "usertype",
        "enduser",
    ];
    let expected = [
        "olga",
        "app",
        "app",
        "Unlimited",
        "old",
        "/old/1",
        "1",
        "Unlimited",
        "PRODUCTION",
        "APPLICATION_USER",
        "ann",
    ];
    assert_eq!(said.map(of), expected);
    assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some("urn:old"), Some("ann")));

    // The signature is over the parts as they were sent.
    let set = stand.call("GET /.well-known/turnpike/backend-jwks", "", "").await;
    let set: JwkSet = serde_json::from_str(&set.body).unwrap();
    let key = set.find(head["kid"].as_str().unwrap()).unwrap();
    let key = DecodingKey::from_jwk(key).unwrap();
    let signature = parts[2].trim_end_matches('=').replace('+', "-").replace('/', "_");
    let message = format!("{}.{}", parts[0], parts[1]);
    let algorithm = jsonwebtoken::Algorithm::RS256;
    assert!(jsonwebtoken::crypto::verify(&signature, message.as_bytes(), &key, algorithm).unwrap());
}

#[tokio::test]
async fn a_websocket_tells_who_opens_it() {
    let sockets = Sockets::start().await;
    let socket = r#"
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: ws, version: "1" }
spec:
  context: /ws
  lifecycle: PUBLISHED
  type: WS
  endpoints: { production: { urls: ["http://SOCKETS"] } }
  backendJwt: { audience: "urn:ws" }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: w }, spec: { application: app, api: "ws:1" } }
"#;
    let socket = socket.replace("SOCKETS", &sockets.address.to_string());
    let stand = Stand::start(&[RESOURCES, &socket].concat()).await;
    let fields = format!("{}x-jwt-assertion: spoofed\r\n{ASKS}", stand.bearer("live"));
    let mut sockets = sockets;
    let (_client, answer) = ask(&stand, "/ws/1/echo", &fields).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    let head = sockets.next_head().await;
    let said = stand.verified(&jwt(&head, "x-jwt-assertion"), "urn:ws").await;
    assert_eq!((said["app"].as_str(), said["api"].as_str()), (Some("app"), Some("ws")));
}

#[tokio::test]
async fn a_mirror_and_a_backend_of_http2_are_told_as_well_each_for_itself() {
    let streams = crate::http2_backend::Backend::start(None).await;
    let mut mirror = crate::mirror::Mirror::start(true).await;
    let api = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: both, version: "1" }
spec:
  context: /both
  lifecycle: PUBLISHED
  type: HTTP
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://STREAMS"], protocol: h2 } }
  mirror: { endpoint: { urls: ["http://MIRROR"] } }
  backendJwt: { algorithm: EdDSA }
"#;
    let api = api.replace("STREAMS", &streams.address.to_string());
    let stand = Stand::start(&api.replace("MIRROR", &mirror.address.to_string())).await;
    let answer = stand.call("GET /both/1/head", "x-jwt-assertion: spoofed\r\n", "").await;
    for (head, address) in [(answer.body, streams.address), (mirror.next().await, mirror.address)] {
        let (jwt, audience) = (jwt(&head, "x-jwt-assertion"), format!("http://{address}"));
        assert_eq!(stand.verified(&jwt, &audience).await["api"], "both");
    }
}

#[tokio::test]
async fn callers_are_told_apart_and_signed_for_once() {
    let stand = Stand::start(RESOURCES).await;
    let tokens = ["ann", "bob"].map(|sub| stand.token("live", &json!({ "sub": sub })));
    let mut seen = [vec![], vec![]];
    for _ in 0..50 {
        for (token, seen) in tokens.iter().zip(&mut seen) {
            let fields = format!("authorization: Bearer {token}\r\n");
            let answer = stand.call("GET /told/1/echo/7", &fields, "").await;
            seen.push(jwt(&answer.body, "x-jwt-assertion"));
        }
    }
    let signed = stand.number("gateway_backend_jwts_signed_total");
    // A JWT is signed anew when half of its minute is over, which may be in between once.
    assert!((2..=4).contains(&signed), "{signed} signatures for 100 calls of two callers");
    assert_eq!(stand.number("gateway_backend_jwts_kept_total"), 100 - signed);
    for (jwts, sub) in seen.iter().zip(["ann", "bob"]) {
        for jwt in [&jwts[0], &jwts[49]] {
            assert_eq!(stand.verified(jwt, &stand.origin()).await["sub"], sub);
        }
    }
    stand.publish(RESOURCES);
    let fields = format!("authorization: Bearer {}\r\n", tokens[0]);
    let answer = stand.call("GET /told/1/echo/7", &fields, "").await;
    assert!(!seen[0].contains(&jwt(&answer.body, "x-jwt-assertion")), "of another generation");
}

#[tokio::test]
async fn no_jwt_outlives_the_token_of_its_caller() {
    let stand = Stand::start(RESOURCES).await;
    let ends = stand.host.clock.unix_seconds() + 20;
    let answer = stand.told("/told/1/echo/7", &json!({ "exp": ends }), "").await;
    let said = stand.verified(&jwt(&answer.body, "x-jwt-assertion"), &stand.origin()).await;
    // The gateway itself takes the token for a few seconds longer, for clocks differ.
    assert!(said["exp"].as_i64().unwrap() <= ends + 5, "{said}");
}

#[tokio::test]
async fn a_backend_that_cannot_be_told_gets_no_call() {
    let stand = Stand::start(RESOURCES).await;
    stand.publish(&RESOURCES.replace("RS256", "ES384"));
    let requests = || stand.backend.seen.requests.load(std::sync::atomic::Ordering::Relaxed);
    let answer = stand.call("GET /old/1/echo", &stand.bearer("live"), "").await;
    assert_eq!((answer.fault().as_str(), requests()), ("503 700704", 0));
}

#[tokio::test]
async fn the_key_set_is_read_and_nothing_else() {
    let stand = Stand::start(RESOURCES).await;
    let set = stand.call("GET /.well-known/turnpike/backend-jwks", "", "").await;
    assert_eq!((set.status, set.field("cache-control")), (200, Some("public, max-age=300")));
    let keys: Value = serde_json::from_str(&set.body).unwrap();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "of ES256 and RS256");
    let private = ["d", "p", "q", "k"];
    assert!(keys.iter().all(|key| private.iter().all(|name| key.get(name).is_none())), "{keys:?}");
    let answer = stand.call("POST /.well-known/turnpike/backend-jwks", "", "").await;
    assert_eq!(answer.fault(), "405 405");
}
