//! Does a person get where they wanted, and nobody anywhere else? (KM-010, KM-021, KM-054, KM-104)

use chassis::task::Tasks;
use http::{Method, header};
use key_manager::accounts;
use key_manager::endpoint::Request;
use key_manager::registration::Application;
use key_manager::vault::{PasswordRules, Passwords};

use crate::browser::{Browser, CALLBACK, PASSWORD, app, encode, sealed, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, json, part, post, said, text};

#[tokio::test]
async fn a_person_logs_in_agrees_and_the_client_learns_who_it_is() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, app) = (stand.person().await, stand.app().await);
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&app, &[])).await;
        assert_eq!(step(&page), "login");
        let before = browser.cookie.clone();
        let page = browser.log_in(&page, "ANN", PASSWORD).await;
        assert_eq!(step(&page), "consent");
        assert_ne!(browser.cookie, before, "the cookie was not rotated at login (KM-107)");
        let back = browser.decide(&page, "allow").await;
        assert_eq!(step(&back), "code");
        assert_eq!(sent(&back, "state").as_deref(), Some("s&t"));
        assert_eq!(sent(&back, "iss").as_deref(), Some("https://127.0.0.1:9453/oauth2"));

        let code = sent(&back, "code").expect("a code");
        let body = json(&stand.exchange(&app, &code, &[]).await);
        assert_eq!(
            (body["scope"].as_str(), body["expires_in"].as_i64()),
            (Some("a openid"), Some(3600))
        );
        let (access, id) = (text(&body, "access_token"), text(&body, "id_token"));
        let claims = part(&access, 1);
        assert_eq!(
            (claims["sub"].as_str(), claims["auth_time"].as_i64()),
            (Some(ann.id.as_str()), Some(BEGIN))
        );
        let identity = part(&id, 1);
        assert_eq!(part(&id, 0)["typ"], "JWT");
        assert_eq!(identity["aud"], app.client.id.as_str());
        assert_eq!((&identity["nonce"], &identity["sub"]), (&"n-0".into(), &claims["sub"]));
        assert_eq!(identity["sid"], claims["km"]["sid"]);
        assert_eq!(identity["at_hash"].as_str().map(str::len), Some(22));
        assert!(!stand.lives(&id).await, "an ID token passed as an access token");
        assert!(stand.lives(&access).await);

        let again = browser.authorize(&wish(&app, &[])).await;
        assert_eq!(step(&again), "code", "consent and login are remembered");
        let wider = browser.authorize(&wish(&app, &[("scope", "openid a b")])).await;
        assert_eq!(step(&wider), "consent", "more was asked than was given");
    })
    .await;
}

#[tokio::test]
async fn userinfo_tells_the_client_of_a_person_and_nobody_else() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, app) = (stand.person().await, stand.app().await);
        let query = wish(&app, &[("scope", "openid profile")]);
        let code = Browser::new(&stand).code(&query).await;
        let body = json(&stand.exchange(&app, &code, &[]).await);
        let ask = async |method: Method, authorization: &str| {
            let mut request = Request { method, ..post("/oauth2/userinfo", "") };
            if !authorization.is_empty() {
                request = request.header("authorization", authorization);
            }
            stand.ask(&request).await
        };
        let good = format!("Bearer {}", text(&body, "access_token"));
        for method in [Method::GET, Method::POST] {
            let told = json(&ask(method, &good).await);
            assert_eq!(told, serde_json::json!({ "sub": ann.id, "preferred_username": "ann" }));
        }
        let nothing = ask(Method::GET, "").await;
        assert_eq!(said(&nothing), "401 invalid_token");
        assert_eq!(nothing.headers()["www-authenticate"], "Bearer realm=\"turnpike\"");
        let id = format!("Bearer {}", text(&body, "id_token"));
        assert_eq!(said(&ask(Method::GET, &id).await), "401 invalid_token");
        let machine = stand.client(&["openid"]).await;
        let machine = format!("Bearer {}", stand.token(&machine).await);
        assert_eq!(said(&ask(Method::GET, &machine).await), "403 insufficient_scope");
        let in_url = format!("access_token={}", text(&body, "access_token"));
        let in_url = Request { query: Some(in_url), ..post("/oauth2/userinfo", "") };
        assert_eq!(said(&stand.ask(&in_url).await), "401 invalid_token");
        accounts::disable(&stand.authority, &ann.id, true).await.expect("disabled");
        assert_eq!(said(&ask(Method::GET, &good).await), "401 invalid_token");
    })
    .await;
}

