//! Is a refresh token followed by exactly one, and noticed when two hold it? (KM-070 to KM-076)

use futures_util::future::join_all;
use key_manager::accounts;
use key_manager::domain::{Ended, RefreshPolicy};
use key_manager::registration::{Application, Registered, remove};
use key_manager::store::Store as _;
use serde_json::Value;

use crate::browser::{Browser, app, encode, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, json, part, post, said, text};

fn token(body: &Value) -> String {
    text(body, "refresh_token")
}

impl Stand {
    pub(crate) async fn store_lines(&self) -> Vec<Ended> {
        let lines = self.store.revocations(0, u64::MAX >> 1, 100).await.expect("lines");
        lines.into_iter().map(|line| line.entry.what).collect()
    }
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_its_reuse_ends_the_family() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        stand.person().await;
        let client = stand.app().await;
        let first = stand.tokens(&client).await;
        assert!(token(&first).starts_with("kmrt_") && token(&first).len() == 76);
        stand.pass(60);
        let second = json(&stand.refresh(&client, &token(&first), "").await);
        assert_ne!(token(&second), token(&first));
        let (old, new) = (text(&first, "access_token"), text(&second, "access_token"));
        assert_eq!(part(&old, 1)["km"], part(&new, 1)["km"]);
        assert_eq!(part(&new, 1)["auth_time"], BEGIN);
        let id = part(&text(&second, "id_token"), 1);
        assert_eq!((id["auth_time"].as_i64(), id.get("nonce")), (Some(BEGIN), None));
        stand.pass(10);
        assert!(stand.lives(&old).await && stand.lives(&new).await);
        assert_eq!(said(&stand.refresh(&client, &token(&first), "").await), "400 invalid_grant");
        assert!(!stand.lives(&old).await && !stand.lives(&new).await, "its tokens live on");
        assert_eq!(said(&stand.refresh(&client, &token(&second), "").await), "400 invalid_grant");
        assert_eq!(stand.store_lines().await.len(), 1, "one line is enough");
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_grace_and_never_to_the_one_before() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let first = stand.tokens(&client).await;
    let second = json(&stand.refresh(&client, &token(&first), "").await);
    stand.pass(9);
    let again = json(&stand.refresh(&client, &token(&first), "").await);
    assert_eq!(token(&again), token(&second), "the family forked");
    let third = json(&stand.refresh(&client, &token(&second), "").await);
    // The grandparent, although its own grace is not over (KM-072).
    assert_eq!(said(&stand.refresh(&client, &token(&first), "").await), "400 invalid_grant");
    assert_eq!(said(&stand.refresh(&client, &token(&third), "").await), "400 invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_refreshes_at_once_on_two_key_managers_make_one_generation() {
    each(async |scratch| {
        let one = Stand::on(&scratch).await;
        let two = Stand::on(&scratch).await;
        one.person().await;
        let client = one.app().await;
        let first = token(&one.tokens(&client).await);
        let asked = (0..200).map(|n| {
            let stand = if n % 2 == 0 { &one } else { &two };
            let (client, first) = (&client, first.as_str());
            async move {
                // Who is refused for now comes again, as clients do.
                loop {
                    let reply = stand.refresh(client, first, "").await;
                    if reply.status() != 503 {
                        return reply;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        });
        let replies = join_all(asked).await;
        let next: std::collections::BTreeSet<String> = replies
            .iter()
            .map(|reply| {
                assert_eq!(said(reply), "200", "{}", String::from_utf8_lossy(reply.body()));
                token(&json(reply))
            })
            .collect();
        assert_eq!(next.len(), 1, "the family forked");
        let id = part(&text(&json(&replies[0]), "access_token"), 1);
        let id = id["km"]["fam"].as_str().expect("a family");
        let family = one.store.family(id).await.expect("read").expect("a family");
        assert_eq!((family.generation, family.revoked), (2, false));
        let only = next.first().expect("one");
        assert_eq!(said(&two.refresh(&client, only, "").await), "200");
    })
    .await;
}

#[tokio::test]
async fn a_family_ends_idle_and_in_any_case() {
    const DAY: u64 = 86_400;
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let idle = token(&stand.tokens(&client).await);
    stand.pass(7 * DAY);
    assert_eq!(said(&stand.refresh(&client, &idle, "").await), "400 invalid_grant");
    let mut used = token(&stand.tokens(&client).await);
    for _ in 0..4 {
        stand.pass(7 * DAY - 1);
        used = token(&json(&stand.refresh(&client, &used, "").await));
    }
    stand.pass(2 * DAY + 4);
    assert_eq!(said(&stand.refresh(&client, &used, "").await), "400 invalid_grant");
}

#[tokio::test]
async fn scope_may_be_narrowed_and_never_widened() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let first = token(&stand.tokens(&client).await);
    // A refused request uses nothing up.
    assert_eq!(said(&stand.refresh(&client, &first, "openid a b").await), "400 invalid_scope");
    let narrow = json(&stand.refresh(&client, &first, "a").await);
    assert_eq!((narrow["scope"].as_str(), narrow.get("id_token")), (Some("a"), None));
    let whole = json(&stand.refresh(&client, &token(&narrow), "").await);
    assert_eq!(whole["scope"], "a openid");
}

#[tokio::test]
async fn what_is_no_refresh_token_of_the_client_is_refused_and_ends_nothing() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let (client, other) = (stand.app().await, stand.app().await);
    let body = stand.tokens(&client).await;
    let good = token(&body);
    let changed: String =
        good.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    let longer = format!("{good}0");
    let wrong = [
        "garbage",
        "kmrt_",
        good.get(..75).expect("a part"),
        longer.as_str(),
        changed.as_str(),
        body["access_token"].as_str().expect("a token"),
    ];
    for token in wrong {
        assert_eq!(said(&stand.refresh(&client, token, "").await), "400 invalid_grant", "{token}");
    }
    assert_eq!(said(&stand.refresh(&client, "", "").await), "400 invalid_request");
    assert_eq!(said(&stand.refresh(&other, &good, "").await), "400 invalid_grant");
    assert_eq!(said(&stand.refresh(&client, &good, "").await), "200");
}

#[tokio::test]
async fn a_static_token_stays_the_same() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let own = stand.register(Application { public: false, ..app() }).await;
    assert_eq!(own.client.refresh, RefreshPolicy::Static);
    let code = Browser::new(&stand).code(&wish(&own, &[])).await;
    let secret = own.secret.as_str();
    let body = json(&stand.exchange(&own, &code, &[("client_secret", secret)]).await);
    let refresh = async |stand: &Stand| {
        let form = encode(&[("grant_type", "refresh_token"), ("refresh_token", &token(&body))]);
        stand.ask(&post("/token", &form).basic(own.client.id.as_str(), secret)).await
    };
    for _ in 0..3 {
        stand.pass(6 * 86_400);
        let reply = refresh(&stand).await;
        assert_eq!((said(&reply).as_str(), json(&reply).get("refresh_token")), ("200", None));
    }
    stand.pass(7 * 86_400);
    assert_eq!(said(&refresh(&stand).await), "400 invalid_grant");
}

/// How everything that came from a login ends.
async fn end(name: &str, stand: &Stand, client: &Registered, user: &str, body: &Value) {
    let authority = &stand.authority;
    match name {
        "password changed" => {
            accounts::set_password(authority, user, "another password").await.expect("set");
        }
        "user disabled" => accounts::disable(authority, user, true).await.expect("disabled"),
        "user removed" => assert!(accounts::remove(authority, user).await.expect("removed")),
        "client removed" => assert!(remove(authority, &client.client.id).await.expect("removed")),
        "client's tokens revoked" => {
            authority.log.end_client(&client.client.id).await.expect("ended");
        }
        "subject's tokens revoked" => {
            authority.log.end_subject(user).await.expect("ended");
        }
        "refresh token revoked" => {
            let form = encode(&[("client_id", client.client.id.as_str()), ("token", &token(body))]);
            assert_eq!(said(&stand.ask(&post("/oauth2/revoke", &form)).await), "200");
        }
        other => panic!("{other} is not in the table"),
    }
}

#[tokio::test]
async fn whatever_ends_a_login_ends_what_came_from_it() {
    const TABLE: &[(&str, &str)] = &[
        ("password changed", "400 invalid_grant"),
        ("user disabled", "400 invalid_grant"),
        ("user removed", "400 invalid_grant"),
        ("client removed", "401 invalid_client"),
        ("client's tokens revoked", "400 invalid_grant"),
        ("subject's tokens revoked", "400 invalid_grant"),
        ("refresh token revoked", "400 invalid_grant"),
    ];
    each(async |scratch| {
        for (name, answer) in TABLE {
            let stand = Stand::on(&scratch).await;
            let user = stand.person().await;
            let client = stand.app().await;
            let mut browser = Browser::new(&stand);
            let code = browser.code(&wish(&client, &[])).await;
            let body = json(&stand.exchange(&client, &code, &[]).await);
            let pending = browser.code(&wish(&client, &[])).await;
            end(name, &stand, &client, &user.id, &body).await;
            let refused = stand.refresh(&client, &token(&body), "").await;
            assert_eq!(said(&refused), *answer, "{name}");
            assert!(!stand.lives(&text(&body, "access_token")).await, "{name}");
            if name.starts_with("user") || name.starts_with("password") {
                let late = stand.exchange(&client, &pending, &[]).await;
                assert_eq!(said(&late), "400 invalid_grant", "a code outlived: {name}");
            }
            let _ = accounts::remove(&stand.authority, &user.id).await.expect("cleared");
        }
    })
    .await;
}

#[tokio::test]
async fn a_login_right_after_an_end_gets_living_tokens() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let user = stand.person().await;
    let client = stand.app().await;
    stand.authority.log.end_subject(&user.id).await.expect("ended");
    let body = stand.tokens(&client).await;
    assert!(stand.lives(&text(&body, "access_token")).await);
}
