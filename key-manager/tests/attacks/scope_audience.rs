//! Attack list, scope and audience: does nobody get more than was agreed, wherever it is asked for?
//!
//! Widening at refresh and exchange is in the suite `service`: `refresh.rs`, `exchanges.rs`.

use http::Method;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};

use crate::browser::{Browser, app, encode, sent, step, wish};
use crate::databases::Scratch;
use crate::stand::{Dressed, Stand, json, post, said, text};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// Wherever scopes and resources are asked for.
async fn ask(stand: &Stand, client: &Registered, place: &str, more: &[(&str, &str)]) -> String {
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    let form = |path: &str, first: &[(&str, &str)]| {
        let pairs: Vec<(&str, &str)> = first.iter().chain(more).copied().collect();
        post(path, &encode(&pairs)).basic(id, secret)
    };
    let wished = |changes: &[(&str, &str)]| {
        let bare = wish(client, &[("scope", "")]);
        format!("{bare}&{}", encode(changes))
    };
    let reply: Reply = match place {
        "authorize" => {
            let query = Some(wished(more));
            let request = Request { method: Method::GET, query, ..post("/oauth2/authorize", "") };
            let reply = stand.ask(&request).await;
            let heard = step(&reply);
            return if heard == "login" { "200".to_owned() } else { heard };
        }
        "par" => stand.ask(&post("/par", &wished(more)).basic(id, secret)).await,
        "token" => stand.ask(&form("/token", &[("grant_type", "client_credentials")])).await,
        "device" => stand.ask(&form("/device_authorization", &[])).await,
        _ => stand.ask(&form("/bc-authorize", &[("login_hint", "ann")])).await,
    };
    let heard = said(&reply);
    heard.strip_prefix("400 ").unwrap_or(&heard).replace("201", "200")
}

#[tokio::test]
async fn a_scope_or_resource_that_is_not_the_clients_is_refused_everywhere() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let grants = ["authorization_code", "client_credentials", DEVICE, CIBA];
    let client = stand
        .register(Application {
            public: false,
            grant_types: grants.map(str::to_owned).to_vec(),
            ..app()
        })
        .await;
    let many = "a ".repeat(5_000);
    let long = "s".repeat(5_000);
    let hundred: Vec<(&str, &str)> = std::iter::once(("scope", "openid"))
        .chain((0..100).map(|_| ("resource", "turnpike")))
        .collect();
    let table: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![("scope", "openid a")], "200"),
        (vec![("scope", "openid a"), ("resource", "turnpike")], "200"),
        (vec![("scope", "openid z")], "invalid_scope"),
        (vec![("scope", "openid A")], "invalid_scope"),
        (vec![("scope", "openid turnpike:introspect")], "invalid_scope"),
        (vec![("scope", "openid a,b")], "invalid_scope"),
        (vec![("scope", "openid *")], "invalid_scope"),
        (vec![("scope", "openid a\"b")], "invalid_scope"),
        (vec![("scope", "openid a\\b")], "invalid_scope"),
        (vec![("scope", "openid a\nb")], "invalid_scope"),
        (vec![("scope", "openid \u{430}")], "invalid_scope"),
        (vec![("scope", "openid a"), ("resource", "https://unknown.example")], "invalid_target"),
        (vec![("scope", "openid a"), ("resource", "turnpike#a")], "invalid_target"),
        (vec![("scope", "openid a"), ("resource", "TURNPIKE")], "invalid_target"),
        (vec![("scope", "openid a"), ("resource", "turnpike/")], "invalid_target"),
        (vec![("scope", "openid a"), ("resource", "*")], "invalid_target"),
        (
            vec![("scope", "openid a"), ("resource", "turnpike"), ("resource", "https://other")],
            "invalid_target",
        ),
        (vec![("scope", "openid a"), ("scope", "openid a")], "invalid_request"),
    ];
    for place in ["authorize", "par", "token", "device", "ciba"] {
        for (more, answer) in &table {
            let heard = ask(&stand, &client, place, more).await;
            // Who asks twice in an authorization is told on a page: no address can be trusted.
            let page = place == "authorize" && *answer == "invalid_request" && heard == "page 400";
            assert!(heard == *answer || page, "{place} {more:?}: {heard}");
        }
        for more in
            [vec![("scope", many.as_str())], vec![("scope", long.as_str())], hundred.clone()]
        {
            let heard = ask(&stand, &client, place, &more).await;
            let refused = ["invalid_scope", "invalid_request", "page 400"];
            // A scope that stands there often is there once.
            let fine = more.len() == 1 && more[0].1 == many && heard == "200";
            assert!(refused.contains(&heard.as_str()) || fine, "{place}, much: {heard}");
        }
    }
}

/// What a silent request hears says nothing of whom there is.
#[tokio::test]
async fn a_silent_request_learns_nothing_about_people() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let other = stand.app().await;
    let code = Browser::new(&stand).code(&wish(&client, &[])).await;
    let tokens = json(&stand.exchange(&client, &code, &[]).await);
    let hint = text(&tokens, "id_token");
    for client in [&client, &other] {
        for more in [
            vec![],
            vec![("login_hint", "ann")],
            vec![("login_hint", "nobody")],
            vec![("id_token_hint", hint.as_str())],
            vec![("id_token_hint", "e30.e30.AA")],
        ] {
            let mut changes = vec![("prompt", "none")];
            changes.extend(more);
            // A browser in which nobody is logged in.
            let reply = Browser::new(&stand).authorize(&wish(client, &changes)).await;
            let heard = step(&reply);
            let quiet = ["login_required", "invalid_request"].contains(&heard.as_str());
            assert!(quiet, "{changes:?}: {heard}");
            assert_eq!(sent(&reply, "code"), None);
        }
    }
    let (mut one, mut two) = (Browser::new(&stand), Browser::new(&stand));
    let known = one.authorize(&wish(&client, &[("prompt", "none"), ("login_hint", "ann")])).await;
    let unknown =
        two.authorize(&wish(&client, &[("prompt", "none"), ("login_hint", "nobody")])).await;
    assert_eq!(known.headers()["location"], unknown.headers()["location"]);
}
