//! What is asked of every engine? A fixture opens stores, cuts connections, restarts and restores.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use control_plane::store::{
    Batch, Beside, Change, Expected, Guard, Note, Range, Revision, Store, StoreError, Transaction,
    Watch,
};

/// An engine under test.
#[async_trait::async_trait]
pub(crate) trait Fixture: Send {
    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;
    /// Closes the store and opens it again; a server behind it is killed and started.
    async fn restart(&mut self);
    /// Breaks every connection of the store at once; nothing to do for an engine without one.
    async fn cut(&mut self);
    /// Keeps a backup of the state now.
    async fn backup(&mut self);
    /// Puts the backup in place and opens the store.
    async fn restore(&mut self);
}

/// Runs `story`, which must not take for ever.
#[track_caller]
pub(crate) fn check<F: Fixture>(fixture: impl FnOnce() -> F, story: impl AsyncFnOnce(F)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let run = async { story(fixture()).await };
        tokio::time::timeout(Duration::from_mins(1), run).await.expect("the story hangs");
    });
}

/// One suite for all engines: `suite!(fixture expression)` makes a test of each story.
#[macro_export]
macro_rules! suite {
    ($fixture:expr; $($story:ident)*) => {$(
        #[test]
        fn $story() {
            if let Some(fixture) = $fixture {
                $crate::suite::check(fixture, $crate::suite::$story);
            }
        }
    )*};
    ($fixture:expr) => {
        $crate::suite! { $fixture;
            a_commit_can_be_read_and_listed_in_the_order_of_its_keys
            of_two_writers_who_saw_the_same_state_one_is_refused
            a_guard_on_another_revision_refuses_the_whole_transaction
            a_guard_of_zero_refuses_an_existing_key
            a_repeated_transaction_is_made_once
            a_watch_sees_every_transaction_once_and_in_order
            a_watch_from_the_past_sees_what_came_since
            a_watch_goes_on_without_a_gap_when_connections_break
            a_watch_below_a_compaction_is_told_so
            a_listing_continues_into_a_watch_after_a_compaction
            a_restart_keeps_everything_and_the_epoch
            a_watch_survives_nothing_but_its_position_survives_a_restart
            a_restored_store_has_a_new_epoch
            thousands_of_keys_are_listed_whole
            a_thousand_changes_are_one_revision
            what_does_not_fit_is_refused_before_it_is_sent
            many_writers_lose_no_update
            what_is_written_beside_takes_no_revision
            a_write_that_expects_another_value_is_refused
            a_range_is_read_from_either_end_and_erased
        }
    };
}

pub(crate) fn put(key: &str, value: &str) -> Change {
    Change::Put { key: format!("objects/{key}"), value: Bytes::copy_from_slice(value.as_bytes()) }
}

fn delete(key: &str) -> Change {
    Change::Delete { key: format!("objects/{key}") }
}

fn transaction(base: Revision, changes: Vec<Change>) -> Transaction {
    let id = chassis::random::bytes();
    let note = Note {
        committed_at_us: 7,
        traceparent: "00-trace".to_owned(),
        by: "admin/laptop".to_owned(),
        reason: "because".to_owned(),
    };
    Transaction { id, base, guards: Vec::new(), expected: Vec::new(), changes, note }
}

pub(crate) async fn commit(store: &dyn Store, changes: Vec<Change>) -> Revision {
    let base = store.list("objects/").await.unwrap().revision;
    store.commit(&transaction(base, changes)).await.unwrap()
}

/// "key=value key=value" of everything below `objects/`.
pub(crate) async fn contents(store: &dyn Store) -> String {
    let listing = store.list("objects/").await.unwrap();
    let rows = listing
        .entries
        .iter()
        .map(|entry| format!("{}={}", own(&entry.key), String::from_utf8_lossy(&entry.value)));
    rows.collect::<Vec<_>>().join(" ")
}

fn own(key: &str) -> &str {
    key.strip_prefix("objects/").unwrap()
}

