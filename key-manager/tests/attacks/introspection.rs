//! Attack list, introspection: does nobody hear about what is not theirs, or what is no token?
//!
//! Callers outside the audience are in the suite `service`, `endpoints.rs`; forged tokens in
//! `jose.rs`. Nothing secret is compared: a token is known by a public key, a refresh token is none
//! here.

use serde_json::json;

use crate::browser::{Browser, wish};
use crate::databases::Scratch;
use crate::stand::{Dressed, Stand, json as body, post, said, text};

#[tokio::test]
async fn what_is_no_access_token_is_inactive_whatever_the_hint_says() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let all = stand.client(&["turnpike:introspect"]).await;
    let app = stand.app().await;
    let pending = Browser::new(&stand).code(&wish(&app, &[])).await;
    let tokens = stand.tokens(&app).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let shown = [
        (refresh.as_str(), false),
        (&text(&tokens, "id_token"), false),
        (&pending, false),
        (all.secret.as_str(), false),
        (app.client.id.as_str(), false),
        ("kmrt_", false),
        ("..", false),
        ("\u{202e}", false),
        ("' OR 1=1 --", false),
        (&"x".repeat(60_000), false),
        (&access, true),
    ]
    .map(|(token, active)| (token.to_owned(), active));
    for (token, active) in &shown {
        for hint in ["", "access_token", "refresh_token", "id_token", "urn:x", "\u{202e}"] {
            let form = crate::browser::encode(&[("token", token), ("token_type_hint", hint)]);
            let reply = stand.post("/oauth2/introspect", &all, &form).await;
            assert_eq!(said(&reply), "200", "{token} {hint}");
            assert_eq!(body(&reply)["active"], json!(*active), "{token} {hint}");
            if !active {
                assert_eq!(body(&reply), json!({ "active": false }), "it says more: {token}");
            }
        }
    }
    assert!(stand.lives(&access).await, "asking ends nothing");
    assert_eq!(said(&stand.refresh(&app, &refresh, "").await), "200", "nor uses it up");
}

#[tokio::test]
async fn who_is_no_client_any_more_hears_nothing() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&["turnpike:introspect"]).await;
    let token = stand.token(&client).await;
    let form = format!("token={token}");
    assert!(stand.active(&client, &token).await);
    // A token of a megabyte is too large for any request here.
    let large = format!("token={}", "x".repeat(1 << 20));
    let large = stand.post("/oauth2/introspect", &client, &large).await;
    assert_eq!(said(&large), "413 invalid_request");
    let twice = stand.post("/oauth2/introspect", &client, &format!("{form}&{form}")).await;
    assert_eq!(said(&twice), "400 invalid_request");
    let by_token =
        post("/oauth2/introspect", &form).header("authorization", &format!("Bearer {token}"));
    assert_eq!(said(&stand.ask(&by_token).await), "401 invalid_client", "a token is no client");
    let public = stand.app().await;
    let named = post("/oauth2/introspect", &format!("{form}&client_id={}", public.client.id));
    assert_eq!(said(&stand.ask(&named).await), "401 invalid_client");
    let gone = key_manager::registration::remove(&stand.authority, &client.client.id).await;
    assert!(gone.expect("removed"));
    let after = stand.post("/oauth2/introspect", &client, &form).await;
    assert_eq!(said(&after), "401 invalid_client");
}
