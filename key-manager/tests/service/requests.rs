//! Does a request arrive as its client made it, and the answer as it asked? (RFC 9126, RFC 9101,
//! JARM, form post; KM-010, KM-011, KM-030)

use http::Method;
use jose::{Algorithm, Expectation, KeySet, SigningKey};
use key_manager::client_auth::Settings;
use key_manager::domain::Requests;
use key_manager::endpoint::Request;
use key_manager::registration::{
    Application, Registered, RegistrationError, WantedTerms, register,
};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, PASSWORD, app, encode, exchange_of, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::elsewhere::{Elsewhere, reaching};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

const PUSHED: Requests = Requests { pushed: true, signed: false, without_pkce: false };
const ISSUER: &str = "https://127.0.0.1:9453/oauth2";

/// A confidential client that signs with `key`, and has to do so if `must`.
async fn signing(stand: &Stand, key: &SigningKey, must: bool) -> Registered {
    let settings =
        Settings { jwks: json!({ "keys": [key.public_jwk()] }).to_string(), ..Settings::default() };
    let requests = Requests { signed: must, ..Requests::default() };
    stand.register(Application { public: false, settings, requests, ..app() }).await
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).expect("a key")
}

fn pushing(client: &Registered, form: &str) -> Request {
    let request = post("/oauth2/par", form);
    if client.secret.is_empty() {
        request
    } else {
        request.basic(client.client.id.as_str(), &client.secret)
    }
}

async fn push(stand: &Stand, client: &Registered, changes: &[(&str, &str)]) -> String {
    let reply = stand.ask(&pushing(client, &wish(client, changes))).await;
    assert_eq!(said(&reply), "201");
    assert_eq!(body(&reply)["expires_in"], 90);
    text(&body(&reply), "request_uri")
}

fn by_name(client: &Registered, name: &str) -> String {
    encode(&[("client_id", client.client.id.as_str()), ("request_uri", name)])
}

#[tokio::test]
async fn a_pushed_request_is_good_once_for_its_client_and_for_a_while() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.register(Application { public: false, ..app() }).await;
        let mut browser = Browser::new(&stand);
        let name = push(&stand, &client, &[]).await;
        assert!(name.starts_with("urn:ietf:params:oauth:request_uri:") && name.len() > 70);
        let code = browser.code(&by_name(&client, &name)).await;
        let exchange =
            exchange_of(&client, &code, &[]).basic(client.client.id.as_str(), &client.secret);
        assert_eq!(said(&stand.ask(&exchange).await), "200");
        let check = async |browser: &mut Browser<'_>, query: &str, seen: &str| {
            assert_eq!(step(&browser.authorize(query).await), seen, "{query}");
        };
        check(&mut browser, &by_name(&client, &name), "page 400").await;

        let other = stand.register(Application { public: false, ..app() }).await;
        let name = push(&stand, &client, &[]).await;
        check(&mut browser, &by_name(&other, &name), "page 400").await;
        // Nobody changes it on the way.
        let more =
            format!("{}&scope=openid+b&redirect_uri=https://evil.example", by_name(&client, &name));
        let reply = browser.authorize(&more).await;
        let reply =
            if step(&reply) == "consent" { browser.decide(&reply, "allow").await } else { reply };
        assert!(sent(&reply, "code").is_some(), "{}", step(&reply));
        let location = reply.headers()["location"].to_str().expect("text");
        assert!(location.starts_with(CALLBACK), "{location}");

        let name = push(&stand, &client, &[]).await;
        stand.pass(91);
        check(&mut browser, &by_name(&client, &name), "page 400").await;
        for name in ["urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:x"] {
            check(&mut browser, &by_name(&client, name), "page 400").await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_pushed_request_is_said_at_once() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.register(Application { public: false, ..app() }).await;
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "400 invalid_request"),
            (&[("redirect_uri", "https://evil.example")], "400 invalid_request"),
            (&[("redirect_uri", "")], "400 invalid_request"),
            (&[("response_type", "")], "400 invalid_request"),
            (&[("response_type", "token")], "400 unsupported_response_type"),
            (&[("response_mode", "web_message")], "400 invalid_request"),
            (&[("code_challenge", "")], "400 invalid_request"),
            (&[("code_challenge_method", "plain")], "400 invalid_request"),
            (&[("scope", "admin")], "400 invalid_scope"),
            (&[("resource", "https://unknown.example")], "400 invalid_target"),
            (&[("client_id", "somebody")], "400 invalid_request"),
            (&[("dpop_jkt", "short")], "400 invalid_request"),
            (&[("request", "e30.e30.")], "400 invalid_request_object"),
        ];
        for (changes, answer) in table {
            let reply = stand.ask(&pushing(&client, &wish(&client, changes))).await;
            let said = said(&reply);
            // Another client's name beside our credentials is a contradiction before all else.
            let known = *answer == said || (changes[0].0 == "client_id" && said.starts_with("40"));
            assert!(known, "{changes:?}: {said}");
        }
        let stranger = post("/oauth2/par", &wish(&client, &[]));
        assert_eq!(said(&stand.ask(&stranger).await), "401 invalid_client");
        let get = Request { method: Method::GET, ..post("/oauth2/par", "") };
        assert_eq!(said(&stand.ask(&get).await), "405 invalid_request");
    })
    .await;
}

