//! Is a token for the holder of a key only, and is a proof good here, now and once? (RFC 9449)

use jose::{Algorithm, SigningKey};
use key_manager::client_auth::Settings;
use key_manager::endpoint::{Reply, Request, introspect_for_gateway};
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, exchange_of, refresh_of, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

const TOKEN: &str = "https://127.0.0.1:9453/oauth2/token";
const FORM: &str = "grant_type=client_credentials";
const REFUSED: &str = "400 invalid_dpop_proof";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).expect("a key")
}

/// A proof with these claims and header fields instead of the right ones; `null` leaves one out.
fn proof(key: &SigningKey, claims: &Value, header: &Value) -> String {
    let mut jwk = key.public_jwk();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().expect("a key").remove(name);
    }
    let right = json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk });
    let right_claims = json!({
        "jti": chassis::random::token(16), "htm": "POST", "htu": TOKEN, "iat": BEGIN,
    });
    let header = changed(right, header).to_string();
    key.sign_under(&header, &changed(right_claims, claims)).expect("signed")
}

fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().expect("changes") {
        value[name] = change.clone();
    }
    value.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    value
}

async fn bound(stand: &Stand) -> Registered {
    let settings = Settings { dpop_bound: true, ..Settings::default() };
    let name = "wallet".to_owned();
    stand.register(Application { name, settings, ..Application::default() }).await
}

async fn ask(stand: &Stand, client: &Registered, proofs: &[&str]) -> Reply {
    let mut request = post("/oauth2/token", FORM).basic(client.client.id.as_str(), &client.secret);
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    stand.ask(&request).await
}

/// What a client hears whose proof is right in everything else.
async fn check(stand: &Stand, client: &Registered, claims: Value, header: Value, answer: &str) {
    let made = proof(&key(), &claims, &header);
    let reply = ask(stand, client, &[&made]).await;
    assert_eq!(said(&reply), answer, "{claims} {header}");
}

#[tokio::test]
async fn a_token_is_bound_to_the_key_of_the_proof_and_says_so() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        // Bound by agreement, and because it wants to be.
        for client in [bound(&stand).await, stand.client(&[]).await] {
            for algorithm in [Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA] {
                let key = SigningKey::generate(algorithm).expect("a key");
                let made = proof(&key, &json!({}), &json!({}));
                let reply = body(&ask(&stand, &client, &[&made]).await);
                assert_eq!(reply["token_type"], "DPoP");
                let token = text(&reply, "access_token");
                assert_eq!(part(&token, 1)["cnf"], json!({ "jkt": key.kid() }));

                let shown = stand.post("/introspect", &client, &format!("token={token}")).await;
                assert_eq!(body(&shown)["cnf"], json!({ "jkt": key.kid() }));
                assert_eq!(body(&shown)["token_type"], "DPoP");
                let seen = introspect_for_gateway(&stand.authority, &token).await;
                let seen = seen.expect("an answer").expect("a token").0.confirmation;
                assert_eq!((seen.key.as_deref(), seen.certificate), (Some(key.kid()), None));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_must_bind_never_gets_a_bearer_token() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let (must, may) = (bound(&stand).await, stand.client(&[]).await);
    assert_eq!(said(&ask(&stand, &must, &[]).await), REFUSED);
    let bearer = body(&ask(&stand, &may, &[]).await);
    assert_eq!(bearer["token_type"], "Bearer");
    assert!(part(&text(&bearer, "access_token"), 1).get("cnf").is_none());
    // A proof that does not hold is no way back to a bearer token.
    assert_eq!(said(&ask(&stand, &may, &["x"]).await), REFUSED);
    assert_eq!(said(&ask(&stand, &may, &[""]).await), REFUSED);
}

#[tokio::test]
async fn a_proof_is_for_this_request_and_for_now() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = bound(&stand).await;
    let table = [
        (json!({}), "200"),
        (json!({ "htm": "GET" }), REFUSED),
        (json!({ "htm": "post" }), REFUSED),
        (json!({ "htm": null }), REFUSED),
        (json!({ "htu": format!("{TOKEN}?a=b#c") }), "200"),
        (json!({ "htu": "https://127.0.0.1:9453/oauth2/revoke" }), REFUSED),
        (json!({ "htu": "http://127.0.0.1:9453/oauth2/token" }), REFUSED),
        (json!({ "htu": "https://other/oauth2/token" }), REFUSED),
        (json!({ "htu": [TOKEN] }), REFUSED),
        (json!({ "htu": null }), REFUSED),
        (json!({ "iat": BEGIN - 70 }), "200"),
        (json!({ "iat": BEGIN - 71 }), REFUSED),
        (json!({ "iat": BEGIN + 10 }), "200"),
        (json!({ "iat": BEGIN + 11 }), REFUSED),
        (json!({ "iat": i64::MAX }), REFUSED),
        (json!({ "iat": i64::MIN }), REFUSED),
        (json!({ "iat": "now" }), REFUSED),
        (json!({ "iat": null }), REFUSED),
        (json!({ "jti": "" }), REFUSED),
        (json!({ "jti": 1 }), REFUSED),
        (json!({ "jti": "x".repeat(257) }), REFUSED),
        (json!({ "jti": null }), REFUSED),
    ];
    for (claims, answer) in table {
        check(&stand, &client, claims, json!({}), answer).await;
    }
}

