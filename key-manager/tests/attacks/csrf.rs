//! Attack list, CSRF: does every page stay out of frames, and does no other site speak for a person?
//!
//! Pages that are posted by another browser are in the suite `service`: `authorize.rs`, `devices.rs`,
//! `account.rs`.

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::Application;

use crate::browser::{Browser, PASSWORD, app, encode, sealed, sent, step, wish};
use crate::databases::Scratch;
use crate::stand::{Dressed, Stand, post, said};

/// What every page has, whatever is on it.
fn check(name: &str, page: &Reply) {
    let header = |name: &str| {
        page.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
    };
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action"] {
        assert!(policy.contains(part), "{name}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
    assert_eq!(header("x-frame-options"), "DENY", "{name}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{name}");
    assert_eq!(header("cache-control"), "no-store", "{name}");
    assert_eq!(header("access-control-allow-origin"), "", "{name}");
}

#[tokio::test]
async fn no_page_stands_in_a_frame_or_loads_anything() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let login = browser.authorize(&wish(&client, &[])).await;
    check("login", &login);
    check("wrong login", &browser.log_in(&login, "ann", "wrong").await);
    let consent = browser.log_in(&login, "ann", PASSWORD).await;
    assert_eq!(step(&consent), "consent");
    check("consent", &consent);
    browser.decide(&consent, "allow").await;
    for path in ["device", "approvals", "account", "logout"] {
        let path = format!("/oauth2/{path}");
        let page = browser.send(Request { method: Method::GET, ..post(&path, "") }).await;
        assert_eq!(page.status(), 200, "{path}");
        check(&path, &page);
    }
    check("an error", &browser.authorize(&wish(&client, &[("client_id", "nobody")])).await);
    let posted = browser.authorize(&wish(&client, &[("response_mode", "form_post")])).await;
    assert_eq!(posted.status(), 200);
    check("form post", &posted);
}

#[tokio::test]
async fn the_state_of_a_client_comes_back_as_it_was_or_not_at_all() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.register(Application { first_party: true, ..app() }).await;
    let mut browser = Browser::new(&stand);
    browser.code(&wish(&client, &[])).await;
    let states =
        ["a b", "a&code=stolen", "a%26b", "#x", "\r\nSet-Cookie: a=b", "ключ\u{202e}", "<x>"];
    for state in states {
        let reply = browser.authorize(&wish(&client, &[("state", state)])).await;
        assert_eq!(sent(&reply, "state").as_deref(), Some(state));
        assert_ne!(sent(&reply, "code").as_deref(), Some("stolen"));
        assert!(!reply.headers().contains_key("set-cookie"));
    }
    let reply = browser.authorize(&wish(&client, &[("state", "")])).await;
    assert_eq!((step(&reply).as_str(), sent(&reply, "state")), ("code", None));
}

#[tokio::test]
async fn no_other_site_reads_or_posts() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let login = browser.authorize(&wish(&client, &[])).await;
    let consent = browser.log_in(&login, "ann", PASSWORD).await;
    // A page of another site can post, but it has neither our cookie (SameSite) nor a sealed field.
    let form = encode(&[("request", &sealed(&consent)), ("answer", "allow")]);
    for path in ["/oauth2/login", "/oauth2/consent", "/oauth2/device", "/oauth2/approvals"] {
        let foreign = post(path, &form).header("origin", "https://evil.example");
        assert_eq!(stand.ask(&foreign).await.status(), 400, "{path}");
        let without = browser.send(post(path, "answer=allow")).await;
        assert_eq!(without.status(), 400, "{path}");
    }
    // Nobody is told that another site may read an answer.
    for path in ["/oauth2/authorize", "/oauth2/login", "/oauth2/consent", "/oauth2/account"] {
        let preflight = Request { method: Method::OPTIONS, ..post(path, "") };
        let preflight = preflight
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST");
        let reply = stand.ask(&preflight).await;
        assert_eq!(reply.status(), 405, "{path}");
        assert!(!reply.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    assert_eq!(step(&browser.decide(&consent, "allow").await), "code", "and it still works");
    let json = post("/oauth2/consent", &form);
    let mut json = json.header("origin", "https://evil.example");
    json.headers.insert("content-type", "text/plain".parse().expect("a value"));
    assert_eq!(said(&browser.send(json).await), "400");
}