#[tokio::test]
async fn who_has_to_push_cannot_ask_in_the_open() {
    each(async |scratch| {
        let mut config = config();
        config.clients.require_pushed = true;
        let data = scratch.folder.path();
        let strict = Stand::with(&scratch, data, BEGIN, config).await;
        let client = strict.app().await;
        let reply = Browser::new(&strict).authorize(&wish(&client, &[])).await;
        assert_eq!(step(&reply), "invalid_request");
        let stand = Stand::on(&scratch).await;
        let client = stand.register(Application { requests: PUSHED, ..app() }).await;
        let reply = Browser::new(&stand).authorize(&wish(&client, &[])).await;
        assert_eq!(step(&reply), "invalid_request");
        let name = push(&stand, &client, &[]).await;
        assert_eq!(step(&Browser::new(&stand).authorize(&by_name(&client, &name)).await), "login");
    })
    .await;
}

/// A good request object of `client`, with `changes`; null leaves a claim out.
fn object(client: &Registered, key: &SigningKey, changes: &Value) -> String {
    let id = client.client.id.as_str();
    let mut claims = json!({
        "iss": id, "aud": ISSUER, "iat": BEGIN, "nbf": BEGIN, "exp": BEGIN + 300,
        "client_id": id, "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid a",
        "state": "inside", "code_challenge": crate::browser::challenge(crate::browser::VERIFIER),
        "code_challenge_method": "S256", "max_age": 600,
    });
    for (name, value) in changes.as_object().expect("changes") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
    key.sign("oauth-authz-req+jwt", &claims).expect("signed")
}

