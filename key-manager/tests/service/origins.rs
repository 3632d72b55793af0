//! Which pages of others may read an answer in their browser? (Fetch standard, KM-022)

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, WantedTerms, register};

use crate::browser::{app, encode};
use crate::databases::Scratch;
use crate::stand::{Dressed, Stand, post, text};

const PAGE: &str = "https://app.example";

/// What the browser is told: the origin that may read, or "-".
fn readable(reply: &Reply) -> &str {
    let header = reply.headers().get("access-control-allow-origin");
    header.map_or("-", |value| value.to_str().expect("text"))
}

fn get(path: &str) -> Request {
    Request { method: Method::GET, ..post(path, "") }
}

#[tokio::test]
async fn pages_of_a_client_read_its_answers_and_others_do_not() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let terms = WantedTerms { origins: vec![PAGE.to_owned()], ..WantedTerms::default() };
    let client = stand.register(Application { terms, ..app() }).await;
    let plain = stand.app().await;
    let token = text(&stand.tokens(&client).await, "access_token");
    let bearer = format!("Bearer {token}");
    let of = |client: &str| encode(&[("grant_type", "refresh_token"), ("client_id", client)]);
    let (mine, theirs) = (client.client.id.as_str(), plain.client.id.as_str());
    let userinfo = || get("/oauth2/userinfo").header("authorization", &bearer);
    let table = [
        ("token", post("/oauth2/token", &of(mine)), PAGE, PAGE),
        ("token, of another client", post("/oauth2/token", &of(theirs)), PAGE, "-"),
        ("token, another page", post("/oauth2/token", &of(mine)), "https://evil.example", "-"),
        ("token, null", post("/oauth2/token", &of(mine)), "null", "-"),
        ("token, nobody", post("/oauth2/token", "grant_type=x"), PAGE, "-"),
        ("revoke", post("/oauth2/revoke", &of(mine)), PAGE, PAGE),
        ("userinfo", userinfo(), PAGE, PAGE),
        ("userinfo, another page", userinfo(), "https://app.example.evil", "-"),
        ("userinfo, no token", get("/oauth2/userinfo"), PAGE, "-"),
        ("jwks", get("/oauth2/jwks"), "https://any.example", "*"),
        ("discovery", get("/.well-known/openid-configuration"), "https://any.example", "*"),
        ("authorize", get("/oauth2/authorize"), PAGE, "-"),
        ("introspect", post("/oauth2/introspect", &of(mine)), PAGE, "-"),
        ("par", post("/oauth2/par", &of(mine)), PAGE, "-"),
    ];
    for (name, request, origin, expected) in table {
        let reply = stand.ask(&request.header("origin", origin)).await;
        assert_eq!(readable(&reply), expected, "{name}");
        assert!(!reply.headers().contains_key("access-control-allow-credentials"), "{name}");
    }
}

#[tokio::test]
async fn a_browser_may_ask_where_pages_may_read_and_nowhere_else() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    for (path, allowed) in [
        ("/oauth2/token", true),
        ("/oauth2/userinfo", true),
        ("/oauth2/revoke", true),
        ("/oauth2/authorize", false),
        ("/oauth2/login", false),
        ("/oauth2/account", false),
        ("/oauth2/register", false),
    ] {
        let request = Request { method: Method::OPTIONS, ..post(path, "") };
        let request =
            request.header("origin", PAGE).header("access-control-request-method", "POST");
        let reply = stand.ask(&request).await;
        assert_eq!(reply.status() == 204, allowed, "{path}: {}", reply.status());
        assert_eq!(readable(&reply), if allowed { PAGE } else { "-" }, "{path}");
    }
    let wrong =
        ["https://app.example/", "https://app.example/x", "http://app.example", "*", "null"];
    for origin in wrong {
        let terms = WantedTerms { origins: vec![origin.to_owned()], ..WantedTerms::default() };
        let refused = register(&stand.authority, &Application { terms, ..app() }).await;
        let said = refused.expect_err("refused").to_string();
        assert!(said.contains("allowed_origins"), "{origin}: {said}");
    }
}
