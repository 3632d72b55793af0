//! Do keys come, sign and go when they should?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use key_manager::domain::{KeyState, TokenAlgorithm};
use key_manager::endpoint::Request;
use key_manager::issue::{IssueError, Wish};
use key_manager::registration::Application;
use key_manager::store::Store as _;

use crate::databases::each;
use crate::stand::{BEGIN, Dressed, Stand, part, post};

const DAY: u64 = 86_400;

#[tokio::test]
async fn a_rotation_takes_the_key_that_everybody_knew_and_old_tokens_stay_good() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&[]).await;
        let before = stand.kids().await;
        let token = stand.token(&client).await;
        assert_eq!((before.len(), part(&token, 0)["kid"].as_str()), (2, Some(before[0].as_str())));

        stand.authority.keeper.change(Wish::Rotate).await.expect("rotated");
        let after = stand.kids().await;
        assert_eq!(after.len(), 3);
        assert_eq!((&after[0], &after[2]), (&before[1], &before[0]), "next signs, active retires");
        assert_eq!(part(&stand.token(&client).await, 0)["kid"], after[0]);
        assert!(stand.active(&client, &token).await);
    })
    .await;
}

#[tokio::test]
async fn keys_rotate_by_time_and_go_when_their_last_token_has_ended() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let before = stand.kids().await;
        let tend = async || {
            stand.authority.keeper.change(Wish::Tend).await.expect("tended");
        };
        stand.pass(30 * DAY - 1);
        tend().await;
        assert_eq!(stand.kids().await, before);
        stand.pass(1);
        tend().await;
        let rotated = stand.kids().await;
        assert_eq!((rotated.len(), &rotated[0]), (3, &before[1]));
        // The longest life that a token may have, and the greatest skew of a verifier.
        stand.pass(DAY + 300);
        tend().await;
        assert_eq!(stand.kids().await.len(), 3);
        stand.pass(1);
        tend().await;
        assert_eq!(stand.kids().await, rotated[..2]);
    })
    .await;
}

#[tokio::test]
async fn a_next_key_is_published_before_it_signs() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let keeper = &stand.authority.keeper;
    let seconds = async || match keeper.may_rotate().await {
        Err(IssueError::TooSoon { seconds, .. }) => seconds,
        other => panic!("{other:?}"),
    };
    assert_eq!(seconds().await, 600);
    stand.pass(599);
    assert_eq!(seconds().await, 1);
    stand.pass(1);
    keeper.may_rotate().await.expect("everybody knows the next key");

    // A next key that comes late puts the rotation off.
    stand.pass(30 * DAY - 700);
    let before = stand.kids().await;
    keeper.change(Wish::Revoke(before[1].clone())).await.expect("revoked");
    let next = stand.kids().await[1].clone();
    stand.pass(100);
    keeper.change(Wish::Tend).await.expect("tended");
    assert_eq!(stand.kids().await, [before[0].clone(), next.clone()]);
    let list = keeper.list().await.expect("keys");
    let until = |kid: &str| list.iter().find(|one| one.key.kid == kid).expect("the key").until;
    let now = stand.authority.clock.unix_seconds();
    assert_eq!((until(&before[0]), until(&next)), (now + 500, now + 500));
    assert_eq!(keeper.ring().rotations(), [(TokenAlgorithm::Es256, now + 500)]);
    stand.pass(500);
    keeper.change(Wish::Tend).await.expect("tended");
    assert_eq!(stand.kids().await[0], next);
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once_and_so_is_what_it_signed() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let other = Stand::on(&scratch).await;
        let client = stand.client(&[]).await;
        let token = stand.token(&client).await;
        let before = stand.kids().await;
        let keeper = &stand.authority.keeper;
        keeper.change(Wish::Revoke(before[0].clone())).await.expect("revoked");
        let after = stand.kids().await;
        assert_eq!((after.len(), &after[0]), (2, &before[1]), "the next key signs");
        assert!(!after.contains(&before[0]));
        assert!(!stand.active(&client, &token).await);
        let fresh = stand.token(&client).await;
        assert_eq!(part(&fresh, 0)["kid"], after[0]);
        assert!(stand.active(&client, &fresh).await);

        // Another process drops it when it looks at the store.
        assert!(other.active(&client, &token).await);
        other.authority.keeper.reload().await.expect("loaded");
        assert!(!other.active(&client, &token).await);

        let list = keeper.list().await.expect("keys");
        let gone = list.iter().find(|one| one.key.kid == before[0]).expect("the key");
        assert_eq!((gone.key.state, gone.key.sealed.as_str()), (KeyState::Revoked, ""));
        keeper.change(Wish::Revoke(before[0].clone())).await.expect("twice is no error");
        let unknown = keeper.change(Wish::Revoke("nothing".to_owned())).await;
        assert!(matches!(unknown, Err(IssueError::Unknown { .. })), "{unknown:?}");
        stand.pass(DAY + 301);
        keeper.change(Wish::Tend).await.expect("tended");
        assert_eq!(keeper.list().await.expect("keys").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn each_algorithm_signs_with_keys_of_its_own() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    for (count, algorithm) in TokenAlgorithm::ALL.into_iter().enumerate() {
        let application = Application {
            name: algorithm.name().to_owned(),
            algorithm: algorithm.name().to_owned(),
            ..Application::default()
        };
        let client = stand.register(application).await;
        let token = stand.token(&client).await;
        assert_eq!(part(&token, 0)["alg"], algorithm.name());
        assert!(stand.active(&client, &token).await, "{algorithm}");
        assert_eq!(stand.kids().await.len(), 2 * (count + 1));
    }
}

