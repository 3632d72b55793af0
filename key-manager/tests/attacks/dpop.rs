//! Attack list, `DPoP`: is a bound token worth nothing without its key, wherever it is shown?
//!
//! Proofs at the token endpoint, nonces and replays across processes are in the suite `service`,
//! `proofs.rs`; keys named at /par in `requests.rs`; forged proofs in `jose.rs`.

use aws_lc_rs::digest;
use http::Method;
use jose::SigningKey;
use key_manager::client_auth::Settings;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, app, encode, exchange_of, refresh_of, step, wish};
use crate::databases::{Scratch, each};
use crate::forge::{b64, key, proof};
use crate::places::ISSUER;
use crate::stand::{BEGIN, Dressed, Stand, json as body, post, said, text};

const NEEDED: &str = "400 invalid_dpop_proof";

fn at_token(key: &SigningKey) -> String {
    at(key, "token", &json!({}))
}

fn at(key: &SigningKey, endpoint: &str, more: &Value) -> String {
    let claims = json!({ "htu": format!("{ISSUER}/{endpoint}"), "iat": BEGIN });
    proof(key, &crate::forge::changed(claims, more), &json!({}))
}

fn hash(token: &str) -> String {
    b64(digest::digest(&digest::SHA256, token.as_bytes()))
}

async fn tokens(stand: &Stand, client: &Registered, key: &SigningKey) -> Value {
    let code = Browser::new(stand).code(&wish(client, &[])).await;
    let asked = exchange_of(client, &code, &[]).header("dpop", &at_token(key));
    body(&stand.ask(&asked).await)
}

#[tokio::test]
async fn a_bound_token_is_taken_with_a_proof_for_it_here_and_once() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        one.person().await;
        let client = one.app().await;
        let (own, other) = (key(), key());
        let token = text(&tokens(&one, &client, &own).await, "access_token");
        let ask = async |stand: &Stand, scheme: &str, method: Method, proofs: &[&str]| {
            let mut request = Request { method, ..post("/oauth2/userinfo", "") };
            request = request.header("authorization", &format!("{scheme} {token}"));
            for proof in proofs {
                request = request.header("dpop", proof);
            }
            stand.ask(&request).await
        };
        let get = json!({ "htm": "GET", "ath": hash(&token) });
        let with = |changes: Value| crate::forge::changed(get.clone(), &changes);
        let good = at(&own, "userinfo", &get);
        assert_eq!(said(&ask(&one, "DPoP", Method::GET, &[&good]).await), "200");
        assert_eq!(said(&ask(&one, "DPoP", Method::GET, &[&good]).await), "401 invalid_dpop_proof");
        assert_eq!(said(&ask(&two, "DPoP", Method::GET, &[&good]).await), "401 invalid_dpop_proof");
        let lower = at(&own, "userinfo", &get);
        assert_eq!(said(&ask(&two, "dpop", Method::GET, &[&lower]).await), "200");

        let token_wrong = "401 invalid_token";
        let proof_wrong = "401 invalid_dpop_proof";
        let table = [
            ("as a bearer token", "Bearer", vec![], token_wrong),
            ("without a proof", "DPoP", vec![], token_wrong),
            ("Bearer with a proof", "Bearer", vec![at(&own, "userinfo", &get)], token_wrong),
            ("of another key", "DPoP", vec![at(&other, "userinfo", &get)], token_wrong),
            (
                "for no token",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "ath": null })))],
                token_wrong,
            ),
            (
                "for another token",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "ath": hash("x") })))],
                token_wrong,
            ),
            (
                "the token itself as its hash",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "ath": token })))],
                token_wrong,
            ),
            (
                "for another method",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "htm": "POST" })))],
                proof_wrong,
            ),
            ("for another endpoint", "DPoP", vec![at(&own, "token", &get)], proof_wrong),
            (
                "for another host",
                "DPoP",
                vec![at(
                    &own,
                    "userinfo",
                    &with(json!({ "htu": "https://evil.example/oauth2/userinfo" })),
                )],
                proof_wrong,
            ),
            (
                "from yesterday",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "iat": BEGIN - 86_400 })))],
                proof_wrong,
            ),
            (
                "from tomorrow",
                "DPoP",
                vec![at(&own, "userinfo", &with(json!({ "iat": BEGIN + 86_400 })))],
                proof_wrong,
            ),
            (
                "two of them",
                "DPoP",
                vec![at(&own, "userinfo", &get), at(&own, "userinfo", &get)],
                proof_wrong,
            ),
        ];
        for (name, scheme, proofs, answer) in table {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            let reply = ask(&one, scheme, Method::GET, &proofs).await;
            assert_eq!(said(&reply), answer, "{name}");
            assert!(reply.headers().contains_key("www-authenticate"), "{name}");
        }
        // In the body of a form there is no way to show a proof for it.
        let form = encode(&[("access_token", &token)]);
        let posted = post("/oauth2/userinfo", &form)
            .header("dpop", &at(&own, "userinfo", &with(json!({ "htm": "POST" }))));
        assert_eq!(said(&one.ask(&posted).await), token_wrong);
        // A token that is free does not become a bound one by its name.
        let free = text(&one.tokens(&client).await, "access_token");
        let named = Request { method: Method::GET, ..post("/oauth2/userinfo", "") }
            .header("authorization", &format!("DPoP {free}"))
            .header("dpop", &at(&own, "userinfo", &json!({ "htm": "GET", "ath": hash(&free) })));
        assert_eq!(said(&one.ask(&named).await), token_wrong);
    })
    .await;
}

