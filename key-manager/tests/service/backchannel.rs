//! Does a client hear what a person said who was asked elsewhere, and only then? (OpenID Connect CIBA,
//! KM-018, KM-037)

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered, WantedTerms};
use serde_json::Value;

use crate::browser::{Browser, PASSWORD, encode, sealed};
use crate::databases::{Scratch, each};
use crate::elsewhere::{Elsewhere, reaching};
use crate::stand::{BEGIN, Dressed, Stand, json, part, post, said, text};

const GRANT: &str = "urn:openid:params:grant-type:ciba";

pub(crate) async fn bank(stand: &Stand) -> Registered {
    stand
        .register(Application {
            name: "bank <desk>".to_owned(),
            grant_types: vec![GRANT.to_owned(), "refresh_token".to_owned()],
            scopes: ["openid", "a"].map(str::to_owned).to_vec(),
            ..Application::default()
        })
        .await
}

pub(crate) async fn ask(stand: &Stand, client: &Registered, changes: &[(&str, &str)]) -> Reply {
    let mut pairs =
        vec![("scope", "openid a"), ("login_hint", "ann"), ("binding_message", "W4SCT")];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    let request = post("/oauth2/bc-authorize", &encode(&pairs));
    stand.ask(&request.basic(client.client.id.as_str(), &client.secret)).await
}

pub(crate) async fn poll(stand: &Stand, client: &Registered, asked: &Value) -> Reply {
    let form = encode(&[("grant_type", GRANT), ("auth_req_id", &text(asked, "auth_req_id"))]);
    stand.post("/oauth2/token", client, &form).await
}

/// The page of whoever sits there, who logs in if they have to.
pub(crate) async fn visit(browser: &mut Browser<'_>, name: &str) -> Reply {
    let page = || Request { method: Method::GET, ..post("/oauth2/approvals", "") };
    let reply = browser.send(page()).await;
    if !String::from_utf8_lossy(reply.body()).contains("<h1>Log in") {
        return reply;
    }
    browser.log_in(&reply, name, PASSWORD).await;
    browser.send(page()).await
}

/// The names of what waits on a page.
pub(crate) fn waiting(page: &Reply) -> Vec<String> {
    let body = String::from_utf8_lossy(page.body()).into_owned();
    let fields = body.split("name=\"waiting\" value=\"").skip(1);
    fields.map(|rest| rest.split('"').next().expect("a value").to_owned()).collect()
}

pub(crate) async fn answer(
    browser: &mut Browser<'_>,
    page: &Reply,
    name: &str,
    answer: &str,
) -> Reply {
    let form = encode(&[("request", &sealed(page)), ("waiting", name), ("answer", answer)]);
    browser.send(post("/oauth2/approvals", &form)).await
}

#[tokio::test]
async fn a_person_is_asked_on_a_page_of_their_own_and_the_client_hears_the_answer() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        let client = bank(&stand).await;
        let asked = json(&ask(&stand, &client, &[]).await);
        assert_eq!((&asked["expires_in"], &asked["interval"]), (&300.into(), &5.into()));
        assert_eq!(said(&poll(&stand, &client, &asked).await), "400 authorization_pending");
        assert_eq!(said(&poll(&stand, &client, &asked).await), "400 slow_down");

        let mut browser = Browser::new(&stand);
        let page = visit(&mut browser, "ann").await;
        let shown = String::from_utf8_lossy(page.body()).into_owned();
        assert!(shown.contains("bank &lt;desk&gt;") && shown.contains("W4SCT"), "{shown}");
        let names = waiting(&page);
        assert_eq!(names.len(), 1);
        assert_eq!(answer(&mut browser, &page, &names[0], "allow").await.status(), 303);
        assert_eq!(waiting(&visit(&mut browser, "ann").await), [""; 0]);
        stand.pass(30);
        let tokens = json(&poll(&stand, &client, &asked).await);
        assert_eq!(part(&text(&tokens, "id_token"), 1)["sub"], ann.id.as_str());
        assert!(stand.lives(&text(&tokens, "access_token")).await);
        assert_eq!(said(&poll(&stand, &client, &asked).await), "400 invalid_grant");

        let asked = json(&ask(&stand, &client, &[]).await);
        let page = visit(&mut browser, "ann").await;
        answer(&mut browser, &page, &waiting(&page)[0], "deny").await;
        assert_eq!(said(&poll(&stand, &client, &asked).await), "400 access_denied");

        let asked = json(&ask(&stand, &client, &[("requested_expiry", "20")]).await);
        stand.pass(21);
        assert_eq!(waiting(&visit(&mut browser, "ann").await), [""; 0]);
        assert_eq!(said(&poll(&stand, &client, &asked).await), "400 expired_token");
        let by_token = [("login_hint", ""), ("id_token_hint", &text(&tokens, "id_token"))];
        assert_eq!(said(&ask(&stand, &client, &by_token).await), "200");
        assert_eq!(waiting(&visit(&mut browser, "ann").await).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_answers_for_another_and_no_client_learns_who_has_an_account() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let made = key_manager::accounts::create(&stand.authority, "ben", PASSWORD, "").await;
    made.expect("an account");
    let client = bank(&stand).await;
    let asked = json(&ask(&stand, &client, &[]).await);
    let mut ann = Browser::new(&stand);
    let name = waiting(&visit(&mut ann, "ann").await).remove(0);
    let mut ben = Browser::new(&stand);
    let page = visit(&mut ben, "ben").await;
    assert_eq!(waiting(&page), [""; 0]);
    // Ben's page works in his browser only, and his browser finds only what is his.
    let any = json(&ask(&stand, &client, &[("login_hint", "ben")]).await);
    let page = visit(&mut ben, "ben").await;
    answer(&mut ben, &page, &name, "allow").await;
    assert_eq!(answer(&mut ann, &page, &name, "allow").await.status(), 400);
    assert_eq!(said(&poll(&stand, &client, &asked).await), "400 authorization_pending");
    assert_eq!(said(&poll(&stand, &client, &any).await), "400 authorization_pending");
    let nobody = json(&ask(&stand, &client, &[("login_hint", "nobody")]).await);
    assert_eq!(said(&poll(&stand, &client, &nobody).await), "400 authorization_pending");
    // Its code is none of another grant, and of no other client.
    let other = bank(&stand).await;
    stand.pass(30);
    assert_eq!(said(&poll(&stand, &other, &asked).await), "400 invalid_grant");
}

