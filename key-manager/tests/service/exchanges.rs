//! Does an exchanged token hold no more than the one it came from? (RFC 8693, KM-038)

use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Application, Registered};
use serde_json::json;

use crate::browser::encode;
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
        (&token, vec![("subject_token_type", refresh)], "400 invalid_request"),
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