/// KM-054 and section 2 of the attack list: what is not the registered address gets a page.
#[tokio::test]
async fn nobody_is_sent_to_an_address_that_the_client_does_not_have() {
    const WRONG: &[&str] = &[
        "",
        "https://other.example/cb",
        "https://sub.app.example/cb",
        "https://app.example.evil.example/cb",
        "https://app.example/cb/more",
        "https://app.example/cb/",
        "https://app.example/cb/../cb",
        "https://app.example/..;/cb",
        "https://app.example/%2e%2e/cb",
        "https://app.example/%63b",
        "https://app.example\\@evil.example/cb",
        "https://app.example@evil.example/cb",
        "https://user@app.example/cb",
        "https://user:pass@app.example/cb",
        "https://evil.example@app.example/cb",
        "https://a@b@app.example/cb",
        "https://app.example/cb#fragment",
        "https://app.example/cb?more=1",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "http://app.example/cb",
        "HTTPS://app.example/cb",
        "https://APP.example/cb",
        "https://app.example./cb",
        "https://\u{430}pp.example/cb",
        "https://app.example/cb\t",
        " https://app.example/cb",
        "https://app.example/cb\n",
        "https://localhost/cb",
        "http://127.0.0.1/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//app.example/cb",
        "/cb",
    ];
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    for wrong in WRONG {
        // Also when everything else would be an error that the client hears of.
        for changes in [vec![], vec![("response_type", "token"), ("prompt", "none")]] {
            let mut changes = changes;
            changes.push(("redirect_uri", *wrong));
            let reply = browser.authorize(&wish(&client, &changes)).await;
            assert_eq!(step(&reply), "page 400", "{wrong:?}");
            assert!(!reply.headers().contains_key(header::LOCATION), "{wrong:?}");
        }
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", wish(&client, &[]));
    assert_eq!(step(&browser.authorize(&twice).await), "page 400");
    let unknown = browser.authorize(&wish(&client, &[("client_id", "nobody")])).await;
    assert_eq!(step(&unknown), "page 400");

    let native = Application {
        redirect_uris: vec!["http://127.0.0.1/cb".to_owned(), "com.example.app:/cb".to_owned()],
        ..app()
    };
    let native = stand.register(native).await;
    let mut at = async |redirect| {
        step(&browser.authorize(&wish(&native, &[("redirect_uri", redirect)])).await)
    };
    assert_eq!(at("http://127.0.0.1:53121/cb").await, "login");
    assert_eq!(at("com.example.app:/cb").await, "login");
    assert_eq!(at("http://127.0.0.1:53121/cb2").await, "page 400");
    assert_eq!(at("http://127.0.0.1:53121@evil.example/cb").await, "page 400");
    assert_eq!(at("http://localhost:53121/cb").await, "page 400");
}

#[tokio::test]
async fn every_other_error_goes_to_the_client_with_state_and_issuer() {
    const TABLE: &[(&[(&str, &str)], &str)] = &[
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "web_message")], "invalid_request"),
        (&[("request", "eyJ.e30.")], "invalid_request_object"),
        (&[("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        (&[("scope", "openid z")], "invalid_scope"),
        (&[("scope", "a\"b")], "invalid_scope"),
        (&[("resource", "https://unknown.example")], "invalid_target"),
        (&[("resource", "turnpike#a")], "invalid_target"),
        (&[("prompt", "none")], "login_required"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "dance")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("max_age", "soon")], "invalid_request"),
        // PKCE (KM-031): stripped, downgraded, malformed.
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "s256")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")], "invalid_request"),
    ];
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    for (changes, error) in TABLE {
        let reply = browser.authorize(&wish(&client, changes)).await;
        assert_eq!(step(&reply), *error, "{changes:?}");
        assert_eq!(sent(&reply, "state").as_deref(), Some("s&t"), "{changes:?}");
        let iss = sent(&reply, "iss");
        assert_eq!(iss.as_deref(), Some("https://127.0.0.1:9453/oauth2"), "{changes:?}");
        assert_eq!(reply.status(), 303);
        let location = reply.headers()[header::LOCATION].to_str().expect("text");
        assert!(location.starts_with(&format!("{CALLBACK}?error=")), "{location}");
    }
    let machine = stand.client(&["a"]).await;
    let reply = browser.authorize(&wish(&machine, &[])).await;
    assert_eq!(step(&reply), "page 400", "a client without an address");
}

