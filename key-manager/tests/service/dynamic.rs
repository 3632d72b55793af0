//! Do clients that register themselves get what they may have, and nothing else? (RFC 7591, RFC
//! 7592, KM-019, KM-055)

use bytes::Bytes;
use http::Method;
use key_manager::domain::About;
use key_manager::endpoint::{Reply, Request};
use key_manager::registration::{Access, Application};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, PASSWORD, app, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

async fn stand(scratch: &Scratch, access: Access) -> Stand {
    let mut config = config();
    config.registration.access = access;
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

fn request(method: Method, path: &str, metadata: &Value) -> Request {
    let mut request = post(path, "");
    request.headers.clear();
    let request = request.header("content-type", "application/json");
    Request { method, body: Some(Bytes::from(metadata.to_string())), ..request }
}

fn of(client: &Value) -> String {
    format!("/oauth2/register/{}", text(client, "client_id"))
}

async fn managed(stand: &Stand, method: Method, client: &Value, token: &str, new: &Value) -> Reply {
    let request = request(method, &of(client), new);
    stand.ask(&request.header("authorization", &format!("Bearer {token}"))).await
}

fn good() -> Value {
    json!({ "client_name": "Shop", "redirect_uris": [CALLBACK], "unknown": { "a": 1 },
            "grant_types": ["authorization_code", "refresh_token"],
            "client_uri": "https://shop.example", "contacts": ["ops@shop.example"] })
}

#[tokio::test]
async fn a_client_registers_is_used_changed_and_removed() {
    each(async |scratch| {
        let stand = stand(&scratch, Access::Everybody).await;
        stand.person().await;
        let made = stand.ask(&request(Method::POST, "/oauth2/register", &good())).await;
        assert_eq!(said(&made), "201");
        let made = body(&made);
        let (id, token) = (text(&made, "client_id"), text(&made, "registration_access_token"));
        assert_eq!(made["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(made["scope"], "address email openid phone profile");
        assert_eq!(made["client_uri"], "https://shop.example");
        assert_eq!((&made["client_secret_expires_at"], made.get("unknown")), (&json!(0), None));
        assert!(text(&made, "registration_client_uri").ends_with(&format!("/register/{id}")));

        // It works like any other client.
        let client = stand.store_client(&id).await;
        let shown = wish(&client, &[("scope", "openid email")]);
        let code = Browser::new(&stand).code(&shown).await;
        let exchange = crate::browser::exchange_of(&client, &code, &[]);
        let tokens = stand.ask(&exchange.basic(&id, &text(&made, "client_secret"))).await;
        assert_eq!(said(&tokens), "200");

        let read = managed(&stand, Method::GET, &made, &token, &json!({})).await;
        assert_eq!(said(&read), "200");
        assert_eq!(body(&read)["client_name"], "Shop");
        assert_eq!(body(&read).get("client_secret"), None, "it is known to nobody any more");

        let mut new = good();
        new["client_id"] = json!(id);
        new["client_name"] = json!("Shop 2");
        new["token_endpoint_auth_method"] = json!("none");
        let changed = managed(&stand, Method::PUT, &made, &token, &new).await;
        assert_eq!(said(&changed), "200");
        let changed = body(&changed);
        assert_eq!(
            (&changed["client_name"], &changed["client_id"]),
            (&json!("Shop 2"), &json!(id))
        );
        assert_eq!(changed.get("client_secret"), None);
        let old = managed(&stand, Method::GET, &made, &token, &json!({})).await;
        assert_eq!(said(&old), "401 invalid_token", "the token was replaced");
        let token = text(&changed, "registration_access_token");

        let removed = managed(&stand, Method::DELETE, &made, &token, &json!({})).await;
        assert_eq!(said(&removed), "204");
        let gone = managed(&stand, Method::GET, &made, &token, &json!({})).await;
        assert_eq!(said(&gone), "401 invalid_token");
    })
    .await;
}

/// What is asked beside a good registration, and what is answered.
fn refused() -> Vec<(Value, &'static str)> {
    let uri = "400 invalid_redirect_uri";
    let metadata = "400 invalid_client_metadata";
    vec![
        (json!({ "redirect_uris": [] }), uri),
        (json!({ "redirect_uris": ["http://evil.example/cb"] }), uri),
        (json!({ "redirect_uris": ["https://a.example/cb#x"] }), uri),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), uri),
        (json!({ "redirect_uris": ["https://a.example/*"] }), uri),
        (json!({ "redirect_uris": "https://a.example/cb" }), metadata),
        (json!({ "grant_types": ["client_credentials"], "redirect_uris": [] }), metadata),
        (json!({ "grant_types": ["telepathy"] }), metadata),
        (json!({ "response_types": ["token"] }), metadata),
        (json!({ "token_endpoint_auth_method": "guess" }), metadata),
        (json!({ "token_endpoint_auth_method": "private_key_jwt" }), metadata),
        (json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": "x" }), metadata),
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt",
                    "jwks_uri": "http://a.example/keys" }),
            metadata,
        ),
        (json!({ "id_token_signed_response_alg": "none" }), metadata),
        (json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }), metadata),
        (json!({ "subject_type": "pairwise" }), metadata),
        (json!({ "logo_uri": "javascript:alert(1)" }), metadata),
        (json!({ "client_name": 7 }), metadata),
        (json!({ "client_name": "a\nb" }), metadata),
        (json!({ "software_statement": "e30.e30." }), "400 unapproved_software_statement"),
    ]
}

