//! Attack list, PKCE: is a code good with its own verifier only, and can nobody take PKCE away?
//!
//! Stripped and downgraded challenges are in the suite `service`, `authorize.rs` and `codes.rs`.

use crate::browser::{Browser, challenge, step, wish};
use crate::databases::Scratch;
use crate::forge::cut;
use crate::stand::{Stand, post, said};

#[tokio::test]
async fn a_verifier_is_43_to_128_plain_characters_and_the_right_one() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let of = |length: usize| "v".repeat(length);
    let table = [
        (of(43), "200"),
        (of(128), "200"),
        (format!("{}-._~", of(60)), "200"),
        (of(42), "400 invalid_grant"),
        (of(129), "400 invalid_grant"),
        (of(5_000), "400 invalid_grant"),
        (format!("{}=", of(43)), "400 invalid_grant"),
        (format!("{}+", of(43)), "400 invalid_grant"),
        (format!("{} ", of(43)), "400 invalid_grant"),
        (format!("{}%", of(43)), "400 invalid_grant"),
        (format!("{}/", of(43)), "400 invalid_grant"),
        (format!("{}\u{e4}", of(43)), "400 invalid_grant"),
        (format!("{}\n", of(43)), "400 invalid_grant"),
    ];
    for (verifier, answer) in table {
        // Even where the hash is the right one.
        let hashed = challenge(&verifier);
        let code = browser.code(&wish(&client, &[("code_challenge", &hashed)])).await;
        let reply = stand.exchange(&client, &code, &[("code_verifier", &verifier)]).await;
        assert_eq!(said(&reply), answer, "{verifier:?}");
    }
    // The challenge is no verifier, as it would be with `plain`.
    let hashed = challenge(&of(43));
    let code = browser.code(&wish(&client, &[("code_challenge", &hashed)])).await;
    let reply = stand.exchange(&client, &code, &[("code_verifier", &hashed)]).await;
    assert_eq!(said(&reply), "400 invalid_grant");
}

#[tokio::test]
async fn a_challenge_is_one_hash_by_the_one_method() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    let good = challenge(&"v".repeat(43));
    let table: Vec<Vec<(&str, String)>> = vec![
        vec![("code_challenge", String::new())],
        vec![("code_challenge", String::new()), ("code_challenge_method", String::new())],
        vec![("code_challenge_method", String::new())],
        vec![("code_challenge_method", "plain".to_owned())],
        vec![("code_challenge_method", "PLAIN".to_owned())],
        vec![("code_challenge_method", "s256".to_owned())],
        vec![("code_challenge_method", "S512".to_owned())],
        vec![("code_challenge_method", "S256 plain".to_owned())],
        vec![("code_challenge_method", "none".to_owned())],
        vec![("code_challenge", cut(&good).to_owned())],
        vec![("code_challenge", format!("{good}A"))],
        vec![("code_challenge", format!("{good}="))],
        vec![("code_challenge", format!("{}+", cut(&good)))],
        vec![("code_challenge", "v".repeat(128))],
    ];
    for changes in &table {
        let changes: Vec<(&str, &str)> =
            changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = wish(&client, &changes);
        assert_eq!(step(&browser.authorize(&query).await), "invalid_request", "{changes:?}");
        let pushed = stand.ask(&post("/oauth2/par", &query)).await;
        assert_eq!(said(&pushed), "400 invalid_request", "{changes:?}");
    }
}