fn told(batch: &Batch) -> String {
    let events = batch.events.iter().map(|event| {
        let key = own(&event.key);
        match &event.value {
            Some(value) => format!("{key}={}", String::from_utf8_lossy(value)),
            None => format!("-{key}"),
        }
    });
    events.collect::<Vec<_>>().join(" ")
}

/// The next transaction, through as many retryable errors as it takes.
async fn next(watch: &mut dyn Watch) -> Result<Batch, StoreError> {
    loop {
        match watch.next().await {
            Err(error) if error.is_retryable() => {}
            done => return done,
        }
    }
}

pub(crate) async fn a_commit_can_be_read_and_listed_in_the_order_of_its_keys(it: impl Fixture) {
    let store = it.store();
    let first =
        commit(&*store, vec![put("Tier/b", "2"), put("Tier/a", "1"), put("Api/z:1", "3")]).await;
    let second = commit(&*store, vec![delete("Tier/b"), put("Tier/a", "4")]).await;
    assert!(second > first && first > 0);
    assert_eq!(contents(&*store).await, "Api/z:1=3 Tier/a=4");
    let entry = store.get("objects/Tier/a").await.unwrap().unwrap();
    assert_eq!((entry.revision, &entry.value[..]), (second, &b"4"[..]));
    assert_eq!(store.get("objects/Tier/b").await.unwrap(), None);
    let listing = store.list("objects/Tier/").await.unwrap();
    assert_eq!((listing.revision, listing.entries.len()), (second, 1));
    assert_eq!(listing.note.traceparent, "00-trace");
    assert_eq!(listing.epoch, store.epoch().await.unwrap());
}

pub(crate) async fn of_two_writers_who_saw_the_same_state_one_is_refused(it: impl Fixture) {
    let store = it.store();
    let base = commit(&*store, vec![put("Tier/a", "1")]).await;
    let won = store.commit(&transaction(base, vec![put("Tier/a", "2")])).await.unwrap();
    let lost = store.commit(&transaction(base, vec![put("Tier/b", "3")])).await.unwrap_err();
    assert!(
        matches!(lost, StoreError::Conflict { expected, found, .. } if expected == base && found == won)
    );
    assert_eq!(contents(&*store).await, "Tier/a=2");
}

pub(crate) async fn a_guard_on_another_revision_refuses_the_whole_transaction(it: impl Fixture) {
    let store = it.store();
    let first = commit(&*store, vec![put("Tier/a", "1")]).await;
    let base = commit(&*store, vec![put("Tier/a", "2")]).await;
    let mut stale = transaction(base, vec![put("Tier/a", "3"), put("Tier/b", "3")]);
    stale.guards = vec![Guard { key: "objects/Tier/a".to_owned(), revision: first }];
    let lost = store.commit(&stale).await.unwrap_err();
    assert!(
        matches!(lost, StoreError::Conflict { what, found, .. } if what == "objects/Tier/a" && found == base)
    );
    assert_eq!(contents(&*store).await, "Tier/a=2");
}

pub(crate) async fn a_guard_of_zero_refuses_an_existing_key(it: impl Fixture) {
    let store = it.store();
    let base = commit(&*store, vec![put("Tier/a", "1")]).await;
    let mut create = transaction(base, vec![put("Tier/a", "2")]);
    create.guards = vec![Guard { key: "objects/Tier/a".to_owned(), revision: 0 }];
    assert!(matches!(store.commit(&create).await, Err(StoreError::Conflict { .. })));
}

pub(crate) async fn a_repeated_transaction_is_made_once(it: impl Fixture) {
    let store = it.store();
    let base = commit(&*store, vec![put("Tier/a", "1")]).await;
    let lost_answer = transaction(base, vec![put("Tier/a", "2")]);
    let made = store.commit(&lost_answer).await.unwrap();
    assert_eq!(store.commit(&lost_answer).await.unwrap(), made);
    let after = commit(&*store, vec![put("Tier/b", "3")]).await;
    assert_eq!(store.commit(&lost_answer).await.unwrap(), made);
    assert_eq!(store.list("objects/").await.unwrap().revision, after);
}

