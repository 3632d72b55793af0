//! Is somebody let in by a provider only when the provider says so, to us, now, in this browser? (KM-095)

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jose::{Algorithm, SigningKey};
use key_manager::endpoint::{Mfa, Reply, Request};
use serde_json::{Value, json};

use crate::browser::{Browser, challenge, encode, sealed, sent, step, wish};
use crate::elsewhere::becomes;
use crate::foreign::{CLIENT, Departed, Ground, SECRET, TOKEN};
use crate::stand::{BEGIN, post};

/// The browser comes back with these parameters beside the state.
async fn arrive(departed: &mut Departed<'_>, more: &[(&str, &str)]) -> Reply {
    let state = departed.sent("state");
    let mut pairs = vec![("state", state.as_str()), ("code", "c")];
    pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    pairs.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    back(&mut departed.browser, "corp", &encode(&pairs)).await
}

async fn back(browser: &mut Browser<'_>, name: &str, query: &str) -> Reply {
    let request = post(&format!("/oauth2/federation/{name}"), "");
    browser.send(Request { method: Method::GET, query: Some(query.to_owned()), ..request }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_sent_there_with_secrets_of_their_own() {
    let ground = Ground::new().await;
    let mut departed = ground.depart().await;
    let sent = |name: &str| departed.sent(name);
    assert_eq!(
        departed.to.as_str().split('?').next(),
        Some(&*format!("{}/authorize", ground.issuer))
    );
    assert_eq!((sent("response_type"), sent("client_id")), ("code".to_owned(), CLIENT.to_owned()));
    assert_eq!(sent("redirect_uri"), "https://127.0.0.1:9453/oauth2/federation/corp");
    assert_eq!(
        (sent("scope"), sent("code_challenge_method")),
        ("openid email".to_owned(), "S256".to_owned())
    );
    let other = ground.depart().await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(departed.sent(name), other.sent(name), "{name}");
        assert!(departed.sent(name).len() >= 32, "{name}");
    }
    ground.answer(&ground.key.sign("JWT", &ground.claims(&departed)).expect("signed"));
    let before = ground.there.asked();
    let challenged = departed.sent("code_challenge");
    let reply = arrive(&mut departed, &[]).await;
    assert_eq!(step(&reply), "consent");
    let told = ground.there.heard()[before].clone();
    let told: Vec<(String, String)> =
        url::form_urlencoded::parse(told.as_bytes()).into_owned().collect();
    let told =
        |name: &str| told.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(challenge(&told("code_verifier").expect("a verifier")), challenged);
    assert_eq!(told("code").as_deref(), Some("c"));
    assert!(told("client_secret").is_none(), "it stands in the Authorization field");
    let done = departed.browser.decide(&reply, "allow").await;
    assert!(has_code(&done));
}

fn has_code(reply: &Reply) -> bool {
    sent(reply, "code").is_some()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_token_counts_for_us_and_for_this_login_only() {
    let ground = Ground::new().await;
    let check = async |what: &str, expected: &str, token: &dyn Fn(Value) -> String| {
        let mut departed = ground.depart().await;
        ground.answer(&token(ground.claims(&departed)));
        assert_eq!(step(&arrive(&mut departed, &[]).await), expected, "{what}");
    };
    let sign = |claims: &Value| ground.key.sign("JWT", claims).expect("signed");
    let with = |name: &'static str, value: Value| {
        move |mut claims: Value| {
            claims[name] = value.clone();
            sign(&claims)
        }
    };
    let half = |text: &str| {
        URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..16])
    };
    let refused = "page 400";
    // What cannot be read at all is the fault of the provider.
    let unread = "page 503";
    check("a good one", "consent", &|claims| sign(&claims)).await;
    check("one for several", "consent", &with("aud", json!([CLIENT]))).await;
    check("one with the hash", "consent", &with("at_hash", json!(half(TOKEN)))).await;
    check("a clock that is a little ahead", "consent", &with("iat", json!(BEGIN + 30))).await;
    check("another nonce", refused, &with("nonce", json!("n"))).await;
    check("no nonce", refused, &with("nonce", Value::Null)).await;
    check("another client", refused, &with("aud", json!("other"))).await;
    check("another issuer", refused, &with("iss", json!("https://other.example"))).await;
    check("the issuer with a slash", refused, &with("iss", json!(format!("{}/", ground.issuer))))
        .await;
    check("nobody", unread, &with("sub", Value::Null)).await;
    check("an old one", refused, &with("exp", json!(BEGIN - 120))).await;
    check("one of long ago", refused, &with("iat", json!(BEGIN - 3600))).await;
    check("one of tomorrow", refused, &with("iat", json!(BEGIN + 3600))).await;
    check("the hash of another token", refused, &with("at_hash", json!(half("other")))).await;
    let stranger = SigningKey::generate(Algorithm::ES256).expect("a key");
    check("the key of somebody else", refused, &|claims| {
        stranger.sign("JWT", &claims).expect("signed")
    })
    .await;
    check("no signature", refused, &|claims| {
        format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims))
    })
    .await;
    check("our secret as the key", refused, &|claims| {
        let text = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(&claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    })
    .await;
    check("another algorithm", refused, &|claims| {
        let key = SigningKey::generate(Algorithm::ES384).expect("a key");
        let set = json!({ "keys": [ground.key.public_jwk(), key.public_jwk()] });
        ground.there.say("/jwks", 200, &set.to_string());
        key.sign("JWT", &claims).expect("signed")
    })
    .await;
    check("changed after it was signed", refused, &|claims| {
        let token = sign(&claims);
        let mut parts = token.split('.');
        let (head, _, tag) = (parts.next(), parts.next(), parts.next());
        let mut other = claims;
        other["sub"] = json!("2");
        format!("{}.{}.{}", head.expect("one"), part(&other), tag.expect("one"))
    })
    .await;
    check("none", unread, &|_| String::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_in_the_browser_that_set_out_and_for_a_while() {
    let ground = Ground::new().await;
    let good = |departed: &Departed<'_>| {
        ground.answer(&ground.key.sign("JWT", &ground.claims(departed)).expect("signed"));
    };
    let refused = "page 400";
    // Login CSRF: somebody is sent the address with which another one would be logged in.
    let mut mine = ground.depart().await;
    good(&mine);
    let mut other = ground.depart().await;
    let query = encode(&[("state", &mine.sent("state")), ("code", "c")]);
    assert_eq!(step(&back(&mut other.browser, "corp", &query).await), refused, "another browser");
    let mut blank = Browser::new(&ground.stand);
    assert_eq!(step(&back(&mut blank, "corp", &query).await), refused, "without cookies");
    for state in ["", "s&t", &format!("{}x", mine.sent("state"))] {
        assert_eq!(step(&arrive(&mut mine, &[("state", state)]).await), refused, "{state}");
    }
    // Mix-up: the answer of one provider is brought to the way back of another.
    ground.stand.authority.federation.put(vec![ground.provider("corp"), ground.provider("evil")]);
    assert_eq!(step(&back(&mut mine.browser, "evil", &query).await), refused, "another provider");
    let foreign = [("iss", "https://evil.example")];
    assert_eq!(step(&arrive(&mut mine, &foreign).await), refused, "another issuer");
    let iss = ground.issuer.clone();
    assert_eq!(step(&arrive(&mut mine, &[("iss", &iss)]).await), "consent");

    let mut away = ground.depart().await;
    let asked = ground.there.asked();
    let reply = arrive(&mut away, &[("code", ""), ("error", "access_denied")]).await;
    assert_eq!(step(&reply), "login", "whoever changes their mind may log in otherwise");
    assert_eq!(ground.there.asked(), asked, "nothing is asked for an error");

    let mut late = ground.depart().await;
    good(&late);
    ground.stand.pass(601);
    assert_eq!(step(&arrive(&mut late, &[]).await), refused, "too late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_gets_wrong_lets_nobody_in() {
    let ground = Ground::new().await;
    let good = |departed: &Departed<'_>| {
        ground.answer(&ground.key.sign("JWT", &ground.claims(departed)).expect("signed"));
    };
    let check = async |path: &str, status: u16, body: &str, expected: &str| {
        let mut departed = ground.depart().await;
        good(&departed);
        ground.there.say(path, status, body);
        assert_eq!(step(&arrive(&mut departed, &[]).await), expected, "{path} {status} {body}");
    };
    check("/token", 400, r#"{"error":"invalid_grant"}"#, "page 400").await;
    check("/token", 500, "oops", "page 503").await;
    check("/token", 200, "<html>", "page 503").await;
    check("/token", 200, &"x".repeat(1 << 20), "page 503").await;
    check("/me", 200, r#"{"sub":"2","email":"ann@x.example"}"#, "page 400").await;
    check("/me", 200, r#"{"email":"ann@x.example"}"#, "page 400").await;
    check("/me", 500, "oops", "page 503").await;
    check("/me", 200, r#"{"sub":"1"}"#, "consent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_describes_another_one_is_not_asked() {
    let ground = Ground::new().await;
    // Whoever promises to say who they are is nobody without that (RFC 9207 section 2.4).
    let promise = json!({ "authorization_response_iss_parameter_supported": true });
    ground.tell(&promise);
    ground.stand.authority.federation.put(Vec::new());
    ground.stand.authority.federation.put(vec![ground.provider("corp")]);
    ground.known().await;
    let mut departed = ground.depart().await;
    ground.answer(&ground.key.sign("JWT", &ground.claims(&departed)).expect("signed"));
    assert_eq!(step(&arrive(&mut departed, &[]).await), "page 400", "it did not say who it is");
    let iss = ground.issuer.clone();
    assert_eq!(step(&arrive(&mut departed, &[("iss", &iss)]).await), "consent");

    ground.tell(&json!({ "issuer": "https://other.example" }));
    ground.stand.authority.federation.put(vec![ground.provider("evil")]);
    let member = ground.stand.authority.federation.get("evil").expect("a provider");
    becomes(|| !member.status().healthy).await;
    let mut browser = Browser::new(&ground.stand);
    let page = browser.authorize(&wish(&ground.app, &[])).await;
    assert!(!String::from_utf8_lossy(page.body()).contains("Corp"), "no button leads there");
    let form = encode(&[("request", &sealed(&page)), ("provider", "evil")]);
    let reply = browser.send(post("/oauth2/federation", &form)).await;
    assert_eq!(step(&reply), "page 503");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_password_here_changes_their_account_right_after_a_login() {
    let ground = Ground::with(|config| config.login.mfa = Mfa::Optional).await;
    let mut departed = ground.depart().await;
    ground.answer(&ground.key.sign("JWT", &ground.claims(&departed)).expect("signed"));
    assert_eq!(step(&arrive(&mut departed, &[]).await), "consent");
    let browser = &mut departed.browser;
    let own = || Request { method: Method::GET, ..post("/oauth2/account", "") };
    let page = browser.send(own()).await;
    let text = String::from_utf8_lossy(page.body()).into_owned();
    assert!(text.contains("an account elsewhere") && !text.contains("type=\"password\""), "{text}");
    let wish = |page: &Reply, what: &str| {
        post("/oauth2/account", &encode(&[("request", &sealed(page)), ("do", what)]))
    };
    let set_up = browser.send(wish(&page, "add-app")).await;
    assert_eq!(set_up.status(), 200, "a page with a new app");
    let refused = browser.send(wish(&page, "change-password")).await;
    assert_eq!(refused.headers()["location"], "/oauth2/account?said=unfit");

    ground.stand.pass(301);
    let page = browser.send(own()).await;
    let refused = browser.send(wish(&page, "add-app")).await;
    assert_eq!(refused.headers()["location"], "/oauth2/account?said=again");

    // And nobody logs in with a name and a password that is none.
    let mut other = Browser::new(&ground.stand);
    for password in ["{provider}", "", "correct horse battery"] {
        let login = other.authorize(&self::wish(&ground.app, &[])).await;
        let name = ground.stand.authority.store.linked_user(&ground.issuer, "1").await;
        let name = name.expect("an answer").expect("an account").user.name;
        let reply = other.log_in(&login, name.as_str(), password).await;
        assert_eq!(step(&reply), "login", "{password}");
    }
}
