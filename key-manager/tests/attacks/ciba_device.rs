//! Attack list, CIBA and devices: does nobody get what a person allowed somebody else, or did not?
//!
//! Polling too fast, guessed user codes, forms of other browsers and hints are in the suite `service`:
//! `devices.rs`, `backchannel.rs`.

use futures_util::future::join_all;
use http::Method;
use key_manager::accounts;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered, remove};
use serde_json::Value;

use crate::browser::{Browser, PASSWORD, encode, sealed};
use crate::databases::{Scratch, each};
use crate::forge::cut;
use crate::stand::{Dressed, Stand, json, post, said, text};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn television(stand: &Stand) -> Registered {
    stand
        .register(Application {
            name: "television".to_owned(),
            grant_types: vec![DEVICE.to_owned(), "refresh_token".to_owned()],
            scopes: ["openid", "a"].map(str::to_owned).to_vec(),
            public: true,
            ..Application::default()
        })
        .await
}

async fn begin(stand: &Stand, client: &Registered) -> Value {
    let form = encode(&[("client_id", client.client.id.as_str()), ("scope", "openid a")]);
    json(&stand.ask(&post("/oauth2/device_authorization", &form)).await)
}

async fn poll(stand: &Stand, client: &Registered, asked: &Value) -> Reply {
    let form = encode(&[
        ("grant_type", DEVICE),
        ("client_id", client.client.id.as_str()),
        ("device_code", &text(asked, "device_code")),
    ]);
    stand.ask(&post("/oauth2/token", &form)).await
}

fn page(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.body()).into_owned()
}

async fn get(browser: &mut Browser<'_>, query: &str) -> Reply {
    let query = Some(query.to_owned());
    browser.send(Request { method: Method::GET, query, ..post("/oauth2/device", "") }).await
}

/// Ann, logged in.
async fn ann(stand: &Stand) -> Browser<'_> {
    let mut browser = Browser::new(stand);
    let login = get(&mut browser, "").await;
    browser.log_in(&login, "ann", PASSWORD).await;
    browser
}

async fn send(browser: &mut Browser<'_>, code: &str, answer: &str) -> Reply {
    let shown = get(browser, "").await;
    let form = encode(&[("request", &sealed(&shown)), ("user_code", code), ("answer", answer)]);
    browser.send(post("/oauth2/device", &form)).await
}

#[tokio::test]
async fn a_link_to_a_code_allows_nothing_until_somebody_reads_what_it_is() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = television(&stand).await;
    let asked = begin(&stand, &client).await;
    let code = text(&asked, "user_code");
    let mut browser = ann(&stand).await;
    // The link of somebody else, followed by one who is logged in.
    for query in [
        format!("user_code={code}"),
        format!("user_code={code}&answer=allow"),
        format!("answer=allow&user_code={code}&request=x"),
    ] {
        let shown = page(&get(&mut browser, &query).await);
        assert!(shown.contains("Type the code that your device shows"), "{shown}");
        assert_eq!(
            json(&poll(&stand, &client, &asked).await)["error"]
                .as_str()
                .map(|error| { ["authorization_pending", "slow_down"].contains(&error) }),
            Some(true),
            "{query}"
        );
    }
    let shown = page(&send(&mut browser, &code, "").await);
    for part in ["television", code.as_str(), "Deny it if this is not your device", "ann"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    stand.pass(60);
    assert_eq!(said(&poll(&stand, &client, &asked).await), "400 authorization_pending");
    let shown = page(&get(&mut browser, "user_code=%22%3E%3Cscript%3E").await);
    assert!(!shown.contains("<script"), "{shown}");
}

/// What becomes of a person or client between the answer and the tokens.
#[tokio::test]
async fn an_answer_is_worth_nothing_when_its_person_or_client_has_gone() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        for (name, answer) in [
            ("disabled", "400 invalid_grant"),
            ("removed", "400 invalid_grant"),
            ("the client removed", "401 invalid_client"),
        ] {
            let user = stand.person().await;
            let client = television(&stand).await;
            let asked = begin(&stand, &client).await;
            let mut browser = ann(&stand).await;
            let done = send(&mut browser, &text(&asked, "user_code"), "allow").await;
            assert!(page(&done).contains("The device is connected"), "{name}");
            match name {
                "disabled" => {
                    accounts::disable(&stand.authority, &user.id, true).await.expect("done");
                }
                "removed" => {
                    assert!(accounts::remove(&stand.authority, &user.id).await.expect("done"));
                }
                _ => assert!(remove(&stand.authority, &client.client.id).await.expect("done")),
            }
            assert_eq!(said(&poll(&stand, &client, &asked).await), answer, "{name}");
            let _ = accounts::remove(&stand.authority, &user.id).await.expect("cleared");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_redeem_one_answer_at_once_one_gets_it() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        one.person().await;
        let client = television(&one).await;
        let asked = begin(&one, &client).await;
        let mut browser = ann(&one).await;
        send(&mut browser, &text(&asked, "user_code"), "allow").await;
        let tries = (0..50).map(|n| poll(if n % 2 == 0 { &one } else { &two }, &client, &asked));
        let replies = join_all(tries).await;
        let heard = |answer: &str| replies.iter().filter(|reply| said(reply) == answer).count();
        assert_eq!((heard("200"), heard("400 invalid_grant")), (1, 49));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_answers_at_once_the_first_counts() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = television(&stand).await;
    let asked = begin(&stand, &client).await;
    let code = text(&asked, "user_code");
    let cookie = ann(&stand).await.cookie;
    let answers =
        (0..20).map(|n| {
            let (mut browser, code) = (Browser::new(&stand), code.as_str());
            browser.cookie.clone_from(&cookie);
            async move {
                page(&send(&mut browser, code, if n % 2 == 0 { "allow" } else { "deny" }).await)
            }
        });
    let shown = join_all(answers).await;
    let done = |text: &str| shown.iter().filter(|page| page.contains(text)).count();
    assert_eq!(done("The device is connected") + done("The device got nothing"), 1);
    let heard = said(&poll(&stand, &client, &asked).await);
    let expected = if done("The device is connected") == 1 { "200" } else { "400 access_denied" };
    assert_eq!(heard, expected);
}

/// Who polls for somebody else's answer, in whichever way.
#[tokio::test]
async fn a_code_is_for_its_client_and_its_grant_only() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let (client, other) = (television(&stand).await, television(&stand).await);
    let asked = begin(&stand, &client).await;
    let mut browser = ann(&stand).await;
    send(&mut browser, &text(&asked, "user_code"), "allow").await;
    assert_eq!(said(&poll(&stand, &other, &asked).await), "400 invalid_grant");
    let code = text(&asked, "device_code");
    let (id, user_code) = (client.client.id.as_str(), text(&asked, "user_code"));
    for (name, value) in [
        ("device_code", user_code.as_str()),
        ("device_code", cut(&code)),
        ("device_code", &code.to_lowercase()),
        ("auth_req_id", &code),
        ("code", &code),
    ] {
        let form = encode(&[("grant_type", DEVICE), ("client_id", id), (name, value)]);
        let heard = said(&stand.ask(&post("/oauth2/token", &form)).await);
        assert!(heard.starts_with("400 invalid_"), "{name}={value}: {heard}");
    }
    let get = Request { method: Method::GET, ..post("/oauth2/token", "") };
    assert_eq!(said(&stand.ask(&get.header("accept", "*/*")).await), "405 invalid_request");
    assert_eq!(said(&poll(&stand, &client, &asked).await), "200");
}
