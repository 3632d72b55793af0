//! Attack list, code: can a code be guessed, replayed, bent or slipped into somebody else's login?
//!
//! The replays are in the suite `service`, `codes.rs`.

use key_manager::registration::Application;

use crate::browser::{Browser, app, wish};
use crate::databases::Scratch;
use crate::forge::cut;
use crate::stand::{Stand, json, part, said, text};

#[tokio::test]
async fn what_is_no_code_is_nothing_and_uses_nothing_up() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.register(Application { first_party: true, ..app() }).await;
    let mut browser = Browser::new(&stand);
    let code = browser.code(&wish(&client, &[])).await;
    assert!(code.len() >= 43, "fewer than 256 bits: {code}");
    let other = browser.code(&wish(&client, &[])).await;
    let swapped: String = code
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let long = "c".repeat(60_000);
    let mut guesses = vec![
        cut(&code).to_owned(),
        format!("{code}A"),
        format!("{code}="),
        format!(" {code}"),
        format!("{code}\n"),
        swapped,
        code.chars().rev().collect(),
        format!("{}{}", code.split_at(20).0, other.split_at(20).1),
        "' OR 1=1 --".to_owned(),
        "*".to_owned(),
        "%".to_owned(),
        long,
    ];
    // 500 that are as good as any other guess.
    guesses.extend((0..500).map(|_| chassis::random::token(32)));
    for guess in &guesses {
        let reply = stand.exchange(&client, guess, &[]).await;
        assert_eq!(said(&reply), "400 invalid_grant", "{guess}");
    }
    for code in [code, other] {
        assert_eq!(said(&stand.exchange(&client, &code, &[]).await), "200");
    }
}

#[tokio::test]
async fn a_code_of_another_login_is_seen_by_its_nonce() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    // With PKCE the exchange fails (`codes.rs`); a client that shares its verifier sees it here.
    let stolen = Browser::new(&stand).code(&wish(&client, &[("nonce", "of the thief")])).await;
    let tokens = json(&stand.exchange(&client, &stolen, &[]).await);
    assert_eq!(part(&text(&tokens, "id_token"), 1)["nonce"], "of the thief");
}
