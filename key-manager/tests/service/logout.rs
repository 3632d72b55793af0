//! Who may end a login, and where is the person sent then? (KM-020)

use http::Method;
use jose::{Expectation, KeySet};
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered, WantedTerms};

use crate::browser::{Browser, app, encode, sealed, step, wish};
use crate::databases::each;
use crate::elsewhere::{Elsewhere, becomes, reaching};
use crate::stand::{BEGIN, Stand, json, part, post, said, text};

const BYE: &str = "https://app.example/bye";

async fn client(stand: &Stand) -> Registered {
    stand.register(Application { logout_uris: vec![BYE.to_owned()], ..app() }).await
}

async fn leave(browser: &mut Browser<'_>, pairs: &[(&str, &str)]) -> Reply {
    let query = Some(encode(pairs));
    browser.send(Request { method: Method::GET, query, ..post("/oauth2/logout", "") }).await
}

fn location(reply: &Reply) -> &str {
    reply.headers().get("location").map_or("", |value| value.to_str().expect("text"))
}

fn page(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(reply.body()).into_owned();
    let title = body.split("<h1>").nth(1).and_then(|rest| rest.split('<').next());
    format!("{} {}", reply.status().as_u16(), title.unwrap_or_default())
}

/// Whether the browser is still logged in.
async fn inside(browser: &mut Browser<'_>, client: &Registered) -> bool {
    step(&browser.authorize(&wish(client, &[("prompt", "none")])).await) == "code"
}

#[tokio::test]
async fn an_application_that_shows_an_id_token_ends_the_login_and_all_that_came_from_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = client(&stand).await;
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&client, &[])).await;
        let tokens = json(&stand.exchange(&client, &code, &[]).await);
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let hint = text(&tokens, "id_token");
        // It may be old: it says who was meant.
        stand.pass(1200);
        assert!(inside(&mut browser, &client).await && stand.lives(&access).await);
        let asked =
            [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "a b")];
        let reply = leave(&mut browser, &asked).await;
        assert_eq!(location(&reply), "https://app.example/bye?state=a+b");
        assert!(reply.headers()["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
        assert!(!inside(&mut browser, &client).await && !stand.lives(&access).await);
        let refreshed = stand.refresh(&client, &refresh, "").await;
        assert_eq!(said(&refreshed), "400 invalid_grant");
        // Once more: nobody is there, and the way back is the same.
        assert_eq!(
            location(&leave(&mut browser, &asked).await),
            "https://app.example/bye?state=a+b"
        );
    })
    .await;
}

