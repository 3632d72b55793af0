//! Do tokens say what a person is, and does a scope that takes a role go to nobody without it? (KM-105, RFC
//! 9068 section 2.2.3.1)

use key_manager::accounts;
use key_manager::config::ScopesConfig;
use key_manager::domain::{Profile, User};
use key_manager::endpoint::Reply;
use key_manager::registration::{Application, Registered};
use key_manager::store::Store as _;
use serde_json::{Value, json};

use crate::browser::{Browser, PASSWORD, encode, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

const SCOPES: &str = r#"
    default = ["openid", "b"]
    registry = [
        { name = "a", description = "Change <orders>", roles = ["editor", "admin"] },
        { name = "b", description = "Read orders", clients = false },
    ]
"#;
const EDITOR: &str = r#"{"roles":["editor","reader"]}"#;

async fn stand(scratch: &Scratch, scopes: &str) -> Stand {
    let mut config = config();
    config.scopes = toml::from_str::<ScopesConfig>(scopes).expect("scopes");
    config.login.password_grant = true;
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

/// Makes Ann what `claims` say, a second later.
async fn become_what(stand: &Stand, ann: &User, claims: &str) {
    stand.pass(1);
    accounts::set_claims(&stand.authority, &ann.id, claims).await.expect("set");
}

/// The scope of an answer, or the error.
fn scope(reply: &Reply) -> String {
    if reply.status() != 200 {
        return said(reply);
    }
    body(reply)["scope"].as_str().unwrap_or_default().to_owned()
}

async fn client_for(stand: &Stand, grants: &[&str]) -> Registered {
    stand
        .register(Application {
            name: "old".to_owned(),
            grant_types: grants.iter().map(|&grant| grant.to_owned()).collect(),
            scopes: ["openid", "a", "b"].map(str::to_owned).to_vec(),
            ..Application::default()
        })
        .await
}

#[tokio::test]
async fn a_token_says_what_its_person_is_and_no_longer() {
    each(async |scratch| {
        let stand = stand(&scratch, SCOPES).await;
        let ann = stand.person().await;
        let app = stand.app().await;
        let plain = text(&stand.tokens(&app).await, "access_token");
        assert_eq!(part(&plain, 1).get("roles"), None, "there are none");
        become_what(&stand, &ann, EDITOR).await;
        assert!(stand.lives(&plain).await, "who gets a role loses nothing");
        let tokens = stand.tokens(&app).await;
        let token = text(&tokens, "access_token");
        assert_eq!(part(&token, 1)["roles"], json!(["editor", "reader"]));
        let client = stand.client(&["turnpike:introspect"]).await;
        let told = stand.post("/oauth2/introspect", &client, &format!("token={token}")).await;
        assert_eq!(body(&told)["roles"], json!(["editor", "reader"]));

        become_what(&stand, &ann, r#"{"roles":["reader"]}"#).await;
        assert!(!stand.lives(&token).await, "it names a role that she has lost");
        let refreshed = stand.refresh(&app, &text(&tokens, "refresh_token"), "").await;
        let token = text(&body(&refreshed), "access_token");
        assert!(stand.lives(&token).await);
        assert_eq!(part(&token, 1)["roles"], json!(["reader"]));
    })
    .await;
}

#[tokio::test]
async fn a_person_is_asked_for_what_they_can_give_and_gives_no_more_later() {
    each(async |scratch| {
        let stand = stand(&scratch, SCOPES).await;
        let ann = stand.person().await;
        let app = stand.app().await;
        let all = wish(&app, &[("scope", "openid a b")]);
        let mut browser = Browser::new(&stand);
        let login = browser.authorize(&all).await;
        let consent = browser.log_in(&login, "ann", PASSWORD).await;
        let page = String::from_utf8_lossy(consent.body()).into_owned();
        assert!(page.contains("<span>Read orders</span> <small>b</small>"), "{page}");
        assert!(!page.contains("Change"), "{page}");
        let code = sent(&browser.decide(&consent, "allow").await, "code").expect("a code");
        let tokens = stand.exchange(&app, &code, &[]).await;
        assert_eq!(scope(&tokens), "b openid");
        let only = wish(&app, &[("scope", "a")]);
        assert_eq!(step(&browser.authorize(&only).await), "invalid_scope");

        become_what(&stand, &ann, EDITOR).await;
        let next = stand.refresh(&app, &text(&body(&tokens), "refresh_token"), "").await;
        assert_eq!(scope(&next), "b openid", "nobody has asked her for more");
        let consent = browser.authorize(&all).await;
        assert_eq!(step(&consent), "consent");
        assert!(String::from_utf8_lossy(consent.body()).contains("Change &lt;orders&gt;"));
        let code = sent(&browser.decide(&consent, "allow").await, "code").expect("a code");
        // Lost between the page and the token.
        become_what(&stand, &ann, "").await;
        let tokens = stand.exchange(&app, &code, &[]).await;
        assert_eq!(scope(&tokens), "b openid");
        become_what(&stand, &ann, EDITOR).await;
        let refresh = text(&body(&tokens), "refresh_token");
        let next = stand.refresh(&app, &refresh, "").await;
        assert_eq!(scope(&next), "a b openid", "she has agreed to it");
        become_what(&stand, &ann, "").await;
        let refresh = text(&body(&next), "refresh_token");
        assert_eq!(scope(&stand.refresh(&app, &refresh, "a").await), "400 invalid_scope");
        assert_eq!(scope(&stand.refresh(&app, &refresh, "").await), "b openid", "it was not used");
    })
    .await;
}

#[tokio::test]
async fn no_other_way_to_a_token_leads_around_it() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, SCOPES).await;
    let ann = stand.person().await;
    let old = client_for(&stand, &["password"]).await;
    let password = |scope| {
        encode(&[
            ("grant_type", "password"),
            ("username", "ann"),
            ("password", PASSWORD),
            ("scope", scope),
        ])
    };
    let typed =
        async |scope| self::scope(&stand.post("/oauth2/token", &old, &password(scope)).await);
    assert_eq!(typed("a b").await, "b");
    assert_eq!(typed("a").await, "400 invalid_scope");
    become_what(&stand, &ann, EDITOR).await;
    assert_eq!(typed("a b").await, "a b");

    // Exchanges, of an access token and of an ID token.
    let app = stand.app().await;
    let code = Browser::new(&stand).code(&wish(&app, &[("scope", "openid a")])).await;
    let tokens = body(&stand.exchange(&app, &code, &[]).await);
    let grants = ["urn:ietf:params:oauth:grant-type:token-exchange"];
    let service = client_for(&stand, &grants).await;
    let exchange = async |kind: &str, client: &Registered| {
        let named = format!("urn:ietf:params:oauth:token-type:{kind}");
        let pairs = [
            ("grant_type", grants[0]),
            ("subject_token", &text(&tokens, kind)),
            ("subject_token_type", &named),
        ];
        let request = post("/oauth2/token", &encode(&pairs));
        let id = client.client.id.as_str();
        scope(&stand.ask(&request.basic(id, &client.secret)).await)
    };
    assert_eq!(exchange("access_token", &service).await, "a");
    stand.pass(1);
    accounts::set_claims(&stand.authority, &ann.id, "").await.expect("set");
    assert_eq!(exchange("access_token", &service).await, "400 invalid_grant", "it has ended");
}

#[tokio::test]
async fn an_id_token_opens_no_more_than_its_person_has() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, SCOPES).await;
    let ann = stand.person().await;
    become_what(&stand, &ann, EDITOR).await;
    let kind = "urn:ietf:params:oauth:grant-type:token-exchange";
    let app = stand
        .register(Application {
            grant_types: vec!["authorization_code".to_owned(), kind.to_owned()],
            public: false,
            ..crate::browser::app()
        })
        .await;
    let code = Browser::new(&stand).code(&wish(&app, &[("scope", "openid a b")])).await;
    let mut request = crate::browser::exchange_of(&app, &code, &[("client_id", "")]);
    request = request.basic(app.client.id.as_str(), &app.secret);
    let id_token = text(&body(&stand.ask(&request).await), "id_token");
    let exchange = async || {
        let pairs = [
            ("grant_type", kind),
            ("subject_token", id_token.as_str()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ];
        stand.post("/oauth2/token", &app, &encode(&pairs)).await
    };
    let first = exchange().await;
    assert_eq!(scope(&first), "a b");
    let claims = part(&text(&body(&first), "access_token"), 1);
    assert_eq!(claims["roles"], json!(["editor", "reader"]));
    // Taken away in a way that ends no token.
    let nothing = Profile::default();
    assert!(stand.store.set_profile(&ann.id, &nothing, BEGIN, None).await.expect("changed"));
    assert_eq!(scope(&exchange().await), "b");
}

