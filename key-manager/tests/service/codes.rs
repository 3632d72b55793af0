//! Is a code good once, for its client, with its secret, and never again? (KM-030, KM-031)

use futures_util::future::join_all;

use crate::browser::{
    Browser, CALLBACK, VERIFIER, app, challenge, encode, exchange_of, step, wish,
};
use crate::databases::{Scratch, each};
use crate::stand::{Dressed, Stand, json, part, post, said, text};
use key_manager::domain::Requests;
use key_manager::registration::{Application, register};

type Changes = &'static [(&'static str, &'static str)];

/// What is wrong with the token request, and what is answered. After a wrong value the code is
/// spent: the right request that follows gets `after`.
const TABLE: &[(Changes, &str, &str)] = &[
    (&[], "200", "400 invalid_grant"),
    (&[("code", "")], "400 invalid_request", "200"),
    (&[("code", "guessed")], "400 invalid_grant", "200"),
    (&[("redirect_uri", "")], "400 invalid_request", "200"),
    (&[("redirect_uri", "https://app.example/cb/")], "400 invalid_grant", "400 invalid_grant"),
    (&[("redirect_uri", "https://APP.example/cb")], "400 invalid_grant", "400 invalid_grant"),
    (&[("redirect_uri", "https://evil.example/cb")], "400 invalid_grant", "400 invalid_grant"),
    // PKCE.
    (&[("code_verifier", "")], "400 invalid_grant", "200"),
    (
        &[("code_verifier", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")],
        "400 invalid_grant",
        "400 invalid_grant",
    ),
    (&[("code_verifier", "too-short")], "400 invalid_grant", "400 invalid_grant"),
    (
        &[("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")],
        "400 invalid_grant",
        "400 invalid_grant",
    ),
    (
        &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk=")],
        "400 invalid_grant",
        "400 invalid_grant",
    ),
    // The shared checks.
    (&[("scope", "openid a b")], "400 invalid_scope", "200"),
    (&[("resource", "https://unknown.example")], "400 invalid_target", "200"),
    (&[("scope", "a")], "200", "400 invalid_grant"),
    (&[("grant_type", "client_credentials")], "400 unauthorized_client", "200"),
];

#[tokio::test]
async fn every_wrong_exchange_gets_its_answer() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let mut browser = Browser::new(&stand);
        for (changes, answer, after) in TABLE {
            let code = browser.code(&wish(&client, &[])).await;
            let reply = stand.exchange(&client, &code, changes).await;
            assert_eq!(said(&reply), *answer, "{changes:?}");
            let reply = stand.exchange(&client, &code, &[]).await;
            assert_eq!(said(&reply), *after, "after {changes:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_of_one_client_is_nothing_to_another() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let (client, other) = (stand.app().await, stand.app().await);
    let code = Browser::new(&stand).code(&wish(&client, &[])).await;
    assert_eq!(said(&stand.exchange(&other, &code, &[]).await), "400 invalid_grant");
    assert_eq!(said(&stand.exchange(&client, &code, &[]).await), "400 invalid_grant", "it leaked");

    // A confidential client has to prove who it is before its code is looked at.
    let own = stand.register(Application { public: false, ..app() }).await;
    let code = Browser::new(&stand).code(&wish(&own, &[])).await;
    assert_eq!(said(&stand.exchange(&own, &code, &[]).await), "401 invalid_client");
    let form = encode(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    let proven = post("/token", &form).basic(own.client.id.as_str(), &own.secret);
    assert_eq!(said(&stand.ask(&proven).await), "200");
    // A public client has no secret that could be right.
    let wrong = [("client_secret", "x")];
    assert_eq!(said(&stand.exchange(&client, "c", &wrong).await), "401 invalid_client");
}

#[tokio::test]
async fn a_code_ends_after_a_minute() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let mut browser = Browser::new(&stand);
    for (seconds, answer) in [(59, "200"), (60, "400 invalid_grant")] {
        let code = browser.code(&wish(&client, &[])).await;
        stand.pass(seconds);
        assert_eq!(said(&stand.exchange(&client, &code, &[]).await), answer, "{seconds}");
    }
}

#[tokio::test]
async fn the_second_use_of_a_code_ends_everything_that_came_from_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let mut browser = Browser::new(&stand);
        let other =
            json(&stand.exchange(&client, &browser.code(&wish(&client, &[])).await, &[]).await);
        let code = browser.code(&wish(&client, &[])).await;
        let first = json(&stand.exchange(&client, &code, &[]).await);
        let (access, refresh) = (text(&first, "access_token"), text(&first, "refresh_token"));
        assert!(stand.lives(&access).await);
        stand.pass(3);
        // Even by whoever has nothing else right.
        let stolen = stand.exchange(&client, &code, &[("code_verifier", "x")]).await;
        assert_eq!(said(&stolen), "400 invalid_grant");
        assert!(!stand.lives(&access).await, "the access token lives on");
        assert_eq!(said(&stand.refresh(&client, &refresh, "").await), "400 invalid_grant");
        assert!(stand.lives(&text(&other, "access_token")).await, "too much was ended");
        let lines = stand.store_lines().await;
        let family = part(&access, 1)["km"]["fam"].as_str().expect("a family").to_owned();
        assert_eq!(lines, [key_manager::domain::Ended::Family(family)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_exchanges_at_once_one_succeeds_and_what_it_got_ends() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let code = Browser::new(&stand).code(&wish(&client, &[])).await;
        let tries = join_all((0..50).map(|_| stand.exchange(&client, &code, &[]))).await;
        let mut good = tries.iter().filter(|reply| reply.status() == 200);
        let won = json(good.next().expect("one success"));
        assert!(good.next().is_none(), "a code was used twice");
        let lost = tries.iter().filter(|reply| said(reply) == "400 invalid_grant");
        assert_eq!(lost.count(), 49);
        assert!(!stand.lives(&text(&won, "access_token")).await);
    })
    .await;
}

#[tokio::test]
async fn a_verifier_of_another_session_does_not_fit() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let (mine, theirs) = ("m".repeat(43), "t".repeat(43));
    let challenge = challenge(&theirs);
    // Code injection: the code of another session is brought with one's own verifier.
    let code = Browser::new(&stand).code(&wish(&client, &[("code_challenge", &challenge)])).await;
    let injected = stand.exchange(&client, &code, &[("code_verifier", &mine)]).await;
    assert_eq!(said(&injected), "400 invalid_grant");
}

/// A client that is allowed to do without PKCE may still use it, and cannot be made to lose it.
#[tokio::test]
async fn pkce_is_left_out_only_by_those_who_may_and_never_taken_away() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let requests = Requests { without_pkce: true, ..Requests::default() };
        let allowed = stand.register(Application { public: false, requests, ..app() }).await;
        let bare: Changes = &[("code_challenge", ""), ("code_challenge_method", "")];
        let exchange = async |wished: Changes, shown: Changes| {
            let code = Browser::new(&stand).code(&wish(&allowed, wished)).await;
            let request = exchange_of(&allowed, &code, shown);
            said(&stand.ask(&request.basic(allowed.client.id.as_str(), &allowed.secret)).await)
        };
        assert_eq!(exchange(bare, &[("code_verifier", "")]).await, "200");
        assert_eq!(exchange(bare, &[]).await, "400 invalid_grant", "a verifier of nothing");
        assert_eq!(exchange(&[], &[]).await, "200");
        assert_eq!(exchange(&[], &[("code_verifier", "")]).await, "400 invalid_grant");

        let strict = stand.register(Application { public: false, ..app() }).await;
        let mut browser = Browser::new(&stand);
        assert_eq!(step(&browser.authorize(&wish(&strict, bare)).await), "invalid_request");
        let method_only = wish(&allowed, &[("code_challenge", "")]);
        assert_eq!(step(&browser.authorize(&method_only).await), "invalid_request");
        let public = Application { requests, ..app() };
        let refused = register(&stand.authority, &public).await.expect_err("a refusal");
        assert!(refused.to_string().contains("allow_no_pkce_insecure"), "{refused}");
    })
    .await;
}
