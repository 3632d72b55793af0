//! Attack list, section 1, opaque tokens: is such a token good whole only, and at its key manager only?
//!
//! That it is good at all, and cut at every place, is in the suite `service`, `wishes.rs`, and in
//! `vault::opaque`.

use http::Method;
use key_manager::endpoint::Request;
use key_manager::registration::{Application, WantedTerms};

use crate::browser::{app, encode};
use crate::databases::Scratch;
use crate::forge::{cut, rest};
use crate::stand::{Dressed, Stand, post, said, text};

async fn opaque(stand: &Stand) -> String {
    let terms = WantedTerms { token_format: "opaque".to_owned(), ..WantedTerms::default() };
    let client = stand.register(Application { terms, ..app() }).await;
    text(&stand.tokens(&client).await, "access_token")
}

#[tokio::test]
async fn a_token_that_is_changed_anywhere_is_none() {
    let (scratch, elsewhere) = (Scratch::sqlite(), Scratch::sqlite());
    let (stand, other) = (Stand::on(&scratch).await, Stand::on(&elsewhere).await);
    stand.person().await;
    other.person().await;
    let all = stand.client(&["turnpike:introspect"]).await;
    let (token, foreign) = (opaque(&stand).await, opaque(&other).await);
    let userinfo = async |token: &str| {
        let request = Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
        said(&stand.ask(&request.header("authorization", &format!("Bearer {token}"))).await)
    };
    assert_eq!(userinfo(&token).await, "200");
    assert!(stand.active(&all, &token).await && stand.lives(&token).await);
    let body = token.strip_prefix("kmat_").expect("the prefix");
    let turned = |c: char| {
        if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    for (name, wrong) in [
        ("cut", cut(&token).to_owned()),
        ("cut at 80 characters", token.chars().take(80).collect()),
        ("longer", format!("{token}A")),
        ("padded", format!("{token}=")),
        ("with a dot", format!("{token}.")),
        ("its case turned", format!("kmat_{}", body.chars().map(turned).collect::<String>())),
        (
            "its end before its beginning",
            format!("kmat_{}", body.chars().rev().collect::<String>()),
        ),
        ("without a prefix", body.to_owned()),
        ("the prefix in capitals", format!("KMAT_{body}")),
        ("the prefix of a refresh token", format!("kmrt_{body}")),
        ("the prefix twice", format!("kmat_{token}")),
        ("the prefix alone", "kmat_".to_owned()),
        ("without its first letter", format!("kmat_{}", rest(body))),
        ("twice", format!("{token}{body}")),
        ("in another alphabet", token.replace(['-', '_'], "+")),
        ("of another key manager", foreign),
        ("zeros", format!("kmat_{}", "A".repeat(body.len()))),
    ] {
        assert_eq!(userinfo(&wrong).await, "401 invalid_token", "{name}");
        assert!(!stand.lives(&wrong).await, "{name}");
        let form = encode(&[("token", &wrong)]);
        let told = stand.post("/oauth2/introspect", &all, &form).await;
        assert_eq!(told.body().as_ref(), br#"{"active":false}"#, "{name}");
    }
    // What it holds is not to be read.
    for inside in ["openid", "app.example", "https", "{", "."] {
        assert!(!token.contains(inside), "{token}");
    }
}
