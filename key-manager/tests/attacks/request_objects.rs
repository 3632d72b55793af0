//! Attack list, request objects: does a request count as its client made it, and is nobody asked for it?
//!
//! Keys, claims, and what stands beside an object are in the suite `service`, `requests.rs`; forged
//! objects in `jose.rs`; those for another server in `mix_up.rs`.

use futures_util::future::join_all;
use key_manager::client_auth::Settings;
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, VERIFIER, app, challenge, encode, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::elsewhere::Elsewhere;
use crate::forge::{changed, cut, key};
use crate::places::ISSUER;
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

async fn signing(stand: &Stand, jwks: &Value) -> Registered {
    let settings = Settings { jwks: jwks.to_string(), ..Settings::default() };
    stand.register(Application { public: false, settings, ..app() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_for_a_request() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let elsewhere = Elsewhere::start(data).await;
    let mut config = config();
    config.outbound.allow =
        ["127.0.0.0/8", "::1"].map(|one| one.parse().expect("an exception")).to_vec();
    config.outbound.authorities = data.join("pki/ca.pem");
    let stand = Stand::with(&scratch, data, BEGIN, config).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    for uri in [
        elsewhere.uri.as_str(),
        "http://127.0.0.1/r",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "urn:ietf:params:oauth:request_uri",
        "URN:ietf:params:oauth:request_uri:x",
        "data:application/jwt,e30.e30.",
    ] {
        let reply = browser.authorize(&wish(&client, &[("request_uri", uri)])).await;
        assert_eq!(step(&reply), "request_uri_not_supported", "{uri}");
        let pushed = stand.ask(&post("/oauth2/par", &wish(&client, &[("request_uri", uri)]))).await;
        assert_eq!(said(&pushed), "400 invalid_request", "{uri}");
    }
    for uri in ["urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:*"] {
        let reply = browser.authorize(&wish(&client, &[("request_uri", uri)])).await;
        assert_eq!(step(&reply), "page 400", "{uri}");
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn what_stands_inside_is_all_that_counts() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let signer = key();
    let client = signing(&stand, &json!({ "keys": [signer.public_jwk()] })).await;
    let id = client.client.id.as_str();
    let right = json!({
        "iss": id, "aud": ISSUER, "nbf": BEGIN, "exp": BEGIN + 300, "client_id": id,
        "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid a", "state": "inside",
        "nonce": "inside", "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
    });
    let object = |changes: &Value| {
        let claims = changed(right.clone(), changes);
        signer.sign("oauth-authz-req+jwt", &claims).expect("signed")
    };
    let mut browser = Browser::new(&stand);
    let mut ask = async |changes: Value, beside: &[(&str, &str)]| {
        let object = object(&changes);
        let mut pairs = vec![("client_id", id), ("request", object.as_str())];
        pairs.extend(beside);
        browser.authorize(&encode(&pairs)).await
    };
    // What is left out inside is not taken from beside it.
    let beside = [
        ("redirect_uri", CALLBACK),
        ("state", "outside"),
        ("nonce", "outside"),
        ("scope", "openid a b"),
        ("prompt", "none"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("response_type", "code"),
    ];
    assert_eq!(step(&ask(json!({}), &beside).await), "login", "prompt came from outside");
    let reply = ask(json!({ "code_challenge": null }), &beside).await;
    assert_eq!(step(&reply), "invalid_request");
    assert_eq!(sent(&reply, "state").as_deref(), Some("inside"));
    let reply = ask(json!({ "state": null, "scope": "openid z" }), &beside).await;
    assert_eq!((step(&reply).as_str(), sent(&reply, "state")), ("invalid_scope", None));
    let reply = ask(json!({ "response_type": null }), &beside).await;
    assert_eq!(step(&reply), "invalid_request");
    assert_eq!(step(&ask(json!({ "redirect_uri": null }), &beside).await), "page 400");
    // What is no text there is no text.
    for odd in [
        json!({ "redirect_uri": [CALLBACK] }),
        json!({ "redirect_uri": { "a": CALLBACK } }),
        json!({ "redirect_uri": "https://evil.example/cb" }),
        json!({ "redirect_uri": "javascript:alert(1)" }),
    ] {
        assert_eq!(step(&ask(odd.clone(), &beside).await), "page 400", "{odd}");
    }
    for odd in [
        json!({ "state": "a\u{0}b" }),
        json!({ "client_id": "somebody" }),
        json!({ "client_id": [id] }),
        json!({ "request": object(&json!({})) }),
        json!({ "request_uri": "https://app.example/r" }),
    ] {
        let heard = step(&ask(odd.clone(), &beside).await);
        assert_eq!(heard, "invalid_request_object", "{odd}");
    }
    let both = [("request_uri", "urn:ietf:params:oauth:request_uri:x"), ("redirect_uri", CALLBACK)];
    assert_eq!(step(&ask(json!({}), &both).await), "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pushed_request_is_opened_once_by_its_client() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        let client = one.register(Application { public: false, ..app() }).await;
        let id = client.client.id.as_str();
        let pushed = post("/oauth2/par", &wish(&client, &[])).basic(id, &client.secret);
        let pushed = one.ask(&pushed).await;
        assert_eq!(said(&pushed), "201");
        let name = text(&body(&pushed), "request_uri");
        let secret = name.strip_prefix("urn:ietf:params:oauth:request_uri:").expect("a name");
        assert!(secret.len() >= 43, "fewer than 256 bits: {name}");
        let query = encode(&[("client_id", id), ("request_uri", &name)]);
        // Those that are almost its name, or somebody else's.
        let other = one.register(Application { public: false, ..app() }).await;
        for (id, name) in [
            (id, format!("{name}A")),
            (id, cut(&name).to_owned()),
            (id, format!("{name}=")),
            (id, name.to_lowercase()),
            (other.client.id.as_str(), name.clone()),
        ] {
            let wrong = encode(&[("client_id", id), ("request_uri", &name)]);
            let heard = step(&Browser::new(&one).authorize(&wrong).await);
            let refused = ["page 400", "request_uri_not_supported"].contains(&heard.as_str());
            assert!(refused, "{name}: {heard}");
        }
        let asked = (0..50).map(|n| {
            let (stand, query) = (if n % 2 == 0 { &one } else { &two }, query.as_str());
            async move { step(&Browser::new(stand).authorize(query).await) }
        });
        let answers = join_all(asked).await;
        let opened = answers.iter().filter(|answer| *answer == "login").count();
        assert_eq!(opened, 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer == "login" || answer == "page 400"));
    })
    .await;
}
