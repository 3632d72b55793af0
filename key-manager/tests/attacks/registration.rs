//! Attack list, registration: does a client that registers itself get no more than it may, and does it
//! make nobody ask anybody?
//!
//! Redirect addresses, tokens of a registration and their replacement are in the suite `service`,
//! `dynamic.rs`; other spellings of our own addresses in `chassis`, `outbound_tests.rs`. Client
//! identifiers that are URLs (CIMD) are not taken.

use bytes::Bytes;
use http::Method;
use jose::{Algorithm, SigningKey};
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::Access;
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, encode, step, wish};
use crate::databases::Scratch;
use crate::elsewhere::Elsewhere;
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

async fn stand(scratch: &Scratch) -> Stand {
    let mut config = config();
    config.registration.access = Access::Everybody;
    // Whoever was asked would be believed: nothing but the address keeps a request away.
    config.outbound.authorities = scratch.folder.path().join("pki/ca.pem");
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

fn request(method: Method, path: &str, metadata: &Value) -> Request {
    let mut request = post(path, "");
    request.headers.clear();
    let request = request.header("content-type", "application/json");
    Request { method, body: Some(Bytes::from(metadata.to_string())), ..request }
}

async fn register(stand: &Stand, metadata: &Value) -> Reply {
    stand.ask(&request(Method::POST, "/oauth2/register", metadata)).await
}

#[tokio::test]
async fn what_only_an_operator_gives_is_not_taken_by_asking() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    stand.person().await;
    let known = stand.client(&["turnpike:introspect"]).await;
    let id = known.client.id.as_str();
    let asked = json!({
        "redirect_uris": [CALLBACK], "client_name": "Shop",
        "client_id": id, "client_secret": "mine", "client_id_issued_at": 1,
        "registration_access_token": "mine", "scope": "openid turnpike:introspect turnpike:register a",
        "first_party": true, "allow_no_pkce_insecure": true, "public": true, "trusted": true,
        "access_token_seconds": 86_400, "access_token_lifetime": 86_400, "refresh_policy": "static",
        "audience": ["other"], "claims": { "roles": ["admin"] }, "protocol_mappers": [{ "x": 1 }],
        "roles": ["admin"], "groups": ["admin"], "service_account": true, "ended_until": 0,
        "default_acr_values": ["urn:turnpike:acr:mfa"], "__proto__": { "first_party": true },
        "consent_required": false, "skip_consent": true, "metadata": { "first_party": true },
    });
    let made = register(&stand, &asked).await;
    assert_eq!(said(&made), "201");
    let made = body(&made);
    assert_ne!(text(&made, "client_id"), id, "somebody else's identifier");
    assert_ne!(text(&made, "client_secret"), "mine");
    assert_ne!(text(&made, "registration_access_token"), "mine");
    assert_eq!(made["scope"], "openid");
    for name in asked.as_object().expect("an object").keys() {
        let told = ["redirect_uris", "client_name", "client_id", "client_secret", "scope"];
        let ours = ["client_id_issued_at", "registration_access_token"];
        let fine = told.contains(&name.as_str()) || ours.contains(&name.as_str());
        assert!(fine || made.get(name).is_none(), "{name} was taken: {}", made[name]);
    }
    // The known one is as it was.
    assert!(stand.active(&known, &stand.token(&known).await).await);
    let stored = stand.store_client(&text(&made, "client_id")).await.client;
    assert!(!stored.first_party && !stored.requests.without_pkce);
    assert_eq!(stored.access_token_seconds, None);
    // People are asked, and PKCE is wanted.
    let client = stand.store_client(&text(&made, "client_id")).await;
    let bare = wish(
        &client,
        &[("scope", "openid"), ("code_challenge", ""), ("code_challenge_method", "")],
    );
    assert_eq!(step(&Browser::new(&stand).authorize(&bare).await), "invalid_request");
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[("scope", "openid")])).await;
    let page = browser.log_in(&page, "ann", crate::browser::PASSWORD).await;
    assert_eq!(step(&page), "consent");
    // The same when it is changed.
    let mut again = asked.clone();
    again["client_id"] = made["client_id"].clone();
    let path = format!("/oauth2/register/{}", text(&made, "client_id"));
    let token = text(&made, "registration_access_token");
    let change =
        request(Method::PUT, &path, &again).header("authorization", &format!("Bearer {token}"));
    let changed = body(&stand.ask(&change).await);
    assert_eq!(changed["scope"], "openid");
    let stored = stand.store_client(&text(&made, "client_id")).await.client;
    assert!(!stored.first_party && !stored.requests.without_pkce);
}