pub(crate) async fn a_watch_sees_every_transaction_once_and_in_order(it: impl Fixture) {
    let store = it.store();
    commit(&*store, vec![put("Tier/old", "0")]).await;
    let from = store.list("objects/").await.unwrap().position;
    let mut watch = store.watch(from).await.unwrap();
    let first = commit(&*store, vec![put("Tier/a", "1"), put("Tier/b", "2")]).await;
    let batch = next(&mut *watch).await.unwrap();
    assert_eq!((batch.revision, told(&batch)), (first, "Tier/a=1 Tier/b=2".to_owned()));
    assert_eq!(batch.note.committed_at_us, 7);
    commit(&*store, vec![delete("Tier/a")]).await;
    commit(&*store, vec![put("Tier/b", "3")]).await;
    assert_eq!(told(&next(&mut *watch).await.unwrap()), "-Tier/a");
    assert_eq!(told(&next(&mut *watch).await.unwrap()), "Tier/b=3");
}

pub(crate) async fn a_watch_from_the_past_sees_what_came_since(it: impl Fixture) {
    let store = it.store();
    let from = store.list("objects/").await.unwrap().position;
    for n in 0..60 {
        commit(&*store, vec![put("Tier/a", &n.to_string())]).await;
    }
    let mut watch = store.watch(from).await.unwrap();
    for n in 0..60 {
        assert_eq!(told(&next(&mut *watch).await.unwrap()), format!("Tier/a={n}"));
    }
}

pub(crate) async fn a_watch_goes_on_without_a_gap_when_connections_break(mut it: impl Fixture) {
    let store = it.store();
    let from = store.list("objects/").await.unwrap().position;
    let mut watch = store.watch(from).await.unwrap();
    for n in 0..30 {
        commit(&*store, vec![put("Tier/a", &n.to_string())]).await;
        if n % 10 == 5 {
            it.cut().await;
        }
        // Reading lags behind writing by a few, so that events are under way when it breaks.
        if n >= 3 {
            let seen = told(&next(&mut *watch).await.unwrap());
            assert_eq!(seen, format!("Tier/a={}", n - 3));
        }
    }
    for n in 27..30 {
        assert_eq!(told(&next(&mut *watch).await.unwrap()), format!("Tier/a={n}"));
    }
}

pub(crate) async fn a_watch_below_a_compaction_is_told_so(it: impl Fixture) {
    let store = it.store();
    commit(&*store, vec![put("Tier/a", "1")]).await;
    let from = store.list("objects/").await.unwrap().position;
    commit(&*store, vec![put("Tier/a", "2")]).await;
    let last = commit(&*store, vec![put("Tier/a", "3")]).await;
    store.compact(last).await.unwrap();
    store.compact(last).await.unwrap();
    let mut watch = store.watch(from).await.unwrap();
    let told = next(&mut *watch).await.unwrap_err();
    assert!(matches!(told, StoreError::Compacted { oldest } if oldest == last), "{told:?}");
    assert_eq!(contents(&*store).await, "Tier/a=3");
}

pub(crate) async fn a_listing_continues_into_a_watch_after_a_compaction(it: impl Fixture) {
    let store = it.store();
    let last = commit(&*store, vec![put("Tier/a", "1")]).await;
    store.compact(last).await.unwrap();
    let listing = store.list("objects/").await.unwrap();
    let mut watch = store.watch(listing.position).await.unwrap();
    commit(&*store, vec![put("Tier/a", "2")]).await;
    assert_eq!(told(&next(&mut *watch).await.unwrap()), "Tier/a=2");
}

pub(crate) async fn a_restart_keeps_everything_and_the_epoch(mut it: impl Fixture) {
    let before = it.store();
    commit(&*before, vec![put("Tier/a", "1")]).await;
    let last = commit(&*before, vec![put("Tier/b", "2")]).await;
    let epoch = before.epoch().await.unwrap();
    drop(before);
    it.restart().await;
    let store = it.store();
    assert_eq!(contents(&*store).await, "Tier/a=1 Tier/b=2");
    assert_eq!(store.list("objects/").await.unwrap().revision, last);
    assert_eq!(store.epoch().await.unwrap(), epoch);
    assert!(commit(&*store, vec![put("Tier/c", "3")]).await > last);
}

