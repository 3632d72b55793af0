//! Attack list, mix-up: can what one server issued be taken for another's?
//!
//! A client aborts when `iss` is not the server that it asked; what a server can do is to say it in
//! every answer, to believe nothing of another one, and never to describe itself by a request.

use http::Method;
use jose::{Expectation, KeySet};
use key_manager::client_auth::Settings;
use key_manager::endpoint::{Issuer, Request};
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, VERIFIER, app, encode, exchange_of, sent, wish};
use crate::databases::Scratch;
use crate::forge::{key, proof};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

const ONE: &str = "https://one.example/oauth2";
const TWO: &str = "https://two.example/oauth2";

async fn server(scratch: &Scratch, issuer: &str) -> Stand {
    let mut config = config();
    config.issuer.url = Issuer::parse(issuer).expect("a URL");
    let stand = Stand::with(scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    stand
}

#[tokio::test]
async fn every_answer_says_who_gives_it() {
    let scratch = Scratch::sqlite();
    let stand = server(&scratch, ONE).await;
    let client = stand.register(Application { first_party: true, ..app() }).await;
    let mut browser = Browser::new(&stand);
    browser.code(&wish(&client, &[])).await;
    let keys = KeySet::parse(&body(&stand.get("/jwks").await).to_string()).expect("keys");
    for (name, more) in [("code", ("prompt", "none")), ("error", ("scope", "admin"))] {
        let reply = browser.authorize(&wish(&client, &[more])).await;
        assert_eq!(sent(&reply, "iss").as_deref(), Some(ONE), "{name}");
        let reply = browser.authorize(&wish(&client, &[more, ("response_mode", "jwt")])).await;
        let token = sent(&reply, "response").expect("a signed answer");
        let expect = Expectation {
            audiences: vec![client.client.id.to_string()],
            types: vec!["JWT".to_owned()],
            ..Expectation::access_token(ONE)
        };
        let claims = jose::verify(&token, &keys, &expect, BEGIN).expect("of this server");
        assert!(claims.text(name).is_some(), "{name}");
        let page = browser.authorize(&wish(&client, &[more, ("response_mode", "form_post")])).await;
        let page = String::from_utf8_lossy(page.body()).into_owned();
        assert!(page.contains(&format!("name=\"iss\" value=\"{ONE}\"")), "{name}: {page}");
    }
}

#[tokio::test]
async fn a_server_describes_itself_and_nobody_else() {
    let scratch = Scratch::sqlite();
    let stand = server(&scratch, ONE).await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2",
        "/oauth2/.well-known/openid-configuration",
    ] {
        let asked = Request { method: Method::GET, ..post(path, "") };
        let asked = asked
            .header("host", "two.example")
            .header("x-forwarded-host", "two.example")
            .header("forwarded", "host=two.example;proto=http")
            .header("x-original-url", "https://two.example/");
        let told = body(&stand.ask(&asked).await);
        assert_eq!(told["issuer"], ONE, "{path}");
        assert_eq!(told["authorization_response_iss_parameter_supported"], true, "{path}");
        for (name, value) in told.as_object().expect("an object") {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                let at = value.as_str().expect("a URL");
                assert!(at.starts_with(&format!("{ONE}/")), "{path}: {name} is {at}");
            }
        }
    }
}

