//! Attack list, refresh: is there one next token whoever asks how often, and none after an end?
//!
//! Reuse, grandparents, other clients and the ends of a login on one key manager are in the suite
//! `service`, `refresh.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use futures_util::future::join_all;
use key_manager::accounts;
use key_manager::domain::ClientId;
use key_manager::registration::{Registered, remove};
use serde_json::Value;
use turnpike_proto::identity::v1::RegisterClientRequest;
use turnpike_proto::identity::v1::clients_client::ClientsClient;

use crate::browser::{Browser, CALLBACK, encode, sent, step, wish};
use crate::databases::{Scratch, each};
use crate::process::{Process, try_send};
use crate::stand::{Stand, json, said, text};
use crate::visits::{account, log_in};

const REFUSED: &str = "400 invalid_grant";

fn token(body: &Value) -> String {
    text(body, "refresh_token")
}

/// Many requests with one token at once, by turns to two key managers.
async fn burst(one: &Stand, two: &Stand, client: &Registered, first: &str) -> BTreeSet<String> {
    let asked = (0..200).map(|n| {
        let stand = if n % 2 == 0 { one } else { two };
        async move {
            // Who is refused for now comes again, as clients do.
            loop {
                let reply = stand.refresh(client, first, "").await;
                if reply.status() != 503 {
                    return reply;
                }
                Clock::system().sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let replies = join_all(asked).await;
    let next = replies.iter().map(|reply| {
        assert_eq!(said(reply), "200", "{}", String::from_utf8_lossy(reply.body()));
        token(&json(reply))
    });
    next.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_on_two_key_managers_get_one_pair_and_reuse_ends_it() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        one.person().await;
        let client = one.app().await;
        let tokens = one.tokens(&client).await;
        let first = token(&tokens);
        let next = burst(&one, &two, &client, &first).await;
        assert_eq!(next.len(), 1, "the family forked");
        let next = next.first().expect("one");
        // The grace is over on both.
        one.pass(11);
        two.pass(11);
        assert_eq!(said(&two.refresh(&client, &first, "").await), REFUSED);
        for stand in [&one, &two] {
            assert_eq!(said(&stand.refresh(&client, next, "").await), REFUSED, "it lives on");
            assert!(!stand.lives(&text(&tokens, "access_token")).await, "its tokens live on");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_given_again_three_times_and_then_it_is_a_reuse() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let first = token(&stand.tokens(&client).await);
        let second = token(&json(&stand.refresh(&client, &first, "").await));
        // What comes at once is one request that was sent several times.
        stand.pass(1);
        for _ in 0..10 {
            assert_eq!(token(&json(&stand.refresh(&client, &first, "").await)), second);
        }
        stand.pass(1);
        for _ in 0..3 {
            assert_eq!(token(&json(&stand.refresh(&client, &first, "").await)), second);
        }
        assert_eq!(said(&stand.refresh(&client, &first, "").await), REFUSED, "within the grace");
        assert_eq!(said(&stand.refresh(&client, &second, "").await), REFUSED, "it lives on");

        // With the next step the count begins anew.
        let first = token(&stand.tokens(&client).await);
        let mut used = first;
        for _ in 0..4 {
            let next = token(&json(&stand.refresh(&client, &used, "").await));
            stand.pass(5);
            for _ in 0..3 {
                assert_eq!(token(&json(&stand.refresh(&client, &used, "").await)), next);
            }
            used = next;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_late_ones_at_once_three_are_answered() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        one.person().await;
        let client = one.app().await;
        let first = token(&one.tokens(&client).await);
        let second = token(&json(&one.refresh(&client, &first, "").await));
        one.pass(5);
        two.pass(5);
        let asked = (0..20).map(|n| {
            let stand = if n % 2 == 0 { &one } else { &two };
            stand.refresh(&client, &first, "")
        });
        let replies = join_all(asked).await;
        let good: Vec<_> = replies.iter().filter(|reply| reply.status() == 200).collect();
        assert!(good.len() <= 3, "{} were answered", good.len());
        assert!(good.iter().all(|reply| token(&json(reply)) == second), "the family forked");
        assert_eq!(said(&two.refresh(&client, &second, "").await), REFUSED, "it lives on");
    })
    .await;
}

/// What ends on one key manager, and what a client then hears at the other.
async fn end(name: &str, stand: &Stand, client: &Registered, user: &str) -> &'static str {
    let authority = &stand.authority;
    match name {
        "the person is disabled" => accounts::disable(authority, user, true).await.expect("done"),
        "the person is removed" => {
            assert!(accounts::remove(authority, user).await.expect("done"));
        }
        "the password is changed" => {
            accounts::set_password(authority, user, "another password").await.expect("done");
        }
        "the client is removed" => {
            assert!(remove(authority, &client.client.id).await.expect("done"));
            return "401 invalid_client";
        }
        "consent is withdrawn" => {
            let id = ClientId::parse(client.client.id.as_str()).expect("an id");
            assert!(authority.log.withdraw_consent(user, &id).await.expect("done"));
        }
        "the subject's tokens are revoked" => {
            authority.log.end_subject(user).await.expect("done");
        }
        other => panic!("{other} is not in the table"),
    }
    REFUSED
}

/// Nothing is served from a copy that does not know of the end yet.
#[tokio::test]
async fn what_ended_on_one_key_manager_has_ended_on_the_other() {
    const TABLE: [&str; 6] = [
        "the person is disabled",
        "the person is removed",
        "the password is changed",
        "the client is removed",
        "consent is withdrawn",
        "the subject's tokens are revoked",
    ];
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        for name in TABLE {
            let user = one.person().await;
            let client = one.app().await;
            let mut browser = Browser::new(&two);
            let code = browser.code(&wish(&client, &[])).await;
            let tokens = json(&two.exchange(&client, &code, &[]).await);
            let warm = json(&two.refresh(&client, &token(&tokens), "").await);
            assert!(two.lives(&text(&warm, "access_token")).await, "{name}");
            let pending = sent(&browser.authorize(&wish(&client, &[])).await, "code");
            let answer = end(name, &one, &client, &user.id).await;
            assert_eq!(said(&two.refresh(&client, &token(&warm), "").await), answer, "{name}");
            assert!(!two.lives(&text(&warm, "access_token")).await, "{name}");
            let late = two.exchange(&client, &pending.expect("a code"), &[]).await;
            let kept = name == "the subject's tokens are revoked";
            assert!(kept || said(&late) == answer, "a code outlived: {name}: {}", said(&late));
            if name.starts_with("the person") || name.starts_with("the password") {
                let page = browser.authorize(&wish(&client, &[])).await;
                assert_eq!(step(&page), "login", "a session outlived: {name}");
            }
            let _ = accounts::remove(&one.authority, &user.id).await.expect("cleared");
        }
    })
    .await;
}

/// With real processes, sockets and clocks: those who ask while others do may be told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_on_one_postgresql_make_one_generation() {
    let Some(server) = crate::postgres::shared().await else {
        eprintln!("left out: no PostgreSQL in /usr/lib/postgresql, TURNPIKE_TEST_POSTGRES not set");
        return;
    };
    let scratch = Scratch::on(server).await;
    let data: Arc<std::path::Path> = scratch.folder.path().into();
    let (one, two) = (Process::start(&scratch).await, Process::start(&scratch).await);
    account(&one, &data).await;
    let asked = RegisterClientRequest {
        name: "app".to_owned(),
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        scopes: vec!["openid".to_owned()],
        redirect_uris: vec![CALLBACK.to_owned()],
        public: true,
        first_party: true,
        ..RegisterClientRequest::default()
    };
    let mut clients = ClientsClient::new(one.channel(&data, "control-plane"));
    let client = clients.register(asked).await.expect("a client").into_inner().client_id;
    let tokens = log_in(&one, &data, &client, "openid").await;
    let first = tokens.text("refresh_token");
    let refresh = |n: usize, shown: &str| {
        let https = if n.is_multiple_of(2) { one.https } else { two.https };
        let form = encode(&[
            ("grant_type", "refresh_token"),
            ("client_id", &client),
            ("refresh_token", shown),
        ]);
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let data = Arc::clone(&data);
        async move {
            // On a busy machine a handshake may take too long; a client then comes again.
            let mut answered = None;
            for _ in 0..100 {
                answered = try_send(https, &data, request.clone()).await;
                if answered.is_some() {
                    break;
                }
                Clock::system().sleep(Duration::from_millis(50)).await;
            }
            let (head, body) = answered.expect("an answer");
            let status = head.split(' ').nth(1).expect("a status").to_owned();
            (status, serde_json::from_str::<Value>(&body).expect("JSON"))
        }
    };
    let replies = join_all((0..200).map(|n| refresh(n, &first))).await;
    let mut next = BTreeSet::new();
    for (status, body) in &replies {
        match status.as_str() {
            "200" => {
                next.insert(token(body));
            }
            // A burst that takes longer than the others are waited for may be a reuse already.
            "400" => assert_eq!(body["error"], "invalid_grant", "{body}"),
            other => assert_eq!(other, "503", "{body}"),
        }
    }
    assert_eq!(next.len(), 1, "the family forked");
    let next = next.first().expect("one");
    // The next step makes the first token a grandparent, which no grace covers.
    refresh(0, next).await;
    assert_eq!(refresh(1, &first).await.0, "400");
    for n in [0, 1] {
        assert_eq!(refresh(n, next).await.0, "400", "the family lives on");
    }
    // Whoever of the two ended the family, the other has seen it within `store.poll`, 100 ms.
    let clock = Clock::system();
    let seen = async {
        while two.active(&data, &tokens.text("access_token")).await {
            clock.sleep(Duration::from_millis(10)).await;
        }
    };
    clock.timeout(Duration::from_secs(2), seen).await.expect("the access token ends as well");
}