#[tokio::test]
async fn prompt_and_age_decide_who_has_to_log_in_again() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    browser.code(&wish(&client, &[])).await;
    stand.pass(100);
    let mut at =
        async |changes: &[(&str, &str)]| step(&browser.authorize(&wish(&client, changes)).await);
    assert_eq!(at(&[("prompt", "none")]).await, "code");
    assert_eq!(at(&[("prompt", "none"), ("scope", "b")]).await, "consent_required");
    assert_eq!(at(&[("prompt", "consent")]).await, "consent");
    assert_eq!(at(&[("prompt", "login")]).await, "login");
    assert_eq!(at(&[("max_age", "100")]).await, "code");
    assert_eq!(at(&[("max_age", "99")]).await, "login");
    assert_eq!(at(&[("max_age", "99"), ("prompt", "none")]).await, "login_required");
    // A session ends idle, and in any case.
    stand.pass(3600);
    assert_eq!(step(&browser.authorize(&wish(&client, &[])).await), "login");
    let page = browser.authorize(&wish(&client, &[("max_age", "0")])).await;
    let reply = browser.log_in(&page, "ann", PASSWORD).await;
    assert_eq!(step(&reply), "code", "a login just now is young enough");
}

#[tokio::test]
async fn a_login_that_was_asked_for_cannot_be_skipped() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    browser.code(&wish(&client, &[])).await;
    let page = browser.authorize(&wish(&client, &[("prompt", "login")])).await;
    assert_eq!(step(&page), "login");
    assert_eq!(step(&browser.decide(&page, "allow").await), "login");
}

#[tokio::test]
async fn a_page_only_works_in_the_browser_that_it_was_made_for() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut mallory = Browser::new(&stand);
    let page = mallory.authorize(&wish(&client, &[])).await;
    // Login CSRF: Mallory's page is posted by another browser, with a cookie and without.
    let mut victim = Browser::new(&stand);
    assert_eq!(step(&victim.log_in(&page, "ann", PASSWORD).await), "page 400");
    victim.authorize(&wish(&client, &[])).await;
    assert_eq!(step(&victim.log_in(&page, "ann", PASSWORD).await), "page 400");
    // Consent CSRF.
    let login = victim.authorize(&wish(&client, &[])).await;
    let consent = victim.log_in(&login, "ann", PASSWORD).await;
    assert_eq!(step(&mallory.decide(&consent, "allow").await), "page 400");
    assert_eq!(step(&victim.decide(&page, "allow").await), "page 400");
    let forged = encode(&[("request", "AAAA"), ("answer", "allow")]);
    assert_eq!(step(&victim.send(post("/oauth2/consent", &forged)).await), "page 400");
    // The cookie of before the login is worth nothing after it (session fixation).
    let known = mallory.cookie.clone();
    let done = mallory.log_in(&page, "ann", PASSWORD).await;
    assert_eq!(step(&done), "consent");
    let mut fixated = Browser::new(&stand);
    fixated.cookie = known;
    assert_eq!(step(&fixated.authorize(&wish(&client, &[])).await), "login");
    // A page that lay open too long.
    stand.pass(1801);
    assert_eq!(step(&victim.decide(&consent, "allow").await), "page 400");
    assert_eq!(step(&victim.decide(&sealed_twice(&consent), "allow").await), "page 400");
}

/// The same page with a changed hidden field.
fn sealed_twice(page: &key_manager::endpoint::Reply) -> key_manager::endpoint::Reply {
    let text = sealed(page);
    let changed: String = text.chars().rev().collect();
    let body = String::from_utf8_lossy(page.body()).replace(&text, &changed);
    http::Response::new(bytes::Bytes::from(body))
}