/// A code, tokens and proofs for one server, shown to the other with the same client and person.
#[tokio::test]
async fn what_is_for_one_server_is_nothing_to_the_other() {
    let (first, second) = (Scratch::sqlite(), Scratch::sqlite());
    let (one, two) = (server(&first, ONE).await, server(&second, TWO).await);
    let signer = key();
    let settings = Settings {
        method: "private_key_jwt".to_owned(),
        algorithm: "ES256".to_owned(),
        jwks: json!({ "keys": [signer.public_jwk()] }).to_string(),
        ..Settings::default()
    };
    let grants = ["authorization_code", "client_credentials"].map(str::to_owned).to_vec();
    let asserting = Application { public: false, grant_types: grants, settings, ..app() };
    let (here, client) = (one.register(app()).await, one.register(asserting).await);
    let there = moved(&one, &two, &here).await;
    let strong = moved(&one, &two, &client).await;

    let code = Browser::new(&one).code(&wish(&here, &[])).await;
    assert_eq!(said(&two.exchange(&there, &code, &[]).await), "400 invalid_grant", "a code");
    let tokens = body(&one.exchange(&here, &code, &[]).await);
    let access = text(&tokens, "access_token");
    let person = Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
    let person = person.header("authorization", &format!("Bearer {access}"));
    assert_eq!(said(&one.ask(&person).await), "200");
    assert_eq!(said(&two.ask(&person).await), "401 invalid_token", "an access token");
    assert!(!two.lives(&access).await);
    let refresh = text(&tokens, "refresh_token");
    let refreshed = two.refresh(&there, &refresh, "").await;
    assert_eq!(said(&refreshed), "400 invalid_grant", "a refresh token");
    let hint = encode(&[("id_token_hint", &text(&tokens, "id_token"))]);
    let leave = Request { method: Method::GET, query: Some(hint), ..post("/oauth2/logout", "") };
    assert_eq!(two.ask(&leave).await.status(), 400, "an ID token");

    let assertion = |aud: &str| {
        let id = strong.client.id.as_str();
        let jti = chassis::random::token(8);
        let claims = json!({ "iss": id, "sub": id, "aud": aud, "exp": BEGIN + 60, "jti": jti });
        signer.sign("JWT", &claims).expect("signed")
    };
    let asked = |assertion: &str, proof: &str| {
        let form = encode(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ]);
        let request = post("/oauth2/token", &form);
        if proof.is_empty() { request } else { request.header("dpop", proof) }
    };
    let of = |htu: &str| proof(&signer, &json!({ "htu": htu, "iat": BEGIN }), &json!({}));
    let (at_one, at_two) = (format!("{ONE}/token"), format!("{TWO}/token"));
    let table = [
        (assertion(TWO), of(&at_two), "200"),
        (assertion(ONE), String::new(), "401 invalid_client"),
        (assertion(&at_one), String::new(), "401 invalid_client"),
        (assertion(TWO), of(&at_one), "400 invalid_dpop_proof"),
    ];
    for (assertion, proof, answer) in table {
        assert_eq!(said(&two.ask(&asked(&assertion, &proof)).await), answer);
    }

    // A client that took the code of one to the other gave it away, and nothing was won: it is bound
    // to a verifier that the thief does not have, and it is spent.
    let code = Browser::new(&one).code(&wish(&here, &[])).await;
    assert_eq!(said(&two.exchange(&there, &code, &[]).await), "400 invalid_grant");
    let thief = exchange_of(&here, &code, &[("code_verifier", &VERIFIER.to_uppercase())]);
    assert_eq!(said(&one.ask(&thief).await), "400 invalid_grant");
}

/// The same client, with the same identifier and keys, at another server.
async fn moved(from: &Stand, to: &Stand, client: &Registered) -> Registered {
    use key_manager::store::Store as _;

    let stored = from.store.client(&client.client.id).await.expect("read").expect("a client");
    to.store.add_client(&stored).await.expect("added");
    to.store_client(client.client.id.as_str()).await
}

#[tokio::test]
async fn a_signed_request_for_one_server_is_none_for_the_other() {
    let scratch = Scratch::sqlite();
    let stand = server(&scratch, ONE).await;
    let signer = key();
    let settings = Settings {
        jwks: json!({ "keys": [signer.public_jwk()] }).to_string(),
        ..Settings::default()
    };
    let client = stand.register(Application { public: false, settings, ..app() }).await;
    let id = client.client.id.as_str();
    let ask = async |aud: Value| {
        let mut claims = json!({ "iss": id, "client_id": id, "aud": aud, "exp": BEGIN + 60,
                                 "nbf": BEGIN });
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(wish(&client, &[]).as_bytes()).into_owned().collect();
        for (name, value) in pairs {
            claims[name] = json!(value);
        }
        let object = signer.sign("oauth-authz-req+jwt", &claims).expect("signed");
        let request = post("/oauth2/par", &encode(&[("request", &object)]));
        said(&stand.ask(&request.basic(id, &client.secret)).await)
    };
    assert_eq!(ask(json!(ONE)).await, "201");
    assert_eq!(ask(json!(TWO)).await, "400 invalid_request_object");
    assert_eq!(ask(json!(format!("{ONE}/"))).await, "400 invalid_request_object");
    assert_eq!(ask(json!([TWO])).await, "400 invalid_request_object");
}