#[tokio::test]
async fn a_signed_request_counts_as_it_was_signed() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let key = key();
        let client = signing(&stand, &key, true).await;
        let id = client.client.id.as_str();
        let beside = |object: &str| {
            // Whatever stands beside it may be anybody's.
            encode(&[
                ("client_id", id),
                ("request", object),
                ("redirect_uri", CALLBACK),
                ("scope", "openid a b"),
                ("state", "outside"),
            ])
        };
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&beside(&object(&client, &key, &json!({})))).await;
        let page = browser.log_in(&page, "ann", PASSWORD).await;
        assert!(!String::from_utf8_lossy(page.body()).contains("<li>b</li>"));
        let reply = browser.decide(&page, "allow").await;
        assert_eq!(sent(&reply, "state").as_deref(), Some("inside"));

        let other = self::key();
        let table = [
            (object(&client, &other, &json!({})), "invalid_request_object"),
            (object(&client, &key, &json!({ "iss": "somebody" })), "invalid_request_object"),
            (object(&client, &key, &json!({ "aud": "https://other" })), "invalid_request_object"),
            (object(&client, &key, &json!({ "aud": null })), "invalid_request_object"),
            (object(&client, &key, &json!({ "exp": null })), "invalid_request_object"),
            (object(&client, &key, &json!({ "exp": BEGIN - 60 })), "invalid_request_object"),
            (object(&client, &key, &json!({ "exp": BEGIN + 3700 })), "invalid_request_object"),
            (object(&client, &key, &json!({ "nbf": BEGIN + 120 })), "invalid_request_object"),
            (object(&client, &key, &json!({ "nbf": BEGIN - 3700 })), "invalid_request_object"),
            (object(&client, &key, &json!({ "client_id": "somebody" })), "invalid_request_object"),
            (object(&client, &key, &json!({ "request": "x" })), "invalid_request_object"),
            (object(&client, &key, &json!({ "request_uri": "x" })), "invalid_request_object"),
            (
                object(&client, &key, &json!({ "response_type": "token" })),
                "unsupported_response_type",
            ),
            (object(&client, &key, &json!({ "redirect_uri": "https://evil.example" })), "page 400"),
            ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "invalid_request_object"),
            ("nonsense".to_owned(), "invalid_request_object"),
        ];
        for (object, seen) in table {
            let reply = browser.authorize(&beside(&object)).await;
            assert_eq!(step(&reply), seen, "{object}");
        }
        let bare = browser.authorize(&wish(&client, &[])).await;
        assert_eq!(step(&bare), "invalid_request", "the client signs its requests");
        let elsewhere = wish(&client, &[("request_uri", "https://app.example/request")]);
        assert_eq!(step(&browser.authorize(&elsewhere).await), "request_uri_not_supported");

        let signed = object(&client, &key, &json!({}));
        let form = encode(&[("request", &signed)]);
        let pushed = stand.ask(&pushing(&client, &form)).await;
        assert_eq!(said(&pushed), "201");
        let reply =
            browser.authorize(&by_name(&client, &text(&body(&pushed), "request_uri"))).await;
        assert_eq!(sent(&reply, "state").as_deref(), Some("inside"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_read_where_its_client_keeps_it_and_nowhere_else() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let there = Elsewhere::start(data).await;
    let stand = Stand::with(&scratch, data, BEGIN, reaching(data)).await;
    stand.person().await;
    let at = |path: &str| there.uri.replace("/here", path);
    let key = key();
    let settings =
        Settings { jwks: json!({ "keys": [key.public_jwk()] }).to_string(), ..Settings::default() };
    let request_uris = vec![at("/request"), at("/away")];
    let terms = WantedTerms { request_uris, ..WantedTerms::default() };
    let application = Application { public: false, settings, terms, ..app() };
    let client = stand.register(application.clone()).await;
    let ask = async |path: &str| {
        let mut browser = Browser::new(&stand);
        browser.authorize(&wish(&client, &[("request_uri", &at(path))])).await
    };
    there.say("/request", 200, &object(&client, &key, &json!({})));
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&by_name(&client, &at("/request"))).await;
    let page = browser.log_in(&page, "ann", PASSWORD).await;
    let reply = browser.decide(&page, "allow").await;
    assert_eq!(sent(&reply, "state").as_deref(), Some("inside"));
    assert_eq!(there.asked_at("/request"), 1);

    for path in ["/other", "/request/", "/request?x", "/REQUEST", "/a/../request"] {
        assert_eq!(step(&ask(path).await), "invalid_request_uri", "{path}");
    }
    assert_eq!((there.asked(), there.asked_at("/other")), (1, 0), "nobody else is asked");
    let stranger = object(&client, &self::key(), &json!({}));
    let table = [
        (404, "no", "invalid_request_uri"),
        (500, "no", "invalid_request_uri"),
        (200, &*"x".repeat(1 << 20), "invalid_request_uri"),
        (200, &*"x".repeat(20_000), "invalid_request_object"),
        (200, "<html>", "invalid_request_object"),
        (200, "eyJhbGciOiJub25lIn0.e30.", "invalid_request_object"),
        (200, &stranger, "invalid_request_object"),
    ];
    for (status, said, expected) in table {
        there.say("/request", status, said);
        assert_eq!(step(&ask("/request").await), expected, "{status} {}", said.len());
    }
    let pushing = Application { requests: PUSHED, ..application };
    let client = stand.register(pushing).await;
    let mut browser = Browser::new(&stand);
    let reply = browser.authorize(&wish(&client, &[("request_uri", &at("/request"))])).await;
    assert_eq!(step(&reply), "invalid_request", "it hands its requests over");
    for wrong in ["http://app.example/r", "https://u:p@app.example/r", "https://app.example/r#f"] {
        let terms = WantedTerms { request_uris: vec![wrong.to_owned()], ..WantedTerms::default() };
        let refused = register(&stand.authority, &Application { terms, ..app() }).await;
        assert!(matches!(refused, Err(RegistrationError::Terms(_))), "{wrong}: {refused:?}");
    }
}

