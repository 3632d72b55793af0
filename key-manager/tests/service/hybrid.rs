//! What may travel through the browser, and for whom? (OpenID Connect Core sections 3.2 and 3.3,
//! KM-035)

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use key_manager::accounts;
use key_manager::endpoint::Reply;
use key_manager::registration::{
    Application, Registered, RegistrationError, WantedTerms, register,
};

use crate::browser::{Browser, PASSWORD, app, step, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Stand, config, json, part, said, text};

async fn stand(scratch: &Scratch) -> Stand {
    let mut config = config();
    config.clients.legacy_response_types = true;
    let stand = Stand::with(scratch, scratch.folder.path(), BEGIN, config).await;
    accounts::create(&stand.authority, "ann", PASSWORD, r#"{"email":"ann@example.com"}"#)
        .await
        .expect("an account");
    stand
}

fn wanted(types: &[&str]) -> WantedTerms {
    let response_types = types.iter().map(|&text| text.to_owned()).collect();
    WantedTerms { response_types, ..WantedTerms::default() }
}

async fn old_app(stand: &Stand) -> Registered {
    let all = ["id_token", "id_token token", "token", "code id_token", "code id_token token"];
    stand.register(Application { terms: wanted(&all), ..app() }).await
}

/// A parameter in the fragment of the address that an answer leads to.
fn given(reply: &Reply, name: &str) -> Option<String> {
    let location = reply.headers().get(header::LOCATION)?.to_str().expect("text");
    let (_, fragment) = location.split_once('#')?;
    let mut pairs = url::form_urlencoded::parse(fragment.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn half(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

/// Logs in once and answers what comes back for a response type.
async fn through(stand: &Stand, client: &Registered, changes: &[(&str, &str)]) -> Reply {
    let mut browser = Browser::new(stand);
    let page = browser.authorize(&wish(client, changes)).await;
    if step(&page) != "login" {
        return page;
    }
    let page = browser.log_in(&page, "ann", PASSWORD).await;
    if step(&page) == "consent" { browser.decide(&page, "allow").await } else { page }
}

#[tokio::test]
async fn each_type_brings_what_it_names_and_the_hashes_that_tie_it_together() {
    each(async |scratch| {
        let stand = stand(&scratch).await;
        let client = old_app(&stand).await;
        for kind in ["id_token", "token", "id_token token", "code id_token", "token id_token code"]
        {
            let reply =
                through(&stand, &client, &[("response_type", kind), ("scope", "openid")]).await;
            let has = |word| kind.split(' ').any(|known| known == word);
            let (code, token) = (given(&reply, "code"), given(&reply, "access_token"));
            let identity = given(&reply, "id_token").map(|token| part(&token, 1));
            assert_eq!(
                (code.is_some(), token.is_some(), identity.is_some()),
                (has("code"), has("token"), has("id_token")),
                "{kind}: {:?}",
                reply.headers()
            );
            assert_eq!(given(&reply, "state").as_deref(), Some("s&t"));
            assert_eq!(given(&reply, "iss").as_deref(), Some(stand.authority.issuer.as_str()));
            if let Some(identity) = identity {
                let hash = |name: &str| identity[name].as_str().map(str::to_owned);
                assert_eq!(hash("at_hash"), token.as_deref().map(half), "{kind}");
                assert_eq!(hash("c_hash"), code.as_deref().map(half), "{kind}");
                assert_eq!(hash("s_hash"), code.as_ref().map(|_| half("s&t")), "{kind}");
                assert_eq!(identity["nonce"], "n-0");
            }
            if let Some(token) = &token {
                assert!(stand.lives(token).await, "{kind}");
            }
            let Some(code) = code else { continue };
            assert_eq!(said(&stand.exchange(&client, &code, &[]).await), "200", "{kind}");
            assert_eq!(said(&stand.exchange(&client, &code, &[]).await), "400 invalid_grant");
            if let Some(token) = &token {
                assert!(!stand.lives(token).await, "the code was used twice, the token lives");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn without_an_access_token_the_scopes_stand_for_claims_of_the_id_token() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    let scopes = ["openid", "email"].map(str::to_owned).to_vec();
    let terms = wanted(&["id_token", "id_token token"]);
    let client = stand.register(Application { scopes, terms, ..app() }).await;
    let email = async |kind: &str| {
        let changes = [("response_type", kind), ("scope", "openid email")];
        let reply = through(&stand, &client, &changes).await;
        part(&given(&reply, "id_token").expect("an ID token"), 1)["email"].clone()
    };
    assert_eq!(email("id_token").await, "ann@example.com");
    assert_eq!(email("id_token token").await, serde_json::Value::Null);
}

/// What is asked otherwise than usual.
type Changes<'c> = &'c [(&'c str, &'c str)];

#[tokio::test]
async fn nobody_gets_tokens_through_the_browser_who_was_not_allowed_to() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch).await;
    let (old, new) = (old_app(&stand).await, stand.register(app()).await);
    let cases: [(&Registered, Changes<'_>, &str); 7] = [
        (&new, &[("response_type", "id_token")], "unauthorized_client"),
        (&old, &[("response_type", "code token")], "unauthorized_client"),
        (&old, &[("response_type", "code code")], "unsupported_response_type"),
        (&old, &[("response_type", "none")], "unsupported_response_type"),
        (&old, &[("response_type", "id_token"), ("nonce", "")], "invalid_request"),
        (&old, &[("response_type", "token"), ("response_mode", "query")], "invalid_request"),
        (&old, &[("response_type", "code id_token"), ("code_challenge", "")], "invalid_request"),
    ];
    for (client, changes, expected) in cases {
        let reply = through(&stand, client, changes).await;
        let heard = given(&reply, "error").unwrap_or_else(|| step(&reply));
        assert_eq!(heard, expected, "{changes:?}");
    }
    let bound = Application { terms: wanted(&["token"]), ..app() };
    let settings =
        key_manager::client_auth::Settings { dpop_bound: true, ..bound.settings.clone() };
    let bound = stand.register(Application { settings, ..bound }).await;
    let reply = through(&stand, &bound, &[("response_type", "token")]).await;
    assert_eq!(given(&reply, "error").as_deref(), Some("unauthorized_client"));
    let usual = Stand::on(&Scratch::sqlite()).await;
    let unwanted = Application { terms: wanted(&["token"]), ..app() };
    let refused = register(&usual.authority, &unwanted).await;
    assert!(matches!(refused, Err(RegistrationError::Terms(_))));
    let announced = json(&usual.get("/.well-known/openid-configuration").await);
    assert_eq!(announced["response_types_supported"], serde_json::json!(["code"]));
    let posted =
        through(&stand, &old, &[("response_type", "id_token"), ("response_mode", "form_post")])
            .await;
    assert_eq!(posted.status(), 200);
    let page = String::from_utf8_lossy(posted.body()).into_owned();
    assert!(page.contains("name=\"id_token\""), "{page}");
    let fragment =
        through(&stand, &old, &[("response_type", "token"), ("response_mode", "jwt")]).await;
    let response = given(&fragment, "response").expect("a signed answer");
    assert!(!text(&part(&response, 1), "access_token").is_empty());
}
