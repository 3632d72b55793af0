//! Does a device get what a person allowed elsewhere, once, and nothing before? (RFC 8628, KM-017,
//! KM-036)

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};
use serde_json::Value;

use crate::browser::{Browser, PASSWORD, encode, sealed};
use crate::databases::{Scratch, each};
use crate::stand::{Stand, json, part, post, said, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(crate) async fn television(stand: &Stand) -> Registered {
    stand
        .register(Application {
            name: "television".to_owned(),
            grant_types: vec![GRANT.to_owned(), "refresh_token".to_owned()],
            scopes: ["openid", "profile", "a"].map(str::to_owned).to_vec(),
            public: true,
            ..Application::default()
        })
        .await
}

pub(crate) async fn begin(stand: &Stand, client: &Registered) -> Value {
    let form = encode(&[("client_id", client.client.id.as_str()), ("scope", "openid a")]);
    let reply = stand.ask(&post("/oauth2/device_authorization", &form)).await;
    assert_eq!(said(&reply), "200");
    json(&reply)
}

pub(crate) async fn poll(stand: &Stand, client: &Registered, code: &str) -> Reply {
    let id = client.client.id.as_str();
    let form = encode(&[("grant_type", GRANT), ("client_id", id), ("device_code", code)]);
    stand.ask(&post("/oauth2/token", &form)).await
}

fn heading(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(reply.body()).into_owned();
    let title = body.split("<h1>").nth(1).and_then(|rest| rest.split('<').next());
    title.unwrap_or_default().to_owned()
}

/// Ann goes to the page at `query`, and logs in if she has to.
pub(crate) async fn visit(browser: &mut Browser<'_>, query: &str) -> Reply {
    let page = |query: &str| Request {
        method: Method::GET,
        query: Some(query.to_owned()),
        ..post("/oauth2/device", "")
    };
    let reply = browser.send(page(query)).await;
    if heading(&reply) != "Log in" {
        return reply;
    }
    let reply = browser.log_in(&reply, "ann", PASSWORD).await;
    let location = reply.headers()["location"].to_str().expect("text").to_owned();
    assert!(location.starts_with("/oauth2/device"), "{location}");
    browser.send(page(location.split_once('?').map_or("", |(_, query)| query))).await
}

pub(crate) async fn send(
    browser: &mut Browser<'_>,
    page: &Reply,
    code: &str,
    answer: &str,
) -> Reply {
    let pairs =
        [("request", sealed(page)), ("user_code", code.to_owned()), ("answer", answer.to_owned())];
    let pairs: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.send(post("/oauth2/device", &encode(&pairs))).await
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_somebody_agreed() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        let client = television(&stand).await;
        let asked = begin(&stand, &client).await;
        let (code, user_code) = (text(&asked, "device_code"), text(&asked, "user_code"));
        assert_eq!((&asked["expires_in"], &asked["interval"]), (&600.into(), &5.into()));
        assert_eq!((user_code.len(), user_code.as_bytes()[4]), (9, b'-'));
        assert!(text(&asked, "verification_uri_complete").ends_with(&user_code));

        assert_eq!(said(&poll(&stand, &client, &code).await), "400 authorization_pending");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 slow_down");
        stand.pass(6);
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 slow_down", "five more now");
        stand.pass(16);
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 authorization_pending");

        let mut browser = Browser::new(&stand);
        let page = visit(&mut browser, &format!("user_code={user_code}")).await;
        assert!(String::from_utf8_lossy(page.body()).contains(&format!("value=\"{user_code}\"")));
        let typed = user_code.to_lowercase().replace('-', " ");
        let page = send(&mut browser, &page, &typed, "").await;
        let shown = String::from_utf8_lossy(page.body()).into_owned();
        assert!(shown.contains("television") && shown.contains(&user_code), "{shown}");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 slow_down", "not yet");
        let done = send(&mut browser, &page, &user_code, "allow").await;
        assert_eq!(heading(&done), "The device is connected");

        let tokens = json(&poll(&stand, &client, &code).await);
        assert_eq!(part(&text(&tokens, "id_token"), 1)["sub"], ann.id.as_str());
        assert_eq!(tokens["scope"], "a openid");
        assert!(stand.lives(&text(&tokens, "access_token")).await);
        let next = stand.refresh(&client, &text(&tokens, "refresh_token"), "").await;
        assert_eq!(said(&next), "200");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 invalid_grant", "it is used");
    })
    .await;
}

#[tokio::test]
async fn a_code_is_for_its_client_for_a_while_and_a_no_is_a_no() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let (client, other) = (television(&stand).await, television(&stand).await);
        let mut browser = Browser::new(&stand);
        let asked = begin(&stand, &client).await;
        let (code, user_code) = (text(&asked, "device_code"), text(&asked, "user_code"));
        assert_eq!(said(&poll(&stand, &other, &code).await), "400 invalid_grant");
        assert_eq!(said(&poll(&stand, &client, "guess").await), "400 invalid_grant");
        let page = visit(&mut browser, "").await;
        let done = send(&mut browser, &page, &user_code, "deny").await;
        assert_eq!(heading(&done), "The device got nothing");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 access_denied");
        let again = send(&mut browser, &page, &user_code, "allow").await;
        assert_eq!(heading(&again), "Connect a device", "it was answered");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 access_denied");

        let asked = begin(&stand, &client).await;
        stand.pass(601);
        let late = poll(&stand, &client, &text(&asked, "device_code")).await;
        assert_eq!(said(&late), "400 expired_token");
        let late = send(&mut browser, &page, &text(&asked, "user_code"), "allow").await;
        assert_eq!(heading(&late), "Connect a device");
    })
    .await;
}

