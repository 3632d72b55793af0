//! Attack list, abuse: does nobody learn who has an account, exhaust the passwords, or write our log?
//!
//! Lockouts, floods of logins and their 503 are in the suite `service`, `authorize.rs`; what looks like
//! guessing is told of (`fraud.rs`). Making an account does tell whether a name is taken: the number of
//! tries is bounded (`sign_up.rs`).

use std::time::{Duration, Instant};

use http::Method;
use key_manager::accounts;
use key_manager::endpoint::{Reply, Request};
use turnpike_proto::identity::v1::RegisterClientRequest;
use turnpike_proto::identity::v1::clients_client::ClientsClient;

use crate::browser::{Browser, PASSWORD, encode, sealed, step, wish};
use crate::databases::Scratch;
use crate::process::{Process, last_words};
use crate::stand::{Stand, post, said};
use crate::visits::{account, get, post as post_to};

/// People of every kind, and nobody.
const NAMES: [&str; 4] = ["ann", "disabled", "locked", "nobody"];

async fn people(scratch: &Scratch) -> Stand {
    let mut stand = Stand::on(scratch).await;
    for name in ["ann", "disabled", "locked"] {
        accounts::create(&stand.authority, name, PASSWORD, "").await.expect("an account");
    }
    let name = key_manager::domain::UserName::parse("disabled").expect("a name");
    let stored = key_manager::store::Store::user_named(&stand.store, &name).await.expect("read");
    let id = stored.expect("a person").user.id;
    accounts::disable(&stand.authority, &id, true).await.expect("disabled");
    // Many may fail here, of which one has failed too often.
    stand.authority.login.name.free = 2;
    stand
}

/// A page without what differs by itself: the sealed request, and the name that was typed.
fn plain(reply: &Reply, name: &str) -> String {
    let page = String::from_utf8_lossy(reply.body()).replace(&sealed(reply), "");
    page.replace(&format!("value=\"{name}\""), "")
}