#[tokio::test]
async fn who_holds_the_set_of_the_moment_is_not_sent_it_again() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let set = stand.get("/oauth2/jwks").await;
    assert_eq!(set.headers()["cache-control"], "public, max-age=300");
    let tag = set.headers()["etag"].to_str().expect("text").to_owned();
    let ask = async |tag: &str| {
        let request = Request { method: Method::GET, ..post("/oauth2/jwks", "") };
        let reply = stand.ask(&request.header("if-none-match", tag)).await;
        (reply.status().as_u16(), reply.body().is_empty())
    };
    assert_eq!(ask(&format!("\"other\", W/{tag}")).await, (304, true));
    assert_eq!(ask("\"other\"").await, (200, false));
    stand.authority.keeper.change(Wish::Rotate).await.expect("rotated");
    assert_eq!(ask(&tag).await, (200, false));
}

#[tokio::test]
async fn two_processes_take_each_step_once() {
    each(async |scratch| {
        let (one, two) = (Stand::on(&scratch).await, Stand::on(&scratch).await);
        assert_eq!(one.kids().await, two.kids().await);
        one.pass(30 * DAY);
        two.pass(30 * DAY);
        let (first, second) = tokio::join!(
            one.authority.keeper.change(Wish::Tend),
            two.authority.keeper.change(Wish::Tend)
        );
        first.expect("tended");
        second.expect("tended");
        one.authority.keeper.reload().await.expect("loaded");
        two.authority.keeper.reload().await.expect("loaded");
        assert_eq!(one.kids().await, two.kids().await);
        assert_eq!(one.kids().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_store_of_another_master_key_is_refused() {
    each(async |scratch| {
        drop(Stand::on(&scratch).await);
        let elsewhere = tempfile::tempdir().expect("a folder");
        let mut host = chassis::Host::development("key-manager", elsewhere.path()).expect("a host");
        host.clock = chassis::Clock::fixed(
            std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(BEGIN).expect("a time")),
        );
        let config = crate::stand::config();
        let store = key_manager::store::SqlStore::open(&scratch.url, &config.store, &host.clock);
        let store = std::sync::Arc::new(store.await.expect("a store"));
        let refused = key_manager::bootstrap::assemble(&config, &host, store).await;
        let said = format!("{:#}", refused.expect_err("a refusal"));
        assert!(said.contains("there is none at"), "{said}");
        let made = elsewhere.path().join("master.key").exists();
        assert!(!made, "a key was made that opens nothing");
    })
    .await;
}

#[tokio::test]
async fn neither_private_keys_nor_secrets_stand_in_the_database() {
    /// The object identifier of elliptic curve keys; stands in every PKCS#8 of one.
    const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|seen| seen == part);
    for key in stand.store.keys().await.expect("keys").1 {
        let sealed = URL_SAFE_NO_PAD.decode(&key.sealed).expect("base64url");
        assert!(sealed.len() > 100 && !holds(&sealed, EC_KEY), "a private key lies open");
    }
    stand.store.close().await;
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(scratch.folder.path()).expect("the folder") {
        let path = file.expect("a file").path();
        if path.to_string_lossy().contains(".db") {
            bytes.extend(std::fs::read(path).expect("bytes"));
        }
    }
    assert!(holds(&bytes, client.client.id.as_str().as_bytes()), "the database was not found");
    assert!(!holds(&bytes, client.secret.as_bytes()), "a secret lies open");
}
