//! Does an exchanged token hold no more than the one it came from? (RFC 8693, KM-038)

use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};
use serde_json::json;

use crate::browser::{Browser, app, encode, exchange_of, wish};
use crate::databases::{Scratch, each};
use crate::stand::{Dressed, Stand, json as body, part, post, said, text};

/// Parameters other than those of a good request; empty ones are left out.
type Changes<'c> = Vec<(&'c str, &'c str)>;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn service(stand: &Stand, name: &str, scopes: &[&str]) -> Registered {
    let grants = [GRANT, "client_credentials"].map(str::to_owned).to_vec();
    stand
        .register(Application {
            name: name.to_owned(),
            grant_types: grants,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..Application::default()
        })
        .await
}

fn request(client: &Registered, token: &str, changes: &[(&str, &str)]) -> Request {
    let mut pairs =
        vec![("grant_type", GRANT), ("subject_token", token), ("subject_token_type", ACCESS)];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    post("/oauth2/token", &encode(&pairs)).basic(client.client.id.as_str(), &client.secret)
}

async fn exchange(
    stand: &Stand,
    client: &Registered,
    token: &str,
    changes: &[(&str, &str)],
) -> Reply {
    stand.ask(&request(client, token, changes)).await
}

#[tokio::test]
async fn a_service_acts_for_a_person_with_less_and_as_long_as_the_person_lets_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        let app = stand.app().await;
        let tokens = stand.tokens(&app).await;
        let token = text(&tokens, "access_token");
        let (orders, stock) =
            (service(&stand, "orders", &["a", "z"]).await, service(&stand, "stock", &["a"]).await);
        stand.pass(60);
        let reply = exchange(&stand, &orders, &token, &[]).await;
        assert_eq!(said(&reply), "200");
        let first = body(&reply);
        assert_eq!(first["issued_token_type"], ACCESS);
        assert_eq!((&first["scope"], first.get("refresh_token")), (&json!("a"), None));
        assert_eq!(first["expires_in"], 3540, "not longer than the first");
        let first = text(&first, "access_token");
        let claims = part(&first, 1);
        assert_eq!(claims["sub"], ann.id.as_str());
        assert_eq!(claims["client_id"], orders.client.id.as_str());
        assert_eq!(claims["act"], json!({ "sub": orders.client.id.as_str() }));

        let second = text(&body(&exchange(&stand, &stock, &first, &[]).await), "access_token");
        let chain = json!({
            "sub": stock.client.id.as_str(), "act": { "sub": orders.client.id.as_str() },
        });
        assert_eq!(part(&second, 1)["act"], chain);
        let told = stand.post("/oauth2/introspect", &stock, &format!("token={second}")).await;
        assert_eq!(body(&told)["act"], chain);

        // It ends with what it came from.
        let form = encode(&[
            ("token", &text(&tokens, "refresh_token")),
            ("client_id", app.client.id.as_str()),
        ]);
        assert_eq!(said(&stand.ask(&post("/oauth2/revoke", &form)).await), "200");
        assert!(!stand.lives(&first).await && !stand.lives(&second).await);
        assert_eq!(said(&exchange(&stand, &orders, &token, &[]).await), "400 invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn whatever_is_wrong_with_it_is_refused_and_not_left_out() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let app = stand.app().await;
    let tokens = stand.tokens(&app).await;
    let (token, id_token) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
    let client = service(&stand, "orders", &["a", "z"]).await;
    let own = stand.token(&client).await;
    let (refresh, saml) = (
        "urn:ietf:params:oauth:token-type:refresh_token",
        "urn:ietf:params:oauth:token-type:saml2",
    );
    let bent = token.replacen('.', ".A", 2);
    let table: Vec<(&str, Changes<'_>, &str)> = vec![
        (&token, vec![("subject_token", "")], "400 invalid_request"),
        (&token, vec![("subject_token_type", "")], "400 invalid_request"),
        (&token, vec![("subject_token_type", refresh)], "400 invalid_grant"),
        (&token, vec![("subject_token_type", saml)], "400 invalid_request"),
        (&token, vec![("requested_token_type", saml)], "400 invalid_request"),
        (&token, vec![("scope", "z")], "400 invalid_scope"),
        (&token, vec![("scope", "openid")], "400 invalid_scope"),
        (&token, vec![("scope", "b")], "400 invalid_scope"),
        (&token, vec![("resource", "https://other.example")], "400 invalid_target"),
        (&token, vec![("audience", "https://other.example")], "400 invalid_target"),
        (&token, vec![("audience", "turnpike")], "200"),
        (&token, vec![("actor_token", &own), ("actor_token_type", ACCESS)], "200"),
        (&token, vec![("actor_token", &own)], "400 invalid_request"),
        (&token, vec![("actor_token_type", ACCESS)], "400 invalid_request"),
        (&token, vec![("actor_token", &bent), ("actor_token_type", ACCESS)], "400 invalid_grant"),
        (&bent, vec![], "400 invalid_grant"),
        (&id_token, vec![], "400 invalid_grant"),
        ("e30.e30.", vec![], "400 invalid_grant"),
        (&own, vec![], "200"),
    ];
    for (token, changes, answer) in &table {
        let reply = exchange(&stand, &client, token, changes).await;
        assert_eq!(said(&reply), *answer, "{changes:?}");
    }
    let machine = stand.client(&["a"]).await;
    let reply = exchange(&stand, &machine, &token, &[]).await;
    assert_eq!(said(&reply), "400 unauthorized_client");
    stand.pass(3601);
    assert_eq!(said(&exchange(&stand, &client, &token, &[]).await), "400 invalid_grant");
}