#[tokio::test]
async fn anybody_else_makes_the_person_be_asked() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = client(&stand).await;
        let id = client.client.id.as_str();
        let mut browser = Browser::new(&stand);
        browser.code(&wish(&client, &[])).await;
        for asked in [
            vec![],
            vec![("state", "x")],
            vec![("client_id", id), ("post_logout_redirect_uri", BYE)],
        ] {
            let reply = leave(&mut browser, &asked).await;
            assert_eq!(page(&reply), "200 Log out?", "{asked:?}");
            assert!(inside(&mut browser, &client).await, "{asked:?}");
        }
        let asked = [("client_id", id), ("post_logout_redirect_uri", BYE), ("state", "s")];
        let form = encode(&[("request", &sealed(&leave(&mut browser, &asked).await))]);
        // The page is of this browser and of this login.
        let mut other = Browser::new(&stand);
        other.code(&wish(&client, &[])).await;
        other.send(post("/oauth2/logout", &form)).await;
        assert!(inside(&mut other, &client).await && inside(&mut browser, &client).await);
        let reply = browser.send(post("/oauth2/logout", &form)).await;
        assert_eq!(location(&reply), "https://app.example/bye?state=s");
        assert!(!inside(&mut browser, &client).await && inside(&mut other, &client).await);
        assert_eq!(page(&leave(&mut browser, &[]).await), "200 You are logged out");
        // A post from elsewhere comes without the cookie.
        let posted = other.send(post("/oauth2/logout", "state=x")).await;
        assert_eq!(location(&posted), "/oauth2/logout?state=x");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let (client, other) = (client(&stand).await, stand.app().await);
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&client, &[])).await;
        let tokens = json(&stand.exchange(&client, &code, &[]).await);
        let (hint, access) = (text(&tokens, "id_token"), text(&tokens, "access_token"));
        let (mine, theirs) = (client.client.id.as_str(), other.client.id.as_str());
        let bent = hint.replacen('.', ".A", 2);
        let table: Vec<Vec<(&str, &str)>> = vec![
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://evil.example")],
            vec![
                ("id_token_hint", &hint),
                ("post_logout_redirect_uri", "https://app.example/bye?a=b"),
            ],
            vec![("id_token_hint", &hint), ("post_logout_redirect_uri", "https://app.example/BYE")],
            vec![("post_logout_redirect_uri", BYE)],
            vec![("client_id", theirs), ("post_logout_redirect_uri", BYE)],
            vec![("client_id", theirs), ("id_token_hint", &hint)],
            vec![("client_id", "nobody"), ("post_logout_redirect_uri", BYE)],
            vec![("id_token_hint", &bent), ("post_logout_redirect_uri", BYE), ("client_id", mine)],
            vec![("id_token_hint", &access), ("post_logout_redirect_uri", BYE)],
            vec![("id_token_hint", "e30.e30.")],
        ];
        for asked in &table {
            let reply = leave(&mut browser, asked).await;
            assert_eq!(page(&reply), "400 This does not work", "{asked:?}");
            assert_eq!(location(&reply), "", "{asked:?}");
        }
        assert!(inside(&mut browser, &client).await, "nothing of it ended the login");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_application_of_a_login_hears_of_its_end_and_again_if_it_did_not() {
    each(async |scratch| {
        let data = scratch.folder.path();
        let elsewhere = Elsewhere::start(data).await;
        let stand = Stand::with(&scratch, data, BEGIN, reaching(data)).await;
        let ann = stand.person().await;
        let hearing = || Application {
            logout_notice: elsewhere.uri.clone(),
            logout_uris: vec![BYE.to_owned()],
            first_party: true,
            ..app()
        };
        let (one, two) = (stand.register(hearing()).await, stand.register(hearing()).await);
        let bystander = stand.register(hearing()).await;
        let mut browser = Browser::new(&stand);
        let mut hint = String::new();
        for client in [&one, &two] {
            let code = browser.code(&wish(client, &[])).await;
            hint = text(&json(&stand.exchange(client, &code, &[]).await), "id_token");
        }
        let sid = text(&part(&hint, 1), "sid");
        // Another login, which goes on.
        let mut other = Browser::new(&stand);
        let code = other.code(&wish(&bystander, &[])).await;
        stand.exchange(&bystander, &code, &[]).await;

        elsewhere.fail();
        leave(&mut browser, &[("id_token_hint", &hint)]).await;
        elsewhere.told(2).await;
        // Both failed; the clock of the pauses is turned by hand.
        elsewhere.well();
        becomes(|| {
            let again = elsewhere.asked() >= 4;
            if !again {
                stand.pass(1);
            }
            again
        })
        .await;

        let keys =
            KeySet::parse(&json(&stand.get("/oauth2/jwks").await).to_string()).expect("keys");
        let mut audiences = Vec::new();
        for body in elsewhere.heard().iter().take(2) {
            let token = body.strip_prefix("logout_token=").expect("a token");
            let claims = part(token, 1);
            let expect = Expectation {
                types: vec!["logout+jwt".to_owned()],
                ..Expectation::access_token("https://127.0.0.1:9453/oauth2")
            };
            jose::verify(token, &keys, &expect, BEGIN).expect("signed");
            assert_eq!(
                (&claims["sub"], &claims["sid"]),
                (&ann.id.clone().into(), &sid.clone().into())
            );
            let event = "http://schemas.openid.net/event/backchannel-logout";
            assert!(claims["events"][event].is_object(), "{claims}");
            assert_eq!(claims.get("nonce"), None);
            let life = claims["exp"].as_i64().zip(claims["iat"].as_i64());
            assert_eq!(life.map(|(end, begin)| end - begin), Some(120));
            audiences.push(text(&claims, "aud"));
        }
        let mut expected = [&one, &two].map(|client| client.client.id.to_string());
        expected.sort();
        audiences.sort();
        assert_eq!(audiences, expected, "and the third client hears nothing");
        assert!(inside(&mut other, &bystander).await);

        let wrong = Application { logout_notice: "http://app.example/x".to_owned(), ..app() };
        let refused = key_manager::registration::register(&stand.authority, &wrong).await;
        assert!(refused.expect_err("refused").to_string().contains("backchannel_logout_uri"));
    })
    .await;
}

#[tokio::test]
async fn a_browser_loads_what_applications_want_to_hear_of_a_logout_by() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let framed = |uri: &str| Application {
            logout_uris: vec![BYE.to_owned()],
            terms: WantedTerms { logout_frame: uri.to_owned(), ..WantedTerms::default() },
            ..app()
        };
        let client = stand.register(framed("https://app.example/out?a=b")).await;
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&client, &[])).await;
        let hint = text(&json(&stand.exchange(&client, &code, &[]).await), "id_token");
        let sid = text(&part(&hint, 1), "sid");
        let asked = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
        let reply = leave(&mut browser, &asked).await;
        assert_eq!(page(&reply), "200 You are logged out");
        assert_eq!(reply.headers()["refresh"], format!("2; url={BYE}"));
        let policy = reply.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.contains("frame-src https://app.example; "), "{policy}");
        let body = String::from_utf8_lossy(reply.body()).into_owned();
        let frame = format!(
            "src=\"https://app.example/out?a=b&amp;iss=https%3A%2F%2F127.0.0.1%3A9453%2Foauth2&amp;sid={sid}\""
        );
        assert!(body.contains(&frame), "{frame}\n{body}");
        assert!(!inside(&mut browser, &client).await);
        for wrong in ["http://app.example/out", "https://other.example/out",
            "https://u:p@app.example/out", "https://app.example/#a"] {
            let refused = key_manager::registration::register(&stand.authority, &framed(wrong)).await;
            let said = refused.expect_err("refused").to_string();
            assert!(said.contains("frontchannel_logout_uri"), "{wrong}: {said}");
        }
    })
    .await;
}