#[tokio::test]
async fn a_proof_is_signed_with_the_private_half_of_the_public_key_it_shows() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = bound(&stand).await;
    let foreign = key().public_jwk();
    let mut private = foreign.clone();
    private["d"] = json!("AAAA");
    let table = [
        json!({ "typ": "JWT" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": null }),
        json!({ "alg": "none" }),
        json!({ "alg": "nOnE" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ES384" }),
        json!({ "alg": null }),
        json!({ "jwk": foreign }),
        json!({ "jwk": private }),
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "jwk": null, "kid": "1" }),
        json!({ "jwk": null, "jku": "https://evil/keys" }),
        json!({ "crit": ["jwk"] }),
    ];
    for header in table {
        check(&stand, &client, json!({}), header, REFUSED).await;
    }
    let rsa = SigningKey::generate(Algorithm::RS256).expect("a key");
    let made = proof(&rsa, &json!({}), &json!({}));
    assert_eq!(said(&ask(&stand, &client, &[&made]).await), REFUSED, "RS256 is not for proofs");
    let key = key();
    let two = [proof(&key, &json!({}), &json!({})), proof(&key, &json!({}), &json!({}))];
    assert_eq!(said(&ask(&stand, &client, &[&two[0], &two[1]]).await), REFUSED);
    assert_eq!(said(&ask(&stand, &client, &[&"x".repeat(10_000)]).await), REFUSED);
    let cut = two[0].rsplit_once('.').expect("parts").0;
    assert_eq!(said(&ask(&stand, &client, &[&format!("{cut}.")]).await), REFUSED);
}

#[tokio::test]
async fn a_proof_is_good_once_whichever_process_hears_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = bound(&stand).await;
        let made = proof(&key(), &json!({ "jti": "once" }), &json!({}));
        assert_eq!(said(&ask(&stand, &client, &[&made]).await), "200");
        assert_eq!(said(&ask(&stand, &client, &[&made]).await), REFUSED);
        let beside = Stand::on(&scratch).await;
        assert_eq!(said(&ask(&beside, &client, &[&made]).await), REFUSED, "another process");
        let later = Stand::at(&scratch, scratch.folder.path(), BEGIN + 70).await;
        assert_eq!(said(&ask(&later, &client, &[&made]).await), REFUSED, "its last second");
        check(&beside, &client, json!({ "jti": "once" }), json!({}), "200").await;

        // A request that is refused for another reason uses nothing up.
        let made = proof(&key(), &json!({}), &json!({}));
        let wrong = post("/token", &format!("{FORM}&scope=z"))
            .basic(client.client.id.as_str(), &client.secret)
            .header("dpop", &made);
        assert_eq!(said(&stand.ask(&wrong).await), "400 invalid_scope");
        assert_eq!(said(&ask(&stand, &client, &[&made]).await), "200");

        let made = proof(&key(), &json!({}), &json!({}));
        let shown = [made.as_str()];
        let asked = (0..20).map(|_| async { said(&ask(&stand, &client, &shown).await) });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.into_iter().filter(|answer| answer == "200").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_remembered_of_one_client_is_bounded() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.clients.remembered = 2;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let (ann, ben) = (bound(&stand).await, bound(&stand).await);
    for answer in ["200", "200", "429 temporarily_unavailable"] {
        check(&stand, &ann, json!({}), json!({}), answer).await;
    }
    check(&stand, &ben, json!({}), json!({}), "200").await;
    stand.pass(71);
    check(&stand, &ann, json!({ "iat": BEGIN + 71 }), json!({}), "200").await;
}

