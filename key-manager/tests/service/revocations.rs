//! Does every watcher hear of every revocation, once, in order, and soon?

use std::sync::Arc;
use std::time::Duration;

use chassis::{Clock, Shutdown};
use key_manager::domain::{Ended, Entry};
use key_manager::revocation::{Batch, Cursor, Follower, Mark, ReadError, Reader};
use key_manager::store::{SqlStore, Store};

use crate::databases::{Scratch, each};
use crate::stand::{Stand, config};

/// A process that follows the log, without ports.
struct Process {
    store: SqlStore,
    follower: Arc<Follower>,
    shutdown: Shutdown,
}

impl Process {
    async fn on(scratch: &Scratch) -> Self {
        let clock = Clock::system();
        let store = SqlStore::open(&scratch.url, &config().store, &clock).await.expect("a store");
        let kept: Arc<dyn Store> = Arc::new(store.clone());
        let poll = Duration::from_millis(50);
        let follower = Arc::new(Follower::open(kept, clock, poll).await.expect("a follower"));
        let shutdown = Shutdown::new(chassis::Readiness::default());
        let (following, ending) = (follower.clone(), shutdown.clone());
        chassis::Tasks::default()
            .spawn("follow", async move { following.run(&ending, |_| ()).await });
        Self { store, follower, shutdown }
    }

    fn reader(&self, cursor: Cursor) -> Reader {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        Reader::new(store, self.follower.clone(), Clock::system(), cursor)
    }

