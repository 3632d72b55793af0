//! Do keys come, sign and go when they should?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use key_manager::endpoint::Request;
use key_manager::issue::Wish;
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
