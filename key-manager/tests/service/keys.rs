//! Do keys come, sign and go when they should?

use std::time::Duration;

use key_manager::issue::Wish;

use crate::databases::each;
use crate::stand::{BEGIN, Stand, part};

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
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    stand.store.close().await;
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(scratch.folder.path()).expect("the folder") {
        let path = file.expect("a file").path();
        if path.to_string_lossy().contains(".db") {
            bytes.extend(std::fs::read(path).expect("bytes"));
        }
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(client.client.id.as_str()), "the database was not found");
    assert!(!holds(client.secret.as_str()));
    assert!(!holds("\u{2a}\u{86}\u{48}\u{ce}\u{3d}"), "a PKCS#8 key lies open");
}
