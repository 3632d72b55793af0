//! What does a client hear about a person, and who decides?

use http::Method;
use key_manager::accounts;
use key_manager::endpoint::Request;
use key_manager::registration::Application;
use serde_json::{Value, json as object};

use crate::browser::{Browser, app, wish};
use crate::databases::each;
use crate::stand::{Dressed, Stand, json, post, said};

const CLAIMS: &str = r#"{"name":"Ann Example","given_name":"Ann","email":"ann@example.com",
    "email_verified":true,"phone_number":"+41 31 000","address":{"country":"CH"}}"#;

/// What userinfo tells of Ann to a client that asked for `scopes`.
async fn told(stand: &Stand, scopes: &str) -> Value {
    let scopes_of_it = ["openid", "profile", "email", "address", "phone"].map(str::to_owned);
    let client = stand.register(Application { scopes: scopes_of_it.to_vec(), ..app() }).await;
    let code = Browser::new(stand).code(&wish(&client, &[("scope", scopes)])).await;
    let tokens = json(&stand.exchange(&client, &code, &[]).await);
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    let request = Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
    json(&stand.ask(&request.header("authorization", &format!("Bearer {token}"))).await)
}

#[tokio::test]
async fn a_scope_opens_its_own_claims_and_no_others() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.person().await;
        accounts::set_claims(&stand.authority, &ann.id, CLAIMS).await.expect("set");
        let sub = ann.id.as_str();
        let check = async |scopes: &str, expected: Value| {
            assert_eq!(told(&stand, scopes).await, expected, "{scopes}");
        };
        check("openid", object!({ "sub": sub })).await;
        check(
            "openid email",
            object!({ "sub": sub, "email": "ann@example.com", "email_verified": true }),
        )
        .await;
        check("openid phone", object!({ "sub": sub, "phone_number": "+41 31 000" })).await;
        check("openid address", object!({ "sub": sub, "address": { "country": "CH" } })).await;
        let profile = told(&stand, "openid profile").await;
        assert_eq!(profile["name"], "Ann Example");
        assert_eq!(profile["preferred_username"], "ann");
        assert_eq!(profile["updated_at"], crate::stand::BEGIN);
        assert_eq!(profile.get("email"), None);
        assert_eq!(profile.get("family_name"), None, "what is not known is not told");

        accounts::set_claims(&stand.authority, &ann.id, "").await.expect("set");
        check("openid email", object!({ "sub": sub })).await;
        assert!(accounts::set_claims(&stand.authority, "nobody", CLAIMS).await.is_err());
        let refused = accounts::set_claims(&stand.authority, sub, r#"{"sub":"other"}"#).await;
        assert!(refused.expect_err("a refusal").to_string().contains("`sub`"));
    })
    .await;
}

#[tokio::test]
async fn a_token_is_shown_in_one_place() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let tokens = stand.tokens(&stand.app().await).await;
        let token = tokens["access_token"].as_str().expect("a token");
        let form = format!("access_token={token}");
        let bearer = format!("Bearer {token}");
        let ask = async |request: Request| said(&stand.ask(&request).await);
        assert_eq!(ask(post("/oauth2/userinfo", &form)).await, "200");
        let both = post("/oauth2/userinfo", &form).header("authorization", &bearer);
        assert_eq!(ask(both).await, "400 invalid_request");
        assert_eq!(ask(post("/oauth2/userinfo", "")).await, "401 invalid_token");
        let twice = format!("{form}&{form}");
        assert_eq!(ask(post("/oauth2/userinfo", &twice)).await, "401 invalid_token");
        let in_url = Request {
            method: Method::GET,
            query: Some(form.clone()),
            ..post("/oauth2/userinfo", "")
        };
        assert_eq!(ask(in_url).await, "401 invalid_token");
    })
    .await;
}