#[tokio::test]
async fn a_person_may_say_no_and_first_party_clients_do_not_ask() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    let page = browser.log_in(&page, "ann", PASSWORD).await;
    let denied = browser.decide(&page, "deny").await;
    assert_eq!(step(&denied), "access_denied");
    assert_eq!(sent(&denied, "state").as_deref(), Some("s&t"));
    assert_eq!(step(&browser.authorize(&wish(&client, &[])).await), "consent");
    let ours = stand.register(Application { first_party: true, ..app() }).await;
    assert_eq!(step(&browser.authorize(&wish(&ours, &[])).await), "code");
}

#[tokio::test]
async fn pages_are_plain_closed_to_frames_and_escape_what_others_wrote() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    let page = browser.log_in(&page, "\"><script>alert(1)</script>", "x").await;
    let body = String::from_utf8_lossy(page.body()).into_owned();
    assert!(!body.contains("<script"), "{body}");
    assert!(body.contains("orders &lt;app&gt;"), "{body}");
    let header = |name: &str| page.headers()[name].to_str().expect("text").to_owned();
    let policy = header("content-security-policy");
    for part in
        ["default-src 'none';", "form-action 'self' https://app.example;", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    let posted = post("/oauth2/authorize", &wish(&client, &[]));
    let again = stand.ask(&posted).await;
    assert_eq!(again.status(), 303);
    let location = again.headers()["location"].to_str().expect("text");
    assert_eq!(location, format!("/oauth2/authorize?{}", wish(&client, &[])));
    let open = Request { method: Method::GET, query: Some(wish(&client, &[])), ..posted };
    let peer = key_manager::endpoint::Peer { secure: false, ..open.peer.clone() };
    assert_eq!(step(&stand.ask(&Request { peer, ..open }).await), "page 400", "in the clear");
}

#[tokio::test]
async fn guesses_are_slowed_down_and_say_nothing() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&wish(&client, &[])).await;
        let wrong = browser.log_in(&page, "ann", "wrong").await;
        let nobody = browser.log_in(&page, "nobody", "wrong").await;
        let body = |reply: &key_manager::endpoint::Reply| {
            String::from_utf8_lossy(reply.body()).replace(&sealed(reply), "")
        };
        assert_eq!(body(&wrong).replace("ann", "nobody"), body(&nobody));
        let long = browser.log_in(&page, "ann", &"x".repeat(10_000)).await;
        assert_eq!(step(&long), "login");
        for _ in 0..29 {
            assert_eq!(step(&browser.log_in(&page, "ann", "wrong").await), "login");
        }
        let locked = browser.log_in(&page, "ann", PASSWORD).await;
        assert_eq!(step(&locked), "login", "the right password while locked out");
        assert_eq!(body(&locked), body(&wrong));
        stand.pass(61);
        assert_eq!(step(&browser.log_in(&page, "ann", PASSWORD).await), "consent");
    })
    .await;
}

#[tokio::test]
async fn a_network_that_guesses_many_names_is_slowed_down_too() {
    let scratch = Scratch::sqlite();
    let mut stand = Stand::on(&scratch).await;
    stand.authority.login.network.free = 2;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    for name in ["ben", "cid"] {
        assert_eq!(step(&browser.log_in(&page, name, "wrong").await), "login");
    }
    assert_eq!(step(&browser.log_in(&page, "ann", PASSWORD).await), "login", "blocked");
    stand.pass(61);
    assert_eq!(step(&browser.log_in(&page, "ann", PASSWORD).await), "consent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_overload_of_logins_is_answered_503_and_locks_nobody_out() {
    let scratch = Scratch::sqlite();
    let mut stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let rules = PasswordRules { at_once: 1, waiting: 0, memory_kib: 19 * 1024, passes: 2 };
    stand.authority.passwords = Passwords::new(rules, Tasks::default()).expect("passwords");
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    let cookie = browser.cookie.clone();
    let tries = (0..60).map(|_| {
        let mut browser = Browser::new(&stand);
        browser.cookie = cookie.clone();
        let page = &page;
        async move { browser.log_in(page, "ann", "wrong").await }
    });
    let replies = futures_util::future::join_all(tries).await;
    let busy: Vec<_> = replies.iter().filter(|reply| step(reply) == "page 503").collect();
    assert!(!busy.is_empty(), "nobody was sent away");
    assert!(busy.iter().all(|reply| reply.headers()["retry-after"] == "1"));
    stand.pass(61);
    assert_eq!(step(&browser.log_in(&page, "ann", PASSWORD).await), "consent");
}
