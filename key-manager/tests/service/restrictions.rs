//! Does every token of a client say from where it may be used? (KM-060)

use key_manager::registration::{Application, Registered, WantedTerms};
use serde_json::{Value, json};

use crate::browser::{Browser, app, wish};
use crate::databases::{Scratch, each};
use crate::stand::{Stand, json as body, part, text};

fn restricted(format: &str) -> WantedTerms {
    WantedTerms {
        token_format: format.to_owned(),
        networks: ["10.1.2.3/8", "2001:db8::1"].map(str::to_owned).to_vec(),
        domains: ["*.Shop.example", "till.example"].map(str::to_owned).to_vec(),
        ..WantedTerms::default()
    }
}

fn said() -> Value {
    json!({ "ip": ["10.0.0.0/8", "2001:db8::1/128"], "ref": ["*.shop.example", "till.example"] })
}

async fn client(stand: &Stand, terms: WantedTerms) -> Registered {
    let name = "orders app".to_owned();
    stand.register(Application { name, terms, ..Application::default() }).await
}

/// What a client hears of its own token, and a gateway of every one.
async fn check(stand: &Stand, client: &Registered, token: &str, km: Option<Value>) {
    let told = stand.post("/oauth2/introspect", client, &format!("token={token}")).await;
    assert_eq!(body(&told).get("km").cloned(), km);
    let live = key_manager::endpoint::introspect_for_gateway(&stand.authority, token).await;
    let (live, _) = live.expect("an answer").expect("a token");
    let kept = km.map_or_else(|| json!({}), |km| km["rst"].clone());
    assert_eq!(json!(live.restrictions), kept);
}

#[tokio::test]
async fn tokens_say_it_themselves_and_opaque_ones_by_introspection() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let jwt = client(&stand, restricted("jwt")).await;
        let token = stand.token(&jwt).await;
        assert_eq!(part(&token, 1)["km"], json!({ "rst": said() }));
        check(&stand, &jwt, &token, Some(json!({ "rst": said() }))).await;
        let opaque = client(&stand, restricted("opaque")).await;
        let token = stand.token(&opaque).await;
        assert!(token.starts_with("kmat_"));
        check(&stand, &opaque, &token, Some(json!({ "rst": said() }))).await;

        let free = client(&stand, WantedTerms::default()).await;
        let token = stand.token(&free).await;
        assert_eq!(part(&token, 1).get("km"), None);
        check(&stand, &free, &token, None).await;
    })
    .await;
}

#[tokio::test]
async fn tokens_of_people_say_it_beside_what_they_come_from() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let app = stand.register(Application { terms: restricted(""), ..app() }).await;
    let code = Browser::new(&stand).code(&wish(&app, &[])).await;
    let tokens = body(&stand.exchange(&app, &code, &[]).await);
    let refreshed = body(&stand.refresh(&app, &text(&tokens, "refresh_token"), "").await);
    for tokens in [tokens, refreshed] {
        let km = part(&text(&tokens, "access_token"), 1)["km"].clone();
        assert_eq!(km["rst"], said());
        assert!(km["fam"].is_string() && km["sid"].is_string(), "{km}");
    }
}
