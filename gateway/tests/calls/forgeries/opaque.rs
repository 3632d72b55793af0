//! Attack 25: opaque tokens, cut, longer, in other letters, with another prefix.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::forge::cut;
use super::ground::{Ground, Group, REFUSED};
use crate::introspector::Introspector;

const TOKEN: &str = "kmat_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCd";

#[tokio::test]
async fn an_opaque_token_is_good_as_it_was_given() {
    let introspector = Introspector::default()
        .with(TOKEN, json!({ "active": true, "client_id": "live", "sub": "ann" }));
    let asked = introspector.asked();
    let ground = Ground::knowing(introspector).await;
    let mut group = Group::of(&ground, "25, opaque tokens").await;
    let changed = |at: usize, to: char| {
        let mut text: Vec<char> = TOKEN.chars().collect();
        text[at] = to;
        text.into_iter().collect::<String>()
    };
    let flipped: String = TOKEN
        .chars()
        .map(|one| {
            if one.is_ascii_lowercase() {
                one.to_ascii_uppercase()
            } else {
                one.to_ascii_lowercase()
            }
        })
        .collect();
    // Before the good one is known, and after.
    for known in [false, true] {
        if known {
            group.check("the good one", TOKEN, "200").await;
            let before = asked.load(Ordering::Relaxed);
            group.check("the good one again", TOKEN, "200").await;
            let now = asked.load(Ordering::Relaxed);
            group.check_that("its issuer is not asked again", before == now);
        }
        for count in 1..TOKEN.len() - 1 {
            group.refused(&format!("cut by {count}, known {known}"), cut(TOKEN, count)).await;
        }
        for end in ["A", "=", ".", "%00", "\u{30}", "/", "kmat_", TOKEN] {
            group
                .refused(&format!("{end:?} behind, known {known}"), &format!("{TOKEN}{end}"))
                .await;
            group
                .refused(&format!("{end:?} before, known {known}"), &format!("{end}{TOKEN}"))
                .await;
        }
        for at in 0..TOKEN.len() {
            let to = if TOKEN.as_bytes()[at] == b'x' { 'y' } else { 'x' };
            group.refused(&format!("character {at}, known {known}"), &changed(at, to)).await;
        }
        group.refused("other letters", &flipped).await;
        group.refused("capitals", &TOKEN.to_uppercase()).await;
        for prefix in
            ["kmrt_", "kmak_", "KMAT_", "kmat-", "kmat", "", "kmat__", "at_", "Bearer kmat_"]
        {
            let token = TOKEN.replacen("kmat_", prefix, 1);
            group.refused(&format!("prefix {prefix:?}, known {known}"), &token).await;
        }
        group.refused("prefix alone", "kmat_").await;
        // As JWT it is nothing either.
        for shape in ["{t}.{t}.{t}", "{t}..", ".{t}.", "{t}.e30.AAAA"] {
            let token = shape.replace("{t}", TOKEN);
            group.refused(&format!("{shape}, known {known}"), &token).await;
        }
    }
    group.ends(240).await;
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_of_nobody() {
    let introspector = Introspector::default();
    let asked = introspector.asked();
    let ground = Ground::knowing(introspector).await;
    let mut group = Group::of(&ground, "25, tokens of nobody").await;
    for token in ["x", "abc", "KMAT_x", "kmrt_x", "a.b", "a.b.c", "a.b.c.d.e", "-", "..", "null"] {
        group.check(token, token, REFUSED).await;
    }
    group.check_that("its issuer is not asked", asked.load(Ordering::Relaxed) == 0);
    group.ends(16).await;
}

#[tokio::test]
async fn what_an_issuer_says_has_to_fit() {
    let now = chassis::Clock::system().unix_seconds();
    let said = [
        ("active is not said", json!({ "client_id": "live" }), "200"),
        ("another issuer", json!({ "iss": "https://rs.example", "client_id": "live" }), REFUSED),
        ("over", json!({ "exp": now - 60, "client_id": "live" }), REFUSED),
        ("not yet", json!({ "nbf": now + 600, "client_id": "live" }), REFUSED),
        ("no client", json!({ "sub": "ann" }), REFUSED),
        ("a client of nobody", json!({ "client_id": "none" }), "403 900908"),
        ("a list", json!([{ "client_id": "live" }]), "503 101503"),
        ("a subject that is none", json!({ "sub": ["ann"], "client_id": "live" }), REFUSED),
        (
            "bound to what is unknown",
            json!({ "client_id": "live", "cnf": { "kid": "a" } }),
            REFUSED,
        ),
        ("bound to a key", json!({ "client_id": "live", "cnf": { "jkt": "abc" } }), REFUSED),
    ];
    let named = |at: usize| format!("kmat_{at:032}");
    let mut introspector = Introspector::default();
    for (at, (_, claims, _)) in said.iter().enumerate() {
        introspector = introspector.with(&named(at), claims.clone());
    }
    let ground = Ground::knowing(introspector).await;
    let mut group = Group::of(&ground, "25, words of issuers").await;
    for (at, (case, _, expected)) in said.iter().enumerate() {
        group.check(case, &named(at), expected).await;
        group.check(case, &named(at), expected).await;
    }
    group.ends(26).await;
}