#[tokio::test]
async fn a_failed_login_says_the_same_in_the_same_time_whoever_is_named() {
    let scratch = Scratch::sqlite();
    let mut stand = people(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    for _ in 0..4 {
        browser.log_in(&page, "locked", "wrong").await;
    }
    let cookie = browser.cookie.clone();
    stand.authority.login.name.free = 1_000_000;
    let mut browser = Browser::new(&stand);
    browser.cookie = cookie;
    let mut shown = Vec::new();
    let mut took = vec![Vec::new(); NAMES.len()];
    for _ in 0..15 {
        // In turns, so that each sees the same machine.
        for (name, took) in NAMES.iter().zip(&mut took) {
            let (reply, spent) = timed(&mut browser, &page, name).await;
            assert_eq!(step(&reply), "login", "{name}");
            shown.push((reply.status(), reply.headers().len(), plain(&reply, name)));
            took.push(spent);
        }
    }
    shown.dedup();
    assert_eq!(shown.len(), 1, "{shown:?}");
    // The faster half shows what has to be done; the slower one how busy the machine is.
    let usual: Vec<Duration> = took
        .into_iter()
        .map(|mut took| {
            took.sort();
            took[took.len() / 4]
        })
        .collect();
    let (least, most) = (usual.iter().min().expect("one"), usual.iter().max().expect("one"));
    // A login without a hash would take a hundredth.
    assert!(*most < *least * 4, "{NAMES:?} took {usual:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test measures the time that really passes")]
async fn timed(browser: &mut Browser<'_>, page: &Reply, name: &str) -> (Reply, Duration) {
    let begun = Instant::now();
    let reply = browser.log_in(page, name, "wrong").await;
    (reply, begun.elapsed())
}

#[tokio::test]
async fn no_endpoint_of_programs_says_who_has_an_account() {
    let scratch = Scratch::sqlite();
    let stand = people(&scratch).await;
    let ciba = "urn:openid:params:grant-type:ciba";
    let client = stand
        .register(key_manager::registration::Application {
            name: "bank".to_owned(),
            grant_types: vec![ciba.to_owned(), "client_credentials".to_owned()],
            scopes: vec!["openid".to_owned()],
            ..Default::default()
        })
        .await;
    let mut heard = Vec::new();
    for name in NAMES {
        let form = encode(&[("scope", "openid"), ("login_hint", name)]);
        let asked = stand.post("/oauth2/bc-authorize", &client, &form).await;
        let mut told = crate::stand::json(&asked);
        let code = told["auth_req_id"].take();
        let form = encode(&[("grant_type", ciba), ("auth_req_id", code.as_str().expect("a code"))]);
        let polled = stand.post("/oauth2/token", &client, &form).await;
        heard.push((said(&asked), told.to_string(), said(&polled)));
    }
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[tokio::test]
async fn a_password_without_end_is_not_hashed() {
    let scratch = Scratch::sqlite();
    let stand = people(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let page = browser.authorize(&wish(&client, &[])).await;
    let of = |length: usize| {
        let password = "x".repeat(length);
        let form = encode(&[("request", &sealed(&page)), ("name", "ann"), ("password", &password)]);
        post("/oauth2/login", &form)
    };
    // As large as a form may be, and a password too long to be one.
    assert_eq!(step(&browser.send(of(1_025)).await), "login");
    assert_eq!(step(&browser.send(of(50_000)).await), "login");
    assert_eq!(browser.send(of(10 * 1024 * 1024)).await.status(), 413);
    // Letters that get longer when they are brought to their form.
    let long = "\u{fdfa}".repeat(341);
    let reply = browser.log_in(&page, "ann", &long).await;
    assert_eq!(step(&reply), "login");
    for password in [String::new(), "x".repeat(1_025)] {
        let made = accounts::create(&stand.authority, "ben", &password, "").await;
        assert!(made.is_err(), "{} bytes", password.len());
    }
    let reply = browser.log_in(&page, &"n".repeat(50_000), "x").await;
    assert_eq!(step(&reply), "login");
}

/// With every line that there is: nothing that a stranger sends begins a line of its own, or colours it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_lines_of_our_log() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let process = Process::start_with(&scratch, &[("TURNPIKE_TELEMETRY_LOG", "trace")]).await;
    account(&process, data).await;
    let asked = RegisterClientRequest { name: "app".to_owned(), ..Default::default() };
    let mut clients = ClientsClient::new(process.channel(data, "control-plane"));
    let client = clients.register(asked).await.expect("a client").into_inner();
    let forged = "x\nFORGED INFO all is well\r\nFORGED\u{1b}[31m\u{9b}31m\u{7}FORGED\u{2028}FORGED";
    let pairs = |name: &str| encode(&[(name, forged), ("grant_type", "client_credentials")]);
    for name in [
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "grant_type",
        "scope",
        "resource",
        "audience",
        "token",
        "code",
        "refresh_token",
        "device_code",
        "redirect_uri",
        "state",
        "request",
        "request_uri",
        "user_code",
        "name",
        "password",
        forged,
    ] {
        for path in ["token", "introspect", "revoke", "par", "login", "device_authorization"] {
            for form in [pairs(name), format!("{0}&{0}", pairs(name))] {
                post_to(&process, data, &format!("/oauth2/{path}"), "", &form).await;
            }
        }
        get(&process, data, &format!("/oauth2/authorize?{}", pairs(name)), "").await;
        let known = format!("/oauth2/authorize?client_id={}&{}", client.client_id, pairs(name));
        get(&process, data, &known, "").await;
    }
    for field in ["User-Agent", "X-Forwarded-For", "traceparent", "Cookie", "Authorization", "DPoP"]
    {
        let more = format!("{field}: FORGED\u{1b}[31m FORGED\r\n");
        get(&process, data, "/oauth2/userinfo", &more).await;
    }
    get(&process, data, "/oauth2/%0aFORGED%1b%5b31m", "").await;
    assert_eq!(process.stop().await, Some(0));
    let log = last_words(&scratch);
    assert!(log.lines().count() > 20, "nothing was logged: {log}");
    for line in log.lines() {
        assert!(!line.trim_start().starts_with("FORGED"), "a forged line: {line}");
        let hidden = |c: char| c.is_control() && c != '\t';
        assert!(!line.chars().any(hidden), "a mark that a terminal obeys: {line:?}");
    }
}

/// The readers of a log see who failed, and no secret.
#[tokio::test]
async fn an_answer_says_back_no_secret() {
    let scratch = Scratch::sqlite();
    let stand = people(&scratch).await;
    let client = stand.client(&[]).await;
    let secret = client.secret.as_str();
    for form in [
        format!("grant_type=client_credentials&scope={secret}"),
        format!("grant_type={secret}"),
        format!("grant_type=client_credentials&resource={secret}"),
        format!("{secret}=1&{secret}=2"),
        format!("grant_type=refresh_token&refresh_token={secret}"),
        format!("token={secret}"),
    ] {
        for path in ["token", "introspect", "revoke"] {
            let reply = stand.post(&format!("/oauth2/{path}"), &client, &form).await;
            let text = String::from_utf8_lossy(reply.body()).into_owned();
            // The name of a parameter is said back, so that its developer finds it.
            let named = form.starts_with(secret);
            assert!(named || !text.contains(secret), "{path} {form}: {text}");
        }
    }
    let mut browser = Browser::new(&stand);
    let page = browser.send(Request { method: Method::GET, ..post("/oauth2/account", "") }).await;
    let again = browser.log_in(&page, "ann", "my secret password").await;
    assert!(!String::from_utf8_lossy(again.body()).contains("my secret password"));
}
