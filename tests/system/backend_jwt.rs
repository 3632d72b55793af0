//! Does a backend believe any gateway of a fleet by the key set of any other?

use std::net::SocketAddr;
use std::time::Duration;

use harness::resources::{application, subscription, tier};
use harness::{Backend, Client, Gateway, Stack, eventually};
use serde_json::Value;

const JWKS: &str = "/.well-known/turnpike/backend-jwks";

/// What a JWT says, if it verifies by the key set of the gateway at `address`.
async fn verified(jwt: &str, address: SocketAddr) -> Option<Value> {
    let set = Client::new(address).get(JWKS).await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&set.body).ok()?;
    let header = jsonwebtoken::decode_header(jwt).expect("a header");
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid?)?).ok()?;
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.set_audience(&["urn:orders"]);
    validation.set_issuer(&["turnpike"]);
    Some(jsonwebtoken::decode::<Value>(jwt, &key, &validation).ok()?.claims)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_of_one_gateway_verifies_by_the_key_set_of_another() {
    let backend = Backend::start("orders").await;
    let mut stack = Stack::start_uncounted(&[]).await;
    let second = Gateway::beside(&stack, "second").await;
    let other = second.http();
    let api = format!(
        r#"---
apiVersion: turnpike/v1
kind: Api
metadata: {{ name: orders, version: "1.0.0" }}
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints: {{ production: {{ urls: ["{}"] }} }}
  tiers: [Gold]
  backendJwt: {{ audience: "urn:orders" }}
"#,
        backend.url()
    );
    let shop = [application("shop", &[]), subscription("shop", "orders", "Gold")].concat();
    stack.apply(&[tier("Gold", 1000), api, shop].concat()).await;
    let (key, _) = stack.generate_keys("shop").await;
    let token = stack.token("shop").await;
    for (from, to) in [(stack.gateway(), other), (other, stack.gateway())] {
        let said = eventually("the JWT verifies elsewhere", Duration::from_secs(20), async || {
            let answer = Client::new(from).with_token(&token).get("/orders/1.0.0/x").await;
            let answer = (answer.status == 200).then(|| answer.json())?;
            verified(answer["headers"]["x-jwt-assertion"].as_str()?, to).await
        })
        .await;
        assert_eq!((&said["app"], &said["client_id"]), (&"shop".into(), &key.as_str().into()));
    }

    // The set of both is on the operations port too, and outlives the key manager and a restart.
    let mut operations = Client::new(stack.operations("gateway"));
    let set = operations.get(JWKS).await.json();
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(2), "{set}");
    stack.kill("key-manager");
    stack.kill("gateway");
    stack.restart("gateway").await;
    let again = Client::new(stack.operations("gateway")).get(JWKS).await.json();
    assert_eq!(again, set);
    let answer = Client::new(other).with_token(&token).get("/orders/1.0.0/x").await.json();
    let jwt = answer["headers"]["x-jwt-assertion"].as_str().expect("a JWT").to_owned();
    assert!(verified(&jwt, stack.gateway()).await.is_some());
}
