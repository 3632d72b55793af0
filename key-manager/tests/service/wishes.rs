//! Does a client get the single claims, the details and the kind of token that it asked for, and no
//! more? (OpenID Connect Core section 5.5, RFC 9396, KM-043, KM-061)

use http::Method;
use key_manager::accounts;
use key_manager::config::Config;
use key_manager::endpoint::Request;
use key_manager::registration::{Application, Registered, WantedTerms};
use serde_json::{Value, json};

use crate::browser::{Browser, PASSWORD, app, encode, refresh_of, step, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body_of, part, post, said, text};

const SCHEMA: &str = r#"{"type":"object","required":["type","amount"],
    "properties":{"type":{"const":"payment"},"amount":{"type":"integer"},"to":{"type":"string"}}}"#;

/// Ann, of whom something is known.
async fn ann(stand: &Stand) -> String {
    let claims = r#"{"name":"Ann","email":"ann@example.com","email_verified":true}"#;
    accounts::create(&stand.authority, "ann", PASSWORD, claims).await.expect("an account").id
}

async fn userinfo(stand: &Stand, token: &str) -> key_manager::endpoint::Reply {
    let request = Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
    stand.ask(&request.header("authorization", &format!("Bearer {token}"))).await
}

#[tokio::test]
async fn single_claims_are_agreed_to_and_told_where_they_were_asked_for() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, app) = (ann(&stand).await, stand.register(app()).await);
        let claims = r#"{"userinfo":{"email":{"essential":true},"shoe_size":null},
            "id_token":{"name":null,"auth_time":{"essential":true}}}"#;
        let query = wish(&app, &[("scope", "openid"), ("claims", claims)]);
        let mut browser = Browser::new(&stand);
        let page = browser.authorize(&query).await;
        let page = browser.log_in(&page, "ann", PASSWORD).await;
        let shown = String::from_utf8_lossy(page.body()).into_owned();
        assert!(shown.contains("<li>email</li>") && shown.contains("<li>name</li>"), "{shown}");
        let back = browser.decide(&page, "allow").await;
        let code = crate::browser::sent(&back, "code").expect("a code");
        let tokens = body_of(&stand.exchange(&app, &code, &[]).await);
        let identity = part(&text(&tokens, "id_token"), 1);
        assert_eq!((&identity["name"], &identity["email"]), (&json!("Ann"), &Value::Null));
        let told = body_of(&userinfo(&stand, &text(&tokens, "access_token")).await);
        assert_eq!(told, json!({ "sub": ann, "email": "ann@example.com" }));
        // The next tokens open the same.
        let reply = stand.ask(&refresh_of(&app, &text(&tokens, "refresh_token"), "")).await;
        let told = body_of(&userinfo(&stand, &text(&body_of(&reply), "access_token")).await);
        assert_eq!(told["email"], "ann@example.com");
        assert_eq!(step(&browser.authorize(&query).await), "code", "it is remembered");
        let more = wish(&app, &[("claims", r#"{"userinfo":{"phone_number":null}}"#)]);
        assert_eq!(step(&browser.authorize(&more).await), "consent");
    })
    .await;
}

/// What the client hears of `changes` to a good request; Ann is logged in.
#[track_caller]
fn checked(found: &str, expected: &str, changes: &[(&str, &str)]) {
    assert_eq!(found, expected, "{changes:?}");
}

#[tokio::test]
async fn a_client_may_say_who_has_to_be_the_one() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let (_, app) = (ann(&stand).await, stand.register(app()).await);
    let bob = accounts::create(&stand.authority, "bob", PASSWORD, "").await.expect("bob").id;
    let other =
        stand.register(Application { name: "other".to_owned(), ..crate::browser::app() }).await;
    let mut browser = Browser::new(&stand);
    let code = browser.code(&wish(&app, &[])).await;
    let hint = text(&body_of(&stand.exchange(&app, &code, &[]).await), "id_token");
    let code = Browser::new(&stand).code(&wish(&other, &[])).await;
    let foreign = text(&body_of(&stand.exchange(&other, &code, &[]).await), "id_token");
    let ann = text(&part(&hint, 1), "sub");
    let sub = |id: &str| format!(r#"{{"id_token":{{"sub":{{"value":"{id}"}}}}}}"#);
    let (for_ann, for_bob) = (sub(&ann), sub(&bob));
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("id_token_hint", &hint)], "code"),
        (&[("id_token_hint", &hint), ("prompt", "none")], "code"),
        (&[("claims", &for_ann), ("prompt", "none")], "code"),
        (&[("claims", &for_bob), ("prompt", "none")], "login_required"),
        (&[("claims", &for_bob)], "login"),
        (&[("claims", &for_bob), ("id_token_hint", &hint)], "invalid_request"),
        (&[("id_token_hint", &foreign)], "invalid_request"),
        (&[("id_token_hint", "a.b.c")], "invalid_request"),
        (&[("claims", "[]")], "invalid_request"),
    ];
    for (changes, expected) in cases {
        let reply = browser.authorize(&wish(&app, changes)).await;
        checked(&step(&reply), expected, changes);
    }
    // Somebody else logs in where Bob was meant.
    let page = browser.authorize(&wish(&app, &[("claims", &for_bob)])).await;
    assert_eq!(step(&browser.log_in(&page, "ann", PASSWORD).await), "login_required");
    let acr =
        |acr: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"value":"{acr}"}}}}}}"#);
    let unknown = acr("urn:example:gold");
    let reply = browser.authorize(&wish(&app, &[("claims", &unknown)])).await;
    assert_eq!(step(&reply), "unmet_authentication_requirements");
    let known = acr("urn:turnpike:acr:password");
    let page = Browser::new(&stand)
        .authorize(&wish(&app, &[("claims", &known), ("login_hint", "a\"n")]))
        .await;
    let shown = String::from_utf8_lossy(page.body()).into_owned();
    assert!(shown.contains("value=\"a&quot;n\""), "the hint is not in the page: {shown}");
}

