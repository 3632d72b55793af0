//! Attack list, logout: does nobody end a login who may not, or send a person elsewhere?
//!
//! Hints and unregistered addresses are in the suite `service`, `logout.rs`; forged hints in
//! `jose.rs`. This key manager tells of logouts and hears of none, so nobody replays one to it.

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};

use crate::browser::{Browser, app, encode, step, wish};
use crate::databases::Scratch;
use crate::stand::{Stand, json, post, text};

const BYE: &str = "https://app.example/bye";

async fn leave(browser: &mut Browser<'_>, pairs: &[(&str, &str)]) -> Reply {
    let query = Some(encode(pairs));
    browser.send(Request { method: Method::GET, query, ..post("/oauth2/logout", "") }).await
}

async fn inside(browser: &mut Browser<'_>, client: &Registered) -> bool {
    step(&browser.authorize(&wish(client, &[("prompt", "none")])).await) == "code"
}

#[tokio::test]
async fn a_person_goes_on_at_a_registered_address_or_nowhere() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = Application { logout_uris: vec![BYE.to_owned()], first_party: true, ..app() };
    let client = stand.register(client).await;
    let mut browser = Browser::new(&stand);
    let code = browser.code(&wish(&client, &[])).await;
    let hint = text(&json(&stand.exchange(&client, &code, &[]).await), "id_token");
    for wrong in [
        "https://evil.example/bye",
        "https://app.example.evil.example/bye",
        "https://app.example@evil.example/bye",
        "https://app.example\\@evil.example/bye",
        "https://app.example/bye/../evil",
        "https://app.example/bye?to=evil",
        "https://app.example/bye#evil",
        "https://app.example:8443/bye",
        "https://APP.example/bye",
        "http://app.example/bye",
        "//evil.example/bye",
        "/bye",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.example/bye\r\nSet-Cookie: a=b",
        // Where people come back to after a login, and not after a logout.
        "https://app.example/cb",
    ] {
        let reply =
            leave(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", wrong)])
                .await;
        assert_eq!(reply.status(), 400, "{wrong}");
        assert!(!reply.headers().contains_key("location"), "{wrong}");
        assert!(!reply.headers().contains_key("set-cookie"), "{wrong}");
    }
    assert!(inside(&mut browser, &client).await, "something of it ended the login");
    let state = "a\r\nSet-Cookie: b=c&post_logout_redirect_uri=https://evil.example#x";
    let pairs =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", state)];
    let reply = leave(&mut browser, &pairs).await;
    let location =
        url::Url::parse(reply.headers()["location"].to_str().expect("text")).expect("a URL");
    assert!(location.as_str().starts_with(&format!("{BYE}?state=")), "{location}");
    let (_, sent) = location.query_pairs().next().expect("a state");
    assert_eq!((sent.as_ref(), location.fragment()), (state, None));
}

/// A hint of somebody else's login, in a browser where Ann is logged in.
#[tokio::test]
async fn the_hint_of_another_person_ends_no_login() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let made = key_manager::accounts::create(&stand.authority, "ben", crate::browser::PASSWORD, "");
    made.await.expect("an account");
    let client = stand.register(Application { first_party: true, ..app() }).await;
    let mut ann = Browser::new(&stand);
    ann.code(&wish(&client, &[])).await;
    let mut ben = Browser::new(&stand);
    let page = ben.authorize(&wish(&client, &[])).await;
    let back = ben.log_in(&page, "ben", crate::browser::PASSWORD).await;
    let code = crate::browser::sent(&back, "code").expect("a code");
    let hint = text(&json(&stand.exchange(&client, &code, &[]).await), "id_token");
    let reply = leave(&mut ann, &[("id_token_hint", &hint)]).await;
    let page = String::from_utf8_lossy(reply.body()).into_owned();
    assert!(page.contains("<h1>Log out?"), "she was not asked: {page}");
    assert!(inside(&mut ann, &client).await);
    // Nor does an image of another site, which is a GET without any hint.
    leave(&mut ann, &[]).await;
    assert!(inside(&mut ann, &client).await);
}