pub(crate) async fn a_watch_survives_nothing_but_its_position_survives_a_restart(
    mut it: impl Fixture,
) {
    let before = it.store();
    commit(&*before, vec![put("Tier/a", "1")]).await;
    let from = before.list("objects/").await.unwrap().position;
    commit(&*before, vec![put("Tier/a", "2")]).await;
    drop(before);
    it.restart().await;
    let store = it.store();
    let mut watch = store.watch(from).await.unwrap();
    assert_eq!(told(&next(&mut *watch).await.unwrap()), "Tier/a=2");
}

pub(crate) async fn a_restored_store_has_a_new_epoch(mut it: impl Fixture) {
    let before = it.store();
    commit(&*before, vec![put("Tier/a", "1")]).await;
    let epoch = before.epoch().await.unwrap();
    it.backup().await;
    for n in 0..5 {
        commit(&*before, vec![put("Tier/a", &n.to_string())]).await;
    }
    drop(before);
    it.restore().await;
    let store = it.store();
    let listing = store.list("objects/").await.unwrap();
    assert_ne!(listing.epoch, epoch);
    assert_eq!(contents(&*store).await, "Tier/a=1");
    // And it can be worked with.
    let mut watch = store.watch(listing.position).await.unwrap();
    commit(&*store, vec![put("Tier/a", "2")]).await;
    assert_eq!(told(&next(&mut *watch).await.unwrap()), "Tier/a=2");
    let settled = store.epoch().await.unwrap();
    drop((watch, store));
    it.restart().await;
    assert_eq!(it.store().epoch().await.unwrap(), settled);
}

pub(crate) async fn thousands_of_keys_are_listed_whole(it: impl Fixture) {
    let store = it.store();
    for hundred in 0..25 {
        let changes = (0..100).map(|n| put(&format!("Tier/{:04}", hundred * 100 + n), "x"));
        commit(&*store, changes.collect()).await;
    }
    let listing = store.list("objects/").await.unwrap();
    let keys: Vec<String> = listing.entries.into_iter().map(|entry| entry.key).collect();
    let expected: Vec<String> = (0..2500).map(|n| format!("objects/Tier/{n:04}")).collect();
    assert_eq!(keys, expected);
}

pub(crate) async fn a_thousand_changes_are_one_revision(it: impl Fixture) {
    let store = it.store();
    let from = store.list("objects/").await.unwrap().position;
    let mut watch = store.watch(from).await.unwrap();
    let changes: Vec<Change> = (0..1000).map(|n| put(&format!("Tier/{n:04}"), "x")).collect();
    let made = commit(&*store, changes).await;
    let batch = next(&mut *watch).await.unwrap();
    assert_eq!((batch.revision, batch.events.len()), (made, 1000));
    let entry = store.get("objects/Tier/0999").await.unwrap().unwrap();
    assert_eq!(entry.revision, made);
}

pub(crate) async fn what_does_not_fit_is_refused_before_it_is_sent(it: impl Fixture) {
    let store = it.store();
    let limits = store.limits();
    let value = Bytes::from(vec![b'x'; limits.bytes + 1]);
    let large = Change::Put { key: "objects/Api/large:1".to_owned(), value };
    let refused = store.commit(&transaction(0, vec![large])).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { what: "bytes", .. }), "{refused:?}");
    let value = Bytes::from(vec![b'x'; limits.bytes - 1000]);
    let fits = Change::Put { key: "objects/Api/large:1".to_owned(), value };
    commit(&*store, vec![fits]).await;
    let many = (0..=limits.changes).map(|n| put(&format!("Tier/{n}"), "")).collect();
    let refused = store.commit(&transaction(0, many)).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { what: "changes", .. }), "{refused:?}");
}