#[tokio::test]
async fn only_the_browser_of_the_person_answers() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = television(&stand).await;
    let asked = begin(&stand, &client).await;
    let user_code = text(&asked, "user_code");
    let mut browser = Browser::new(&stand);
    let page = visit(&mut browser, "").await;
    // Somebody else's page, and no page at all.
    let mut other = Browser::new(&stand);
    visit(&mut other, "").await;
    let forged = send(&mut other, &page, &user_code, "allow").await;
    assert_eq!(forged.status(), 400);
    let form = encode(&[("user_code", &user_code), ("answer", "allow")]);
    assert_eq!(browser.send(post("/oauth2/device", &form)).await.status(), 400);
    let still = poll(&stand, &client, &text(&asked, "device_code")).await;
    assert_eq!(said(&still), "400 authorization_pending");
}

#[tokio::test]
async fn guessing_codes_is_slowed_down() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = television(&stand).await;
    let user_code = text(&begin(&stand, &client).await, "user_code");
    let mut browser = Browser::new(&stand);
    let mut page = visit(&mut browser, "").await;
    for _ in 0..31 {
        page = send(&mut browser, &page, "BBBB-BBBB", "").await;
        assert_eq!(heading(&page), "Connect a device");
    }
    page = send(&mut browser, &page, &user_code, "").await;
    assert_eq!(heading(&page), "Connect a device", "the right one too");
    stand.pass(61);
    let page = send(&mut browser, &page, &user_code, "").await;
    assert_eq!(heading(&page), "Allow access?");
}

#[tokio::test]
async fn who_may_not_use_the_grant_gets_no_code() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let app = stand.app().await;
    let ask = async |pairs: &[(&str, &str)]| {
        said(&stand.ask(&post("/oauth2/device_authorization", &encode(pairs))).await)
    };
    assert_eq!(ask(&[("client_id", app.client.id.as_str())]).await, "400 unauthorized_client");
    assert_eq!(ask(&[("client_id", "nobody")]).await, "401 invalid_client");
    let client = television(&stand).await;
    let id = client.client.id.as_str();
    assert_eq!(ask(&[("client_id", id), ("scope", "admin")]).await, "400 invalid_scope");
    assert_eq!(ask(&[("client_id", id), ("resource", "https://x")]).await, "400 invalid_target");
}

#[tokio::test]
async fn one_network_does_not_fill_the_store() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = television(&stand).await;
    let form = encode(&[("client_id", client.client.id.as_str())]);
    let ask = async || said(&stand.ask(&post("/oauth2/device_authorization", &form)).await);
    for _ in 0..300 {
        assert_eq!(ask().await, "200");
    }
    // The 301st is counted, and the next ones wait.
    ask().await;
    assert_eq!(ask().await, "429 temporarily_unavailable");
    stand.pass(61);
    assert_eq!(ask().await, "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_questions_that_come_at_once_one_is_in_time() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        let client = television(&one).await;
        let code = text(&begin(&one, &client).await, "device_code");
        let asked = (0..20).map(|n| poll(if n % 2 == 0 { &one } else { &two }, &client, &code));
        let replies = futures_util::future::join_all(asked).await;
        let heard = |answer: &str| replies.iter().filter(|reply| said(reply) == answer).count();
        assert_eq!(heard("400 authorization_pending"), 1);
        assert_eq!(heard("400 slow_down"), 19);
        // Each of them made the pause longer, up to a minute.
        one.pass(59);
        assert_eq!(said(&poll(&one, &client, &code).await), "400 slow_down");
        one.pass(60);
        assert_eq!(said(&poll(&one, &client, &code).await), "400 authorization_pending");
    })
    .await;
}

/// The login behind the answer may be that of somebody who guesses (KM-102).
#[tokio::test]
async fn while_somebody_guesses_the_password_nothing_is_handed_out() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = television(&stand).await;
        let asked = begin(&stand, &client).await;
        let mut browser = Browser::new(&stand);
        let page = visit(&mut browser, "").await;
        let done = send(&mut browser, &page, &text(&asked, "user_code"), "allow").await;
        assert_eq!(heading(&done), "The device is connected");
        let mut thief = Browser::new(&stand);
        let page = thief.send(Request { method: Method::GET, ..post("/oauth2/account", "") }).await;
        for _ in 0..31 {
            thief.log_in(&page, "ann", "wrong").await;
        }
        let code = text(&asked, "device_code");
        assert_eq!(said(&poll(&stand, &client, &code).await), "400 authorization_pending");
        stand.pass(61);
        assert_eq!(said(&poll(&stand, &client, &code).await), "200");
    })
    .await;
}