/// A configuration with payments.
fn with_payments(scratch: &Scratch) -> Config {
    let path = scratch.folder.path().join("payment.json");
    std::fs::write(&path, SCHEMA).expect("a file");
    let mut config = config();
    let kind = json!({ "name": "payment", "schema": path });
    config.authorization_details.types = vec![serde_json::from_value(kind).expect("a type")];
    config
}

fn terms(format: &str) -> WantedTerms {
    let details = vec!["payment".to_owned()];
    WantedTerms { token_format: format.to_owned(), details, ..WantedTerms::default() }
}

#[tokio::test]
async fn details_are_agreed_to_each_time_and_stand_in_the_token() {
    each(async |scratch| {
        let config = with_payments(&scratch);
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
        ann(&stand).await;
        let app = stand.register(Application { terms: terms(""), ..app() }).await;
        let wanted = json!([{ "type": "payment", "amount": 3, "to": "<b>" }, { "type": "payment", "amount": 4 }]);
        let wanted = wanted.to_string();
        let query = wish(&app, &[("authorization_details", &wanted)]);
        let mut browser = Browser::new(&stand);
        let code = browser.code(&query).await;
        let page = browser.authorize(&query).await;
        assert_eq!(step(&page), "consent", "details were not asked for anew");
        let shown = String::from_utf8_lossy(page.body()).into_owned();
        assert!(shown.contains("<dt>to</dt><dd>&lt;b&gt;</dd>"), "{shown}");
        let tokens = body_of(&stand.exchange(&app, &code, &[]).await);
        assert_eq!(tokens["authorization_details"].to_string(), wanted);
        let claims = part(&text(&tokens, "access_token"), 1);
        assert_eq!(claims["authorization_details"], tokens["authorization_details"]);
        let refresh = async |details: &str| {
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", app.client.id.as_str()),
                ("refresh_token", &text(&tokens, "refresh_token")),
                ("authorization_details", details),
            ];
            stand.ask(&post("/oauth2/token", &encode(&pairs))).await
        };
        let more = refresh(r#"[{"type":"payment","amount":5}]"#).await;
        assert_eq!(said(&more), "400 invalid_authorization_details");
        let less = body_of(&refresh(r#"[{"type":"payment","amount":4}]"#).await);
        assert_eq!(less["authorization_details"], json!([{ "type": "payment", "amount": 4 }]));
        for wrong in [r#"[{"type":"payment"}]"#, r#"[{"type":"other","amount":1}]"#, "{}", "["] {
            let reply = browser.authorize(&wish(&app, &[("authorization_details", wrong)])).await;
            assert_eq!(step(&reply), "invalid_authorization_details", "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_opaque_token_says_nothing_and_is_good_as_any() {
    each(async |scratch| {
        let config = with_payments(&scratch);
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
        let ann = ann(&stand).await;
        let app = stand.register(Application { terms: terms("opaque"), ..app() }).await;
        let tokens = stand.tokens(&app).await;
        let token = text(&tokens, "access_token");
        assert!(token.starts_with("kmat_") && !token.contains('.'), "{token}");
        assert_eq!(body_of(&userinfo(&stand, &token).await)["sub"], ann.as_str());
        assert!(stand.lives(&token).await);
        for end in [token.len() - 1, 80, 6, 5] {
            assert!(!stand.lives(token.get(..end).expect("a part")).await, "cut at {end}");
        }
        let machine = stand
            .register(Application {
                name: "machine".to_owned(),
                scopes: vec!["a".to_owned()],
                terms: terms("opaque"),
                ..Application::default()
            })
            .await;
        let form = "grant_type=client_credentials&authorization_details=".to_owned()
            + "%5B%7B%22type%22%3A%22payment%22%2C%22amount%22%3A1%7D%5D";
        let made = body_of(&stand.post("/oauth2/token", &machine, &form).await);
        let token = text(&made, "access_token");
        let told = stand.post("/oauth2/introspect", &machine, &format!("token={token}")).await;
        let told = body_of(&told);
        assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("a")));
        assert_eq!(told["authorization_details"], json!([{ "type": "payment", "amount": 1 }]));
        assert_eq!(told["aud"], json!(["turnpike"]));
        stand.post("/oauth2/revoke", &machine, &format!("token={token}")).await;
        assert!(!stand.lives(&token).await, "it was revoked");
        stand.pass(3600);
        assert!(!stand.lives(&text(&tokens, "access_token")).await, "it has ended");
    })
    .await;
}

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_wants_it() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let ann = ann(&stand).await;
    let userinfo_algorithm = "RS256".to_owned();
    let terms = WantedTerms { userinfo_algorithm, ..WantedTerms::default() };
    let app: Registered = stand.register(Application { terms, ..app() }).await;
    let tokens = stand.tokens(&app).await;
    let reply = userinfo(&stand, &text(&tokens, "access_token")).await;
    assert_eq!(reply.headers()["content-type"], "application/jwt");
    let signed = String::from_utf8_lossy(reply.body()).into_owned();
    assert_eq!(part(&signed, 0)["alg"], "RS256");
    let claims = part(&signed, 1);
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(ann), &json!(app.client.id.as_str())));
    assert_eq!(claims["iss"], stand.authority.issuer.as_str());
}