#[tokio::test]
async fn a_client_gets_for_itself_what_is_not_for_people_only() {
    each(async |scratch| {
        let stand = stand(&scratch, SCOPES).await;
        let client = stand.client(&["a", "b", "c"]).await;
        let ask = async |client: &Registered, asked: &str| {
            let pairs: Vec<_> = [("grant_type", "client_credentials"), ("scope", asked)]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect();
            scope(&stand.post("/oauth2/token", client, &encode(&pairs)).await)
        };
        assert_eq!(ask(&client, "a b c").await, "a c");
        assert_eq!(ask(&client, "b").await, "400 invalid_scope");
        assert_eq!(ask(&client, "d").await, "400 invalid_scope");
        assert_eq!(ask(&client, "").await, "400 invalid_scope", "the usual one is for people");
        let other = stand.client(&["a", "c"]).await;
        assert_eq!(ask(&other, "").await, "", "it may have none of the usual ones");
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_nothing_gets_what_is_usual() {
    let scratch = Scratch::sqlite();
    let usual = stand(&scratch, SCOPES).await;
    usual.person().await;
    let app = usual.app().await;
    let code = Browser::new(&usual).code(&wish(&app, &[("scope", "")])).await;
    assert_eq!(scope(&usual.exchange(&app, &code, &[]).await), "b openid");
    let old = client_for(&usual, &["password"]).await;
    let pairs = [("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
    assert_eq!(scope(&usual.post("/oauth2/token", &old, &encode(&pairs)).await), "b openid");

    let scratch = Scratch::sqlite();
    let all = stand(&scratch, "registry = []\ndefault = []").await;
    all.person().await;
    let app = all.app().await;
    let code = Browser::new(&all).code(&wish(&app, &[("scope", "")])).await;
    assert_eq!(scope(&all.exchange(&app, &code, &[]).await), "a b openid profile");
}

/// What a person agrees to on a page of their own: of a device (`user_code`), or of a client.
#[tokio::test]
async fn elsewhere_too_a_person_agrees_to_what_they_see() {
    each(async |scratch| {
        let stand = stand(&scratch, SCOPES).await;
        let ann = stand.person().await;
        let television = crate::devices::television(&stand).await;
        let bank = crate::backchannel::bank(&stand).await;
        let mut browser = Browser::new(&stand);

        let asked = crate::devices::begin(&stand, &television).await;
        let (code, user_code) = (text(&asked, "device_code"), text(&asked, "user_code"));
        let page = crate::devices::visit(&mut browser, &format!("user_code={user_code}")).await;
        let page = crate::devices::send(&mut browser, &page, &user_code, "").await;
        assert_eq!(items(&page), ["openid"]);
        crate::devices::send(&mut browser, &page, &user_code, "allow").await;

        let waiting = body(&crate::backchannel::ask(&stand, &bank, &[]).await);
        let page = crate::backchannel::visit(&mut browser, "ann").await;
        assert_eq!(items(&page), ["openid"]);
        let name = crate::backchannel::waiting(&page).remove(0);
        crate::backchannel::answer(&mut browser, &page, &name, "allow").await;

        // A role that she gets now opens nothing that she did not see.
        become_what(&stand, &ann, EDITOR).await;
        let device = crate::devices::poll(&stand, &television, &code).await;
        assert_eq!(scope(&device), "openid");
        stand.pass(30);
        let client = crate::backchannel::poll(&stand, &bank, &waiting).await;
        assert_eq!(scope(&client), "openid");
    })
    .await;
}

/// The items of the first list of a page.
fn items(page: &Reply) -> Vec<String> {
    let body = String::from_utf8_lossy(page.body()).into_owned();
    let list = body.split("<ul>").nth(1).and_then(|rest| rest.split("</ul>").next());
    let items = list.unwrap_or_default().split("<li>").skip(1);
    items.map(|item| item.trim_end_matches("</li>").to_owned()).collect()
}

#[tokio::test]
async fn userinfo_and_id_tokens_name_roles_only_where_they_are_asked_for() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, SCOPES).await;
    let ann = stand.person().await;
    become_what(&stand, &ann, EDITOR).await;
    let app = stand.app().await;
    let named = async |claims: &str| {
        let asks = wish(&app, &[("scope", "openid profile"), ("claims", claims)]);
        let code = Browser::new(&stand).code(&asks).await;
        let tokens = body(&stand.exchange(&app, &code, &[]).await);
        let bearer = format!("Bearer {}", text(&tokens, "access_token"));
        let request = post("/oauth2/userinfo", "").header("authorization", &bearer);
        let told: Value = body(&stand.ask(&request).await);
        let both = [told, part(&text(&tokens, "id_token"), 1)];
        both.map(|claims| claims.get("roles").cloned().unwrap_or_default())
    };
    assert_eq!(named("").await, [Value::Null, Value::Null]);
    let roles = json!(["editor", "reader"]);
    assert_eq!(named(r#"{"userinfo":{"roles":null}}"#).await, [roles.clone(), Value::Null]);
    assert_eq!(named(r#"{"id_token":{"roles":null}}"#).await, [Value::Null, roles]);
}