/// A client that has to bind its tokens gets no other ones on any way.
#[tokio::test]
async fn no_way_leads_around_the_duty_to_bind() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let settings = Settings { dpop_bound: true, ..Settings::default() };
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    let client = stand
        .register(Application {
            public: false,
            first_party: true,
            grant_types: grants.map(str::to_owned).to_vec(),
            settings,
            ..app()
        })
        .await;
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    let (own, other) = (key(), key());
    let mut browser = Browser::new(&stand);
    let heard = async |request: Request| said(&stand.ask(&request.basic(id, secret)).await);
    let plain = || post("/oauth2/token", "grant_type=client_credentials");
    assert_eq!(heard(plain()).await, NEEDED);
    // Asked for in the open, and handed over before with a proof, with a name of a key, and without.
    let pushed = async |request: Request| -> String {
        let reply: Reply = stand.ask(&request.basic(id, secret)).await;
        assert_eq!(said(&reply), "201");
        encode(&[("client_id", id), ("request_uri", &text(&body(&reply), "request_uri"))])
    };
    let named = [("dpop_jkt", own.kid())];
    let ways = [
        wish(&client, &[]),
        wish(&client, &named),
        pushed(post("/oauth2/par", &wish(&client, &[]))).await,
        pushed(post("/oauth2/par", &wish(&client, &named))).await,
        pushed(
            post("/oauth2/par", &wish(&client, &[])).header("dpop", &at(&own, "par", &json!({}))),
        )
        .await,
    ];
    for (way, query) in ways.iter().enumerate() {
        let code = browser.code(query).await;
        let asked = || exchange_of(&client, &code, &[]);
        assert_eq!(heard(asked()).await, NEEDED, "way {way}, no proof");
        let with_code = [1, 3, 4].contains(&way);
        if with_code {
            let stolen = asked().header("dpop", &at_token(&other));
            assert_eq!(heard(stolen).await, "400 invalid_grant", "way {way}, another key");
            continue;
        }
        let good = stand.ask(&asked().basic(id, secret).header("dpop", &at_token(&own))).await;
        assert_eq!((said(&good).as_str(), &body(&good)["token_type"]), ("200", &json!("DPoP")));
        let refresh = text(&body(&good), "refresh_token");
        let again = heard(refresh_of(&client, &refresh, "")).await;
        assert_eq!(again, NEEDED, "way {way}, refreshed without a proof");
    }
    let wrong = post("/oauth2/par", &wish(&client, &[])).header("dpop", &at_token(&own));
    assert_eq!(heard(wrong).await, NEEDED, "a proof for another endpoint");
    assert_eq!(
        step(&browser.authorize(&wish(&client, &[("dpop_jkt", "x")])).await),
        "invalid_request"
    );
}