#[tokio::test]
async fn the_token_of_a_registration_opens_its_registration_only() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    let made = body(&register(&stand, &json!({ "redirect_uris": [CALLBACK] })).await);
    let other = body(&register(&stand, &json!({ "redirect_uris": [CALLBACK] })).await);
    let token = text(&made, "registration_access_token");
    let bearer = format!("Bearer {token}");
    let at = async |method: Method, path: &str| {
        let request = request(method, path, &json!({})).header("authorization", &bearer);
        said(&stand.ask(&request).await)
    };
    let of = |client: &Value| format!("/oauth2/register/{}", text(client, "client_id"));
    assert_eq!(at(Method::GET, &of(&made)).await, "200");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(at(method, &of(&other)).await, "401 invalid_token");
    }
    assert_eq!(at(Method::GET, "/oauth2/userinfo").await, "401 invalid_token");
    for path in [
        format!("{}/", of(&made)),
        format!("{}/x", of(&made)),
        "/oauth2/register/".to_owned(),
        "/oauth2/register/../register".to_owned(),
        format!("/oauth2/register/%2e%2e/{}", text(&made, "client_id")),
    ] {
        let heard = at(Method::GET, &path).await;
        assert!(heard.starts_with("40"), "{path}: {heard}");
    }
    assert!(!stand.lives(&token).await);
}

/// Whoever registers names servers; nobody of ours is asked, however the address is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_of_ours_is_asked_for_a_client() {
    let scratch = Scratch::sqlite();
    let elsewhere = Elsewhere::start(scratch.folder.path()).await;
    let key = SigningKey::generate(Algorithm::ES256).expect("a key");
    elsewhere.keep(&key);
    let stand = stand(&scratch).await;
    let port = elsewhere.uri.rsplit(':').next().and_then(|rest| rest.split('/').next());
    let port = port.expect("a port");
    for host in [
        "localhost",
        "localhost.",
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "\u{ff11}27.0.0.1",
        "127\u{3002}0.0.1",
        "%31%32%37.0.0.1",
    ] {
        let uri = format!("https://{host}:{port}/here");
        let asked = json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256", "jwks_uri": uri,
            "backchannel_logout_uri": uri, "client_uri": uri, "logo_uri": uri, "policy_uri": uri,
        });
        let made = register(&stand, &asked).await;
        if made.status() != 201 {
            assert_eq!(said(&made), "400 invalid_client_metadata", "{host}");
            continue;
        }
        let id = text(&body(&made), "client_id");
        let claims = json!({
            "iss": id, "sub": id, "aud": "https://127.0.0.1:9453/oauth2", "iat": BEGIN,
            "exp": BEGIN + 60, "jti": chassis::random::token(8),
        });
        let assertion = key.sign("JWT", &claims).expect("signed");
        let form = encode(&[
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ]);
        let reply = stand.ask(&post("/oauth2/token", &form)).await;
        assert_eq!(said(&reply), "401 invalid_client", "{host}");
    }
    for uri in [
        "http://app.example/keys",
        "ftp://app.example/",
        "file:///etc/passwd",
        "gopher://x/",
        "https://u:p@app.example/",
        "//app.example/",
    ] {
        let asked = json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": uri,
        });
        assert_eq!(said(&register(&stand, &asked).await), "400 invalid_client_metadata", "{uri}");
    }
    assert_eq!(elsewhere.asked(), 0, "somebody of ours was asked");
}