pub(crate) async fn many_writers_lose_no_update(it: impl Fixture) {
    let store = it.store();
    commit(&*store, vec![put("Tier/n", "0")]).await;
    let tasks = chassis::task::Tasks::default();
    let writers: Vec<_> = (0..8).map(|_| tasks.spawn("writer", add_ten(store.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(contents(&*store).await, "Tier/n=80");
}

/// Reads, adds one, and tries again whenever somebody else was first; ten times.
async fn add_ten(store: Arc<dyn Store>) {
    for _ in 0..10 {
        loop {
            let listing = store.list("objects/Tier/n").await.unwrap();
            let value = String::from_utf8_lossy(&listing.entries[0].value).into_owned();
            let next = value.parse::<u64>().unwrap() + 1;
            let change = put("Tier/n", &next.to_string());
            match store.commit(&transaction(listing.revision, vec![change])).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

pub(crate) fn beside(key: &str, before: Option<&str>, value: &str) -> Beside {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Beside {
        expected: vec![Expected { key: key.to_owned(), value: before.map(bytes) }],
        changes: vec![Change::Put { key: key.to_owned(), value: bytes(value) }],
    }
}

/// "key=value …" of the keys from `a/` up to `a0`.
async fn scanned(store: &dyn Store, most: usize, newest_first: bool) -> String {
    let range = Range { from: "a/".to_owned(), to: "a0".to_owned(), most, newest_first };
    let found = store.scan(&range).await.unwrap();
    let said: Vec<String> = found
        .iter()
        .map(|entry| format!("{}={}", entry.key, String::from_utf8_lossy(&entry.value)))
        .collect();
    said.join(" ")
}

pub(crate) async fn what_is_written_beside_takes_no_revision(mut it: impl Fixture) {
    let store = it.store();
    let last = commit(&*store, vec![put("Tier/a", "1")]).await;
    store.write_beside(&beside("a/1", None, "x")).await.unwrap();
    assert_eq!(store.list("objects/").await.unwrap().revision, last);
    // A transaction of somebody who has seen nothing of it is made.
    store.commit(&transaction(last, vec![put("Tier/a", "2")])).await.unwrap();
    drop(store);
    it.restart().await;
    assert_eq!(scanned(&*it.store(), 9, false).await, "a/1=x");
}

pub(crate) async fn a_write_that_expects_another_value_is_refused(it: impl Fixture) {
    let store = it.store();
    let last = commit(&*store, vec![put("Tier/a", "1")]).await;
    store.write_beside(&beside("a/1", None, "x")).await.unwrap();
    for before in [None, Some("y")] {
        let refused = store.write_beside(&beside("a/1", before, "z")).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Conflict { what, .. } if what == "a/1"),
            "{refused:?}"
        );
        let mut change = transaction(last, vec![put("Tier/a", "2")]);
        change.expected = beside("a/1", before, "").expected;
        let refused = store.commit(&change).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Conflict { what, .. } if what == "a/1"),
            "{refused:?}"
        );
    }
    assert_eq!(contents(&*store).await, "Tier/a=1");
    store.write_beside(&beside("a/1", Some("x"), "y")).await.unwrap();
    let mut change = transaction(last, vec![put("Tier/a", "2")]);
    let Beside { expected, changes } = beside("a/1", Some("y"), "z");
    change.expected = expected;
    change.changes.extend(changes);
    let made = store.commit(&change).await.unwrap();
    // The repeat of a lost answer is the same transaction, though the value is another one by now.
    assert_eq!(store.commit(&change).await.unwrap(), made);
    assert_eq!(scanned(&*store, 9, false).await, "a/1=z");
}

pub(crate) async fn a_range_is_read_from_either_end_and_erased(it: impl Fixture) {
    let store = it.store();
    for (key, value) in [("a/1", "p"), ("a/2", "q"), ("a/3", "r"), ("b/1", "s")] {
        store.write_beside(&beside(key, None, value)).await.unwrap();
    }
    assert_eq!(scanned(&*store, 2, false).await, "a/1=p a/2=q");
    assert_eq!(scanned(&*store, 2, true).await, "a/3=r a/2=q");
    store.erase("a/", "a/3").await.unwrap();
    store.erase("a/3", "a/3").await.unwrap();
    assert_eq!(scanned(&*store, 9, false).await, "a/3=r");
    assert!(store.get("b/1").await.unwrap().is_some());
}