#[tokio::test]
async fn what_a_client_may_not_have_is_refused_when_it_is_made_and_when_it_is_changed() {
    each(async |scratch| {
        let stand = stand(&scratch, Access::Everybody).await;
        let made = stand.ask(&request(Method::POST, "/oauth2/register", &good())).await;
        let made = body(&made);
        let token = text(&made, "registration_access_token");
        for (change, answer) in refused() {
            let mut asked = good();
            let fields = asked.as_object_mut().expect("an object");
            fields.extend(change.as_object().expect("an object").clone());
            let refused = stand.ask(&request(Method::POST, "/oauth2/register", &asked)).await;
            assert_eq!(said(&refused), answer, "made: {change}");
            asked["client_id"] = made["client_id"].clone();
            let refused = managed(&stand, Method::PUT, &made, &token, &asked).await;
            assert_eq!(said(&refused), answer, "changed: {change}");
        }
        // A scope that is not for such clients is left out, not given.
        let mut asked = good();
        asked["scope"] = json!("openid turnpike:register admin");
        let narrowed = stand.ask(&request(Method::POST, "/oauth2/register", &asked)).await;
        assert_eq!(body(&narrowed)["scope"], "openid");
        // Of another client, or with its name.
        asked["client_id"] = body(&narrowed)["client_id"].clone();
        let other = managed(&stand, Method::PUT, &made, &token, &asked).await;
        assert_eq!(said(&other), "400 invalid_request");
        let other = managed(&stand, Method::GET, &body(&narrowed), &token, &json!({})).await;
        assert_eq!(said(&other), "401 invalid_token");
        let after = managed(&stand, Method::GET, &made, &token, &json!({})).await;
        assert_eq!(said(&after), "200", "nothing of it was taken");
    })
    .await;
}

#[tokio::test]
async fn bodies_and_methods_that_are_none_are_refused() {
    each(async |scratch| {
        let stand = stand(&scratch, Access::Everybody).await;
        let ask = async |request: Request| said(&stand.ask(&request).await);
        let form = post("/oauth2/register", "client_name=x");
        assert_eq!(ask(form).await, "400 invalid_request");
        for text in ["", "[]", "{", "\"x\""] {
            let mut broken = request(Method::POST, "/oauth2/register", &json!({}));
            broken.body = Some(Bytes::from(text));
            assert_eq!(ask(broken).await, "400 invalid_request", "{text}");
        }
        let get = request(Method::GET, "/oauth2/register", &json!({}));
        assert_eq!(ask(get).await, "405 invalid_request");
        let nobody = request(Method::GET, "/oauth2/register/nobody", &json!({}));
        assert_eq!(ask(nobody.clone()).await, "401 invalid_token");
        assert_eq!(ask(nobody.header("authorization", "Bearer x")).await, "401 invalid_token");
    })
    .await;
}

#[tokio::test]
async fn who_may_register_is_the_operators_word() {
    each(async |scratch| {
        let closed = Stand::on(&scratch).await;
        let told = body(&closed.get("/oauth2/.well-known/openid-configuration").await);
        assert_eq!(told.get("registration_endpoint"), None);
        let asked = request(Method::POST, "/oauth2/register", &good());
        assert_eq!(said(&closed.ask(&asked).await), "404 not_found", "it is off by default");

        let stand = stand(&scratch, Access::Token).await;
        let told = body(&stand.get("/oauth2/.well-known/openid-configuration").await);
        assert!(text(&told, "registration_endpoint").ends_with("/oauth2/register"));
        assert_eq!(said(&stand.ask(&asked).await), "401 invalid_token");
        let token_of = async |scope: &str| {
            let scopes = vec![scope.to_owned()];
            let client = stand.register(Application {
                name: "operator".to_owned(),
                scopes,
                ..Application::default()
            });
            stand.token(&client.await).await
        };
        let with = |token: &str| {
            request(Method::POST, "/oauth2/register", &good())
                .header("authorization", &format!("Bearer {token}"))
        };
        let other = stand.ask(&with(&token_of("read").await)).await;
        assert_eq!(said(&other), "401 invalid_token");
        let right = stand.ask(&with(&token_of("turnpike:register").await)).await;
        assert_eq!(said(&right), "201");
    })
    .await;
}

#[tokio::test]
async fn a_person_reads_where_the_terms_of_a_client_are_and_nothing_leads_there() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let about = json!({
            "policy_uri": "https://app.example/privacy?a=b&c=<d>",
            "tos_uri": "https://app.example/terms",
            "logo_uri": "https://app.example/logo.png",
        });
        let about = About::of(about.as_object().expect("an object")).expect("addresses");
        let client = stand.register(Application { about, ..app() }).await;
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&wish(&client, &[])).await;
        let consent = browser.log_in(&login, "ann", PASSWORD).await;
        for page in [login, consent] {
            let page = String::from_utf8_lossy(page.body()).into_owned();
            for shown in ["app.example/privacy?a=b&amp;c=&lt;d&gt;<", ">https://app.example/terms<"]
            {
                assert!(page.contains(shown), "{shown} is not in {page}");
            }
            let led = ["href", "logo.png"].into_iter().find(|part| page.contains(part));
            assert_eq!(led, None, "{page}");
        }
    })
    .await;
}