/// The parameters of an answer, however they came back.
fn answered(reply: &key_manager::endpoint::Reply) -> (&'static str, Vec<(String, String)>) {
    if reply.status() == 303 {
        let location = reply.headers()["location"].to_str().expect("text");
        let url = url::Url::parse(location).expect("an address");
        let (part, text) = match url.fragment() {
            Some(fragment) => ("fragment", fragment.to_owned()),
            None => ("query", url.query().unwrap_or_default().to_owned()),
        };
        return (part, url::form_urlencoded::parse(text.as_bytes()).into_owned().collect());
    }
    let page = String::from_utf8_lossy(reply.body()).into_owned();
    assert!(page.contains(&format!("<form method=\"post\" action=\"{CALLBACK}\">")), "{page}");
    let policy = reply.headers()["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    let fields = page.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").expect("a value");
        let value = rest.split('"').next().expect("a value").replace("&amp;", "&");
        (name.to_owned(), value)
    });
    ("form", fields.collect())
}

#[tokio::test]
async fn the_answer_comes_back_as_it_was_asked_for() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.register(Application { first_party: true, ..app() }).await;
        let keys =
            KeySet::parse(&body(&stand.get("/oauth2/jwks").await).to_string()).expect("keys");
        let mut browser = Browser::new(&stand);
        browser.code(&wish(&client, &[])).await;
        let table = [
            ("query", "query", false),
            ("fragment", "fragment", false),
            ("form_post", "form", false),
            ("jwt", "query", true),
            ("query.jwt", "query", true),
            ("fragment.jwt", "fragment", true),
            ("form_post.jwt", "form", true),
        ];
        for (mode, part, signed) in table {
            for (changes, name) in [
                (vec![("response_mode", mode)], "code"),
                (vec![("response_mode", mode), ("prompt", "none"), ("scope", "admin")], "error"),
                (vec![("response_mode", mode), ("prompt", "none"), ("max_age", "0")], "error"),
            ] {
                stand.pass(1);
                let reply = browser.authorize(&wish(&client, &changes)).await;
                let (came, pairs) = answered(&reply);
                assert_eq!(came, part, "{mode}");
                let find = |name: &str| {
                    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
                };
                if !signed {
                    assert_eq!(find("state").as_deref(), Some("s&t"), "{mode}");
                    assert_eq!(find("iss").as_deref(), Some(ISSUER), "{mode}");
                    assert!(find(name).is_some(), "{mode}: {pairs:?}");
                    continue;
                }
                assert_eq!(pairs.len(), 1, "{mode}: nothing stands beside what is signed");
                let expect = Expectation {
                    audiences: vec![client.client.id.to_string()],
                    types: vec!["JWT".to_owned()],
                    ..Expectation::access_token(ISSUER)
                };
                let token = find("response").expect("an answer");
                let now = stand.authority.clock.unix_seconds();
                let claims = jose::verify(&token, &keys, &expect, now).expect("signed");
                assert_eq!(claims.text("state"), Some("s&t"), "{mode}");
                assert!(claims.text(name).is_some(), "{mode}: {claims:?}");
                assert!(claims.expires_at <= now + 600);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_is_bound_to_the_key_that_was_named() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let (right, wrong) = (key(), key());
    let proof = |key: &SigningKey, name: &str| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk() });
        let claims = json!({
            "jti": chassis::random::token(8), "htm": "POST", "htu": format!("{ISSUER}/{name}"),
            "iat": stand.authority.clock.unix_seconds(),
        });
        key.sign_under(&header.to_string(), &claims).expect("a proof")
    };
    let mut browser = Browser::new(&stand);
    for (key, answer) in [(&right, "200"), (&wrong, "400 invalid_grant")] {
        // Named by the proof at /par, as RFC 9449 section 10.1 has it.
        let push = pushing(&client, &wish(&client, &[])).header("dpop", &proof(&right, "par"));
        let pushed = body(&stand.ask(&push).await);
        let code = browser.code(&by_name(&client, &text(&pushed, "request_uri"))).await;
        let exchange = exchange_of(&client, &code, &[]).header("dpop", &proof(key, "token"));
        assert_eq!(said(&stand.ask(&exchange).await), answer);
    }
    let name = text(
        &body(
            &stand
                .ask(&pushing(&client, &wish(&client, &[])).header("dpop", &proof(&right, "par")))
                .await,
        ),
        "request_uri",
    );
    let code = browser.code(&by_name(&client, &name)).await;
    assert_eq!(said(&stand.exchange(&client, &code, &[]).await), "400 invalid_grant", "no proof");
    let other = wish(&client, &[("dpop_jkt", &"A".repeat(43))]);
    let contradiction = pushing(&client, &other).header("dpop", &proof(&right, "par"));
    assert_eq!(said(&stand.ask(&contradiction).await), "400 invalid_request");
}