#[tokio::test]
async fn a_nonce_is_asked_for_given_and_replaced() {
    each(async |scratch| {
        let mut with = config();
        with.dpop.nonces = true;
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, with.clone()).await;
        let beside = Stand::with(&scratch, scratch.folder.path(), BEGIN, with).await;
        let client = bound(&stand).await;
        let nonce =
            |reply: &Reply| reply.headers()["dpop-nonce"].to_str().expect("text").to_owned();
        let key = key();

        let reply = ask(&stand, &client, &[&proof(&key, &json!({ "jti": "1" }), &json!({}))]).await;
        assert_eq!(said(&reply), "400 use_dpop_nonce");
        let first = nonce(&reply);
        // The same name may come again: nothing was used up. Another process knows the nonce too.
        let good = proof(&key, &json!({ "jti": "1", "nonce": first }), &json!({}));
        let reply = ask(&beside, &client, &[&good]).await;
        assert_eq!(said(&reply), "200");
        assert_eq!(nonce(&reply), first);
        assert_eq!(said(&ask(&stand, &client, &[&good]).await), REFUSED, "a replay");
        for forged in [json!("x"), json!(""), json!([first]), json!(first.to_uppercase())] {
            check(&stand, &client, json!({ "nonce": forged }), json!({}), "400 use_dpop_nonce")
                .await;
        }

        stand.pass(60);
        let late = json!({ "nonce": first, "iat": BEGIN + 60 });
        let reply = ask(&stand, &client, &[&proof(&key, &late, &json!({}))]).await;
        assert_eq!(said(&reply), "200");
        assert_ne!(nonce(&reply), first, "the next one is given along");
        stand.pass(60);
        let old = json!({ "nonce": first, "iat": BEGIN + 120 });
        let reply = ask(&stand, &client, &[&proof(&key, &old, &json!({}))]).await;
        assert_eq!(said(&reply), "400 use_dpop_nonce");
        // Without a proof there is nothing to give a nonce for.
        let plain = stand.client(&[]).await;
        assert!(ask(&stand, &plain, &[]).await.headers().get("dpop-nonce").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_proof_may_name_every_address_that_clients_were_given() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    let gateway = "https://gateway.example:8443";
    config.clients.addresses.push(key_manager::endpoint::Issuer::parse(gateway).expect("a URL"));
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let client = bound(&stand).await;
    check(&stand, &client, json!({ "htu": format!("{gateway}/token") }), json!({}), "200").await;
    check(&stand, &client, json!({ "htu": TOKEN }), json!({}), "200").await;
    let made = proof(&key(), &json!({ "htu": "https://evil.example/token" }), &json!({}));
    let request = post("/oauth2/token", FORM)
        .basic(client.client.id.as_str(), &client.secret)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("dpop", &made);
    assert_eq!(said(&stand.ask(&request).await), REFUSED, "a header said where we are");
}

#[tokio::test]
async fn a_public_clients_refresh_token_is_good_with_its_key_only() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let (own, other) = (key(), key());
    let shown = |key: &SigningKey| proof(key, &json!({}), &json!({}));
    let code = Browser::new(&stand).code(&wish(&client, &[])).await;
    let asked = exchange_of(&client, &code, &[]).header("dpop", &shown(&own));
    let first = body(&stand.ask(&asked).await);
    assert_eq!(first["token_type"], "DPoP");
    let token = first["refresh_token"].as_str().expect("a token").to_owned();
    let refresh = async |proof: Option<String>| {
        let mut request = refresh_of(&client, &token, "");
        if let Some(proof) = proof {
            request = request.header("dpop", &proof);
        }
        stand.ask(&request).await
    };
    assert_eq!(said(&refresh(None).await), "400 invalid_grant");
    assert_eq!(said(&refresh(Some(shown(&other))).await), "400 invalid_grant");
    assert_eq!(body(&refresh(Some(shown(&own))).await)["token_type"], "DPoP");
    let person = Request { method: http::Method::GET, ..post("/oauth2/userinfo", "") };
    let access = format!("Bearer {}", first["access_token"].as_str().expect("a token"));
    let told = stand.ask(&person.header("authorization", &access)).await;
    assert_eq!(told.status().as_u16(), 401, "a bound token was taken as a bearer token");
}