#[tokio::test]
async fn a_request_that_is_none_is_refused() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = bank(&stand).await;
    let long = "x".repeat(65);
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[("scope", "a")], "400 invalid_scope"),
        (&[("scope", "openid admin")], "400 invalid_scope"),
        (&[("login_hint", "")], "400 invalid_request"),
        (&[("id_token_hint", "e30.e30.")], "400 invalid_request"),
        (&[("login_hint", ""), ("id_token_hint", "e30.e30.")], "400 invalid_request"),
        (&[("login_hint", ""), ("login_hint_token", "x")], "400 invalid_request"),
        (&[("binding_message", &long)], "400 invalid_binding_message"),
        (&[("requested_expiry", "soon")], "400 invalid_request"),
        (&[("requested_expiry", "-1")], "400 invalid_request"),
        (&[("resource", "https://unknown.example")], "400 invalid_target"),
    ];
    for (changes, answer) in table {
        assert_eq!(said(&ask(&stand, &client, changes).await), *answer, "{changes:?}");
    }
    let app = stand.client(&["openid"]).await;
    assert_eq!(said(&ask(&stand, &app, &[]).await), "400 unauthorized_client");
    let stranger = post("/oauth2/bc-authorize", "scope=openid&login_hint=ann");
    assert_eq!(said(&stand.ask(&stranger).await), "401 invalid_client");
}

#[tokio::test]
async fn whom_another_client_knows_is_not_asked_for() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let (client, app) = (bank(&stand).await, stand.app().await);
    let theirs = text(&stand.tokens(&app).await, "id_token");
    let by_token = [("login_hint", ""), ("id_token_hint", theirs.as_str())];
    assert_eq!(said(&ask(&stand, &client, &by_token).await), "400 invalid_request");
    for message in ["a\u{202e}b", "a\u{200b}b", "a\nb"] {
        let reply = ask(&stand, &client, &[("binding_message", message)]).await;
        assert_eq!(said(&reply), "400 invalid_binding_message", "{message:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_an_address_is_told_that_somebody_has_answered() {
    each(async |scratch| {
        let data = scratch.folder.path();
        let elsewhere = Elsewhere::start(data).await;
        elsewhere.well();
        let stand = Stand::with(&scratch, data, BEGIN, reaching(data)).await;
        stand.person().await;
        let terms = WantedTerms { notify: elsewhere.uri.clone(), ..WantedTerms::default() };
        let client = stand
            .register(Application {
                name: "bank".to_owned(),
                grant_types: vec![GRANT.to_owned()],
                scopes: ["openid", "a"].map(str::to_owned).to_vec(),
                terms,
                ..Application::default()
            })
            .await;
        for wrong in ["", "two words", "a\r\nb: c"] {
            let reply = ask(&stand, &client, &[("client_notification_token", wrong)]).await;
            assert_eq!(said(&reply), "400 invalid_request", "{wrong:?}");
        }
        let asked = json(&ask(&stand, &client, &[("client_notification_token", "t0ken")]).await);
        let mut browser = Browser::new(&stand);
        let page = visit(&mut browser, "ann").await;
        answer(&mut browser, &page, &waiting(&page)[0], "allow").await;
        elsewhere.told(1).await;
        let told: Value = serde_json::from_str(&elsewhere.heard()[0]).expect("JSON");
        assert_eq!(told, serde_json::json!({ "auth_req_id": asked["auth_req_id"] }));
        assert_eq!(elsewhere.shown(), ["Bearer t0ken"]);
        assert_eq!(said(&poll(&stand, &client, &asked).await), "200");
    })
    .await;
}
