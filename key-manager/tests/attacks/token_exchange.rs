//! Attack list, token exchange: does what comes out never hold more than what went in?
//!
//! Bad and foreign tokens, scopes and audiences are in the suite `service`, `exchanges.rs`; forged
//! tokens in `jose.rs`; disabled and untrusted issuers in `bearers.rs`.

use jose::SigningKey;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, encode, exchange_of, wish};
use crate::databases::Scratch;
use crate::forge::{changed, key, own, proof};
use crate::places::ISSUER;
use crate::stand::{BEGIN, Dressed, Stand, json as body, part, post, said, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFUSED: &str = "400 invalid_grant";

async fn service(stand: &Stand, name: &str) -> Registered {
    stand
        .register(Application {
            name: name.to_owned(),
            grant_types: [GRANT, "client_credentials"].map(str::to_owned).to_vec(),
            scopes: vec!["a".to_owned()],
            ..Application::default()
        })
        .await
}

fn request(client: &Registered, token: &str, more: &[(&str, &str)]) -> Request {
    let mut pairs =
        vec![("grant_type", GRANT), ("subject_token", token), ("subject_token_type", ACCESS)];
    pairs.extend(more);
    post("/oauth2/token", &encode(&pairs)).basic(client.client.id.as_str(), &client.secret)
}

async fn exchange(stand: &Stand, client: &Registered, token: &str, more: &[(&str, &str)]) -> Reply {
    stand.ask(&request(client, token, more)).await
}

/// A token of this server that says what its own never say, as a claim provider of an operator may
/// make it.
fn with(stand: &Stand, token: &str, changes: &Value) -> String {
    let claims =
        changed(changed(part(token, 1), changes), &json!({ "jti": chassis::random::token(8) }));
    own(stand).sign_under(&part(token, 0).to_string(), &claims).expect("signed")
}

#[tokio::test]
async fn where_a_token_names_who_may_act_nobody_else_may() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let token = text(&stand.tokens(&stand.app().await).await, "access_token");
    let (orders, stock) = (service(&stand, "orders").await, service(&stand, "stock").await);
    let (mine, theirs) = (orders.client.id.as_str(), stock.client.id.as_str());
    let actor = stand.token(&stock).await;
    let acting = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS)];
    let table = [
        (json!({ "sub": mine }), "200", REFUSED),
        (json!({ "sub": theirs }), REFUSED, "200"),
        (json!({ "sub": [mine] }), REFUSED, REFUSED),
        (json!({ "client_id": mine }), REFUSED, REFUSED),
        (json!([{ "sub": mine }]), REFUSED, REFUSED),
        (json!(mine), REFUSED, REFUSED),
        (json!({}), REFUSED, REFUSED),
        (json!(false), REFUSED, REFUSED),
    ];
    for (may, alone, with_actor) in table {
        let token = with(&stand, &token, &json!({ "may_act": may }));
        assert_eq!(said(&exchange(&stand, &orders, &token, &[]).await), alone, "{may}");
        assert_eq!(said(&exchange(&stand, &orders, &token, &acting).await), with_actor, "{may}");
    }
}

#[tokio::test]
async fn a_chain_of_services_ends_somewhere() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let mut token = text(&stand.tokens(&stand.app().await).await, "access_token");
    let first = token.clone();
    let (orders, stock) = (service(&stand, "orders").await, service(&stand, "stock").await);
    for step in 0..8 {
        let client = if step % 2 == 0 { &orders } else { &stock };
        let reply = exchange(&stand, client, &token, &[]).await;
        assert_eq!(said(&reply), "200", "step {step}");
        token = text(&body(&reply), "access_token");
    }
    assert_eq!(said(&exchange(&stand, &orders, &token, &[]).await), REFUSED, "the ninth");
    for depth in [10, 50, 120] {
        let act =
            (0..depth).fold(json!({ "sub": "x" }), |act, _| json!({ "sub": "x", "act": act }));
        let deep = with(&stand, &first, &json!({ "act": act }));
        assert_eq!(said(&exchange(&stand, &orders, &deep, &[]).await), REFUSED, "depth {depth}");
    }
}

/// The token of a person, bound to `key`.
async fn bound(stand: &Stand, key: &SigningKey) -> String {
    let app = stand.app().await;
    let code = Browser::new(stand).code(&wish(&app, &[])).await;
    let asked = exchange_of(&app, &code, &[]).header("dpop", &shown(key));
    let tokens = body(&stand.ask(&asked).await);
    assert_eq!(tokens["token_type"], "DPoP");
    text(&tokens, "access_token")
}

fn shown(key: &SigningKey) -> String {
    let claims = json!({ "htu": format!("{ISSUER}/token"), "iat": BEGIN });
    proof(key, &claims, &json!({}))
}

#[tokio::test]
async fn a_bound_token_is_exchanged_by_the_holder_of_its_key_only() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let (own, other) = (key(), key());
    let token = bound(&stand, &own).await;
    let client = service(&stand, "orders").await;
    let ask = async |proof: Option<String>, more: &[(&str, &str)], subject: &str| {
        let mut request = request(&client, subject, more);
        if let Some(proof) = proof {
            request = request.header("dpop", &proof);
        }
        stand.ask(&request).await
    };
    assert_eq!(said(&ask(None, &[], &token).await), REFUSED, "without a proof");
    assert_eq!(said(&ask(Some(shown(&other)), &[], &token).await), REFUSED, "of another key");
    let garbage = ask(Some("e30.e30.AA".to_owned()), &[], &token).await;
    assert_eq!(said(&garbage), "400 invalid_dpop_proof");
    let good = ask(Some(shown(&own)), &[], &token).await;
    assert_eq!(said(&good), "200");
    let made = body(&good);
    assert_eq!(made["token_type"], "DPoP");
    let claims = part(&text(&made, "access_token"), 1);
    assert_eq!(claims["cnf"], json!({ "jkt": own.kid() }), "it is bound on");
    // The same for whoever acts.
    let free = stand.token(&client).await;
    let acting = [("actor_token", token.as_str()), ("actor_token_type", ACCESS)];
    assert_eq!(said(&ask(None, &acting, &free).await), REFUSED);
    assert_eq!(said(&ask(Some(shown(&own)), &acting, &free).await), "200");
    // A `cnf` that nobody understands makes a token none; it does not make it free.
    for cnf in [json!("x"), json!(["x"]), json!({ "jkt": 7 }), json!({ "jkt": ["x"] })] {
        let odd = with(&stand, &free, &json!({ "cnf": cnf }));
        assert_eq!(said(&ask(None, &[], &odd).await), REFUSED, "{cnf}");
        assert!(!stand.lives(&odd).await, "{cnf}");
    }
}