    async fn end(&self, jti: &str) -> u64 {
        let what = Ended::Token(jti.to_owned());
        let issuer = "https://issuer".to_owned();
        let entry = Entry { issuer, what, forget_after: i64::MAX };
        self.store.revoke(&entry).await.expect("written").expect("new")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

fn jtis(batch: &Batch) -> Vec<String> {
    let named = batch.revocations.iter().map(|revocation| match &revocation.entry.what {
        Ended::Token(jti) => jti.clone(),
        other => format!("{other:?}"),
    });
    named.collect()
}

fn cursor(batch: &Batch) -> Cursor {
    Cursor { epoch: batch.epoch.clone(), sequence: batch.sequence }
}

/// Reads until a message carries revocations.
async fn news(reader: &mut Reader) -> Batch {
    let soon = Duration::from_secs(10);
    let read = async {
        loop {
            let batch = reader.next().await.expect("a batch");
            if !batch.revocations.is_empty() {
                return batch;
            }
        }
    };
    tokio::time::timeout(soon, read).await.expect("news in time")
}

/// Reads until so many revocations were told, in one message or in several; the last message and
/// all of their names.
async fn told(reader: &mut Reader, count: usize) -> (Vec<String>, Batch) {
    let mut names = Vec::new();
    loop {
        let batch = news(reader).await;
        names.extend(jtis(&batch));
        if names.len() >= count {
            return (names, batch);
        }
    }
}

#[tokio::test]
async fn a_watcher_resumes_where_it_was_and_begins_anew_with_another_epoch() {
    each(async |scratch| {
        let process = Process::on(&scratch).await;
        process.end("a").await;
        process.end("b").await;
        let (names, all) = told(&mut process.reader(Cursor::default()), 2).await;
        assert_eq!((names, all.sequence), (vec!["a".to_owned(), "b".to_owned()], 2));
        process.end("c").await;
        let rest = news(&mut process.reader(cursor(&all))).await;
        assert_eq!((jtis(&rest), rest.sequence), (vec!["c".to_owned()], 3));
        let other = Cursor { epoch: "other".to_owned(), sequence: 3 };
        assert_eq!(told(&mut process.reader(other), 3).await.0.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_watcher_with_nothing_to_read_is_greeted_at_once_and_then_hears_signs_of_life() {
    each(async |scratch| {
        let process = Process::on(&scratch).await;
        process.end("a").await;
        let read = news(&mut process.reader(Cursor::default())).await;
        let mut reader = process.reader(cursor(&read));
        let hearing = async {
            for _ in 0..4 {
                let batch = reader.next().await.expect("a batch");
                assert_eq!((batch.revocations.len(), cursor(&batch)), (0, cursor(&read)));
            }
        };
        // One greeting and three signs of life, each within the promised second.
        tokio::time::timeout(Duration::from_secs(3), hearing).await.expect("in time");
    })
    .await;
}

#[tokio::test]
async fn many_lines_come_in_batches_without_a_gap() {
    let scratch = Scratch::sqlite();
    let process = Process::on(&scratch).await;
    let mut expected = Vec::new();
    for line in 0..1_001 {
        let jti = line.to_string();
        process.end(&jti).await;
        expected.push(jti);
    }
    let mut reader = process.reader(Cursor::default());
    process.follower.look().await.expect("looked");
    let (first, second) = (news(&mut reader).await, news(&mut reader).await);
    assert_eq!((first.revocations.len(), first.sequence), (1_000, 1_000));
    assert_eq!([jtis(&first), jtis(&second)].concat(), expected);
}

#[tokio::test]
async fn what_one_process_writes_a_watcher_of_another_hears() {
    each(async |scratch| {
        let (one, two) = (Process::on(&scratch).await, Process::on(&scratch).await);
        let mut reader = two.reader(Cursor::default());
        reader.next().await.expect("a greeting");
        for jti in ["a", "b"] {
            let written = one.end(jti).await;
            let heard = tokio::time::timeout(Duration::from_secs(1), news(&mut reader)).await;
            let heard = heard.expect("within a second");
            assert_eq!((jtis(&heard), heard.sequence), (vec![jti.to_owned()], written));
        }
    })
    .await;
}

#[tokio::test]
async fn a_log_that_went_back_gets_a_new_epoch() {
    each(async |scratch| {
        let process = Process::on(&scratch).await;
        process.end("a").await;
        let read = news(&mut process.reader(Cursor::default())).await;
        // The watcher comes from a future that the restored store does not know.
        let ahead = Cursor { sequence: 7, ..cursor(&read) };
        let again = news(&mut process.reader(ahead)).await;
        assert_ne!(again.epoch, read.epoch);
        assert_eq!(jtis(&again), ["a"]);
    })
    .await;
}

#[tokio::test]
async fn a_store_restored_while_nobody_looked_gets_a_new_epoch_too() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let epoch = stand.store.ledger().await.expect("a ledger").epoch;
        let mark = Mark::in_folder(scratch.folder.path());
        let restarted = async |sequence| {
            mark.write(&Cursor { epoch: epoch.clone(), sequence }).expect("written");
            let again = Stand::on(&scratch).await;
            again.store.ledger().await.expect("a ledger").epoch
        };
        assert_eq!(restarted(0).await, epoch);
        assert_ne!(restarted(1).await, epoch, "the log had reached 1 and is at 0");
    })
    .await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_gives_no_signs_of_life() {
    let scratch = Scratch::sqlite();
    let process = Process::on(&scratch).await;
    let mut reader = process.reader(Cursor::default());
    reader.next().await.expect("a greeting");
    process.store.close().await;
    let mut heard = 0;
    let refused = loop {
        match reader.next().await {
            Ok(_) => heard += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, ReadError::Stale(_)), "{refused:?}");
    assert!(heard <= 3, "{heard} signs of life of a view that was getting old");
}

#[tokio::test]
async fn every_token_of_a_client_ends_and_the_next_one_is_good() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let (ann, ben) = (stand.client(&[]).await, stand.client(&[]).await);
        let (before, kept) = (stand.token(&ann).await, stand.token(&ben).await);
        let log = &stand.authority.log;
        assert_eq!(log.end_client(&ann.client.id).await.expect("ended"), Some(1));
        assert!(!stand.active(&ann, &before).await);
        assert!(stand.active(&ben, &kept).await);
        // In the same second as the revocation.
        let after = stand.token(&ann).await;
        stand.pass(1);
        assert!(stand.active(&ann, &after).await);
        let subject = ben.client.id.to_string();
        assert_eq!(log.end_subject(&subject).await.expect("ended"), Some(2));
        assert!(!stand.active(&ben, &kept).await);
        assert_eq!(log.end_subject("nobody").await.expect("none"), None);
    })
    .await;
}

#[tokio::test]
async fn who_is_ended_twice_in_a_second_loses_what_was_issued_in_between() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let ann = stand.client(&[]).await;
        let (log, id) = (&stand.authority.log, &ann.client.id);
        log.end_client(id).await.expect("ended");
        let first = stand.token(&ann).await;
        log.end_client(id).await.expect("ended");
        let second = stand.token(&ann).await;
        log.end_subject(id.as_str()).await.expect("ended");
        let last = stand.token(&ann).await;
        // Of another second than all of them.
        stand.pass(10);
        assert!(!stand.active(&ann, &first).await);
        assert!(!stand.active(&ann, &second).await);
        assert!(stand.active(&ann, &last).await);
    })
    .await;
}

#[tokio::test]
async fn a_line_is_forgotten_when_no_token_that_it_names_can_be_alive() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&[]).await;
        let token = stand.token(&client).await;
        stand.post("/revoke", &client, &format!("token={token}")).await;
        let log = &stand.authority.log;
        log.end_client(&client.client.id).await.expect("ended");
        stand.pass(3_600 + 300);
        assert_eq!(log.forget().await.expect("looked"), 0);
        stand.pass(1);
        assert_eq!(log.forget().await.expect("looked"), 1, "the token's line");
        stand.pass(86_400 - 3_600);
        assert_eq!(log.forget().await.expect("looked"), 0);
        stand.pass(1);
        assert_eq!(log.forget().await.expect("looked"), 1, "the client's line");
    })
    .await;
}