#[tokio::test]
async fn somebody_who_may_not_log_in_any_more_is_not_acted_for() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let ann = stand.person().await;
    let token = text(&stand.tokens(&stand.app().await).await, "access_token");
    let client = service(&stand, "orders", &["a"]).await;
    assert_eq!(said(&exchange(&stand, &client, &token, &[]).await), "200");
    key_manager::accounts::disable(&stand.authority, &ann.id, true).await.expect("disabled");
    assert_eq!(said(&exchange(&stand, &client, &token, &[]).await), "400 invalid_grant");
}

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

#[tokio::test]
async fn what_a_client_was_given_for_itself_is_good_for_itself_and_while_the_login_lasts() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        let grants = ["authorization_code", "refresh_token", GRANT].map(str::to_owned).to_vec();
        let own = async || {
            let client = Application { public: false, grant_types: grants.clone(), ..app() };
            stand.register(client).await
        };
        let (client, other) = (own().await, own().await);
        let mut browser = Browser::new(&stand);
        let code = browser.code(&wish(&client, &[("scope", "openid a")])).await;
        let asked = exchange_of(&client, &code, &[]);
        let asked = asked.basic(client.client.id.as_str(), &client.secret);
        let tokens = body(&stand.ask(&asked).await);
        for (name, kind) in [("id_token", ID_TOKEN), ("refresh_token", REFRESH_TOKEN)] {
            let token = text(&tokens, name);
            let as_it_is = [("subject_token_type", kind)];
            let reply = exchange(&stand, &client, &token, &as_it_is).await;
            assert_eq!(said(&reply), "200", "{name}");
            let made = body(&reply);
            assert_eq!((&made["scope"], made.get("refresh_token")), (&json!("a"), None), "{name}");
            let claims = part(&text(&made, "access_token"), 1);
            assert_eq!(claims["sub"], ann.id.as_str(), "{name}");
            assert_eq!(claims["act"], json!({ "sub": client.client.id.as_str() }), "{name}");
            let wider = [("subject_token_type", kind), ("scope", "b")];
            let reply = exchange(&stand, &client, &token, &wider).await;
            assert_eq!(said(&reply), "400 invalid_scope", "{name}");
            let reply = exchange(&stand, &other, &token, &as_it_is).await;
            assert_eq!(said(&reply), "400 invalid_grant", "{name} of another client");
            let acting = [("actor_token", token.as_str()), ("actor_token_type", kind)];
            let access = text(&tokens, "access_token");
            let reply = exchange(&stand, &client, &access, &acting).await;
            assert_eq!(said(&reply), "400 invalid_request", "{name} as an actor");
        }
        let (refresh, as_refresh) =
            (text(&tokens, "refresh_token"), [("subject_token_type", REFRESH_TOKEN)]);
        let made = exchange(&stand, &client, &refresh, &as_refresh).await;
        let made = text(&body(&made), "access_token");
        // An ID token is over soon, and with the login in any case.
        stand.pass(599);
        let hint = text(&tokens, "id_token");
        let as_id = [("subject_token_type", ID_TOKEN)];
        let reply = exchange(&stand, &client, &hint, &as_id).await;
        assert_eq!((said(&reply).as_str(), &body(&reply)["expires_in"]), ("200", &json!(1)));
        stand.pass(1);
        assert_eq!(said(&exchange(&stand, &client, &hint, &as_id).await), "400 invalid_grant");
        let session = text(&part(&hint, 1), "sid");
        assert!(stand.lives(&made).await);
        assert!(stand.authority.log.end_session(&ann.id, &session).await.expect("ended"));
        assert!(!stand.lives(&made).await, "it outlived the login");
        for (name, kind) in [("id_token", ID_TOKEN), ("refresh_token", REFRESH_TOKEN)] {
            let (token, as_it_is) = (text(&tokens, name), [("subject_token_type", kind)]);
            let reply = exchange(&stand, &client, &token, &as_it_is).await;
            assert_eq!(said(&reply), "400 invalid_grant", "{name}");
        }
    })
    .await;
}
