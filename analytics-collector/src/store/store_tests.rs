//! Is every acknowledged row stored exactly once, whatever happens?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::append::{self, Receipt, Refusal};
use super::{Arguments, Probe, QueryError, Step, Store, StoreError, keep};
use crate::event::Row;
use crate::fixture::{DAY_US, NOW_US, Place, batch, call, engine, engine_within, open, put};
use crate::question::Window;

const EVER: Window = Window { since_us: i64::MIN, until_us: i64::MAX };
/// Rows of a batch in these tests.
const ROWS: u64 = 3;

/// The rows of batch `sequence`; they say of which batch they are.
fn rows(sequence: u64, at_us: i64) -> Vec<Row> {
    (0..ROWS).map(|_| call(at_us, &sequence.to_string(), "shop")).collect()
}

/// How many rows of which batch are seen.
async fn seen(store: &Arc<Store>) -> BTreeMap<u64, u64> {
    let sql = "SELECT api, count(*) FROM events GROUP BY api".to_owned();
    let engine = engine(store);
    let counts = engine.ask(EVER, sql, Arguments::default(), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?))
    });
    let counts = counts.await.unwrap();
    counts.into_iter().map(|(api, count)| (api.parse().unwrap(), count)).collect()
}

fn whole(sequences: &BTreeSet<u64>) -> BTreeMap<u64, u64> {
    sequences.iter().map(|sequence| (*sequence, ROWS)).collect()
}

/// Does what the script says: `put N` stores batch N of today, `old N` one of forty days ago,
/// `late N` one of yesterday; `flush`, `merge`, `forget`, `restart`. Then every batch but the
/// forgotten ones is there, whole and once, now and after a restart.
async fn check(script: &str, forgotten: &[u64]) {
    let place = Place::new();
    let mut store = place.open(Probe::default()).unwrap();
    let mut stored = BTreeSet::new();
    for line in script.split(',').map(str::trim) {
        let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
        let sequence: u64 = number.parse().unwrap();
        let mut store_at = |at_us| {
            put(&store, "e", sequence, rows(sequence, at_us));
            stored.insert(sequence);
        };
        match word {
            "put" => store_at(NOW_US),
            "late" => store_at(NOW_US - DAY_US),
            "old" => store_at(NOW_US - 40 * DAY_US),
            "flush" => assert!(keep::flush(&store).unwrap() > 0),
            "merge" => assert!(keep::merge_once(&store, NOW_US).unwrap() > 1),
            "forget" => assert!(keep::forget(&store, NOW_US).unwrap() > 0),
            "restart" => {
                drop(store);
                store = place.open(Probe::default()).unwrap();
            }
            other => panic!("{other}"),
        }
    }
    stored.retain(|sequence| !forgotten.contains(sequence));
    assert_eq!(seen(&store).await, whole(&stored));
    drop(store);
    let store = place.open(Probe::default()).unwrap();
    assert_eq!(seen(&store).await, whole(&stored));
}

#[tokio::test]
async fn rows_in_memory_survive_a_restart() {
    check("put 1, put 2, restart, put 3", &[]).await;
}

#[tokio::test]
async fn a_repeat_is_not_stored_again_in_memory_after_a_flush_or_after_a_restart() {
    check(
        "put 1, put 1, flush, put 1, put 2, restart, put 1, put 2, put 3, flush, restart, put 3",
        &[],
    )
    .await;
}

#[tokio::test]
async fn segments_are_merged_without_loss() {
    let eight = (1..=8).map(|n| format!("put {n}, flush")).collect::<Vec<_>>().join(", ");
    check(&format!("{eight}, merge, put 9, restart, flush"), &[]).await;
}

#[tokio::test]
async fn what_is_left_of_yesterday_is_merged() {
    check("late 1, flush, late 2, flush, merge, put 3", &[]).await;
}

#[tokio::test]
async fn only_segments_beyond_the_retention_are_forgotten() {
    check("old 1, flush, put 2, flush, forget, put 3", &[1]).await;
}

/// What was acknowledged, and what was handed in, when a picture of the folder was taken.
#[derive(Clone, Default)]
struct Ledger {
    acknowledged: BTreeSet<u64>,
    handed_in: BTreeSet<u64>,
}

#[tokio::test]
async fn a_kill_at_any_step_neither_loses_nor_doubles_a_row() {
    let (place, pictures) = (Place::new(), tempfile::tempdir().unwrap());
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let store = {
        let (from, to) = (place.folder.path().to_owned(), pictures.path().to_owned());
        let (ledger, taken) = (Arc::clone(&ledger), Arc::clone(&taken));
        place.open(Probe::new(move |step| {
            let mut taken = taken.lock().unwrap();
            let picture = to.join(format!("{}-{step:?}", taken.len()));
            copy(&from, &picture)?;
            taken.push((picture, step, ledger.lock().unwrap().clone()));
            Ok(())
        }))
    };
    let store = store.unwrap();
    for sequence in 1..=10 {
        ledger.lock().unwrap().handed_in.insert(sequence);
        put(&store, "e", sequence, rows(sequence, NOW_US));
        ledger.lock().unwrap().acknowledged.insert(sequence);
        if sequence != 9 {
            keep::flush(&store).unwrap();
        }
        if sequence == 8 {
            assert_eq!(keep::merge_once(&store, NOW_US).unwrap(), 8);
        }
    }
    let taken = taken.lock().unwrap().clone();
    let steps: BTreeSet<String> = taken.iter().map(|(_, step, _)| format!("{step:?}")).collect();
    assert_eq!(steps.len(), 11, "{steps:?}");
    for (picture, step, ledger) in taken {
        let store = open(&picture, Probe::default()).unwrap();
        let found = seen(&store).await;
        let there: BTreeSet<u64> = found.keys().copied().collect();
        assert_eq!(found, whole(&there), "{step:?}");
        assert!(there.is_superset(&ledger.acknowledged), "{step:?}: {there:?}");
        assert!(there.is_subset(&ledger.handed_in), "{step:?}: {there:?}");
        // The source was not answered, so it sends the last one again.
        for sequence in &ledger.handed_in {
            put(&store, "e", *sequence, rows(*sequence, NOW_US));
        }
        assert_eq!(seen(&store).await, whole(&ledger.handed_in), "{step:?}");
        keep::flush(&store).unwrap();
        drop(store);
        let store = open(&picture, Probe::default()).unwrap();
        assert_eq!(seen(&store).await, whole(&ledger.handed_in), "{step:?} after a restart");
    }
}

pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The disk is full at `full`, once, while batch 2 is stored and flushed. Nothing of what was
/// refused is there; the next try works; then everything is there once.
async fn check_full_disk(full: Step) {
    let place = Place::new();
    let trouble = Arc::new(Mutex::new(None));
    let store = {
        let trouble = Arc::clone(&trouble);
        let probe = Probe::new(move |step| {
            let mut trouble = trouble.lock().unwrap();
            if *trouble == Some(step) {
                *trouble = None;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(())
        });
        place.open(probe).unwrap()
    };
    put(&store, "e", 1, rows(1, NOW_US));
    *trouble.lock().unwrap() = Some(full);
    let two = batch("e", 2, rows(2, NOW_US));
    let stored = append::append(&store, std::slice::from_ref(&two), NOW_US);
    let expect = if stored.is_err() { BTreeSet::from([1]) } else { BTreeSet::from([1, 2]) };
    assert_eq!(seen(&store).await, whole(&expect), "{full:?}");
    let flushed = keep::flush(&store);
    assert!(stored.is_err() != flushed.is_err(), "{full:?}: {stored:?} {flushed:?}");
    assert_eq!(seen(&store).await, whole(&expect), "{full:?}");

    append::append(&store, &[two], NOW_US).unwrap();
    put(&store, "e", 3, rows(3, NOW_US));
    keep::flush(&store).unwrap();
    put(&store, "e", 4, rows(4, NOW_US));
    for _ in 0..2 {
        assert_eq!(seen(&store).await, whole(&BTreeSet::from([1, 2, 3, 4])), "{full:?}");
        keep::flush(&store).unwrap();
    }
    let files = fs::read_dir(store.segments()).unwrap().count();
    assert_eq!(files, store.sizes().1, "{full:?} leaves a file behind");
    drop(store);
    let store = place.open(Probe::default()).unwrap();
    assert_eq!(seen(&store).await, whole(&BTreeSet::from([1, 2, 3, 4])), "{full:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_batches_and_loses_nothing() {
    for step in [Step::WalWriting, Step::WalWritten, Step::WalSynced] {
        check_full_disk(step).await;
    }
}

#[tokio::test]
async fn a_full_disk_delays_a_flush_and_loses_nothing() {
    for step in [Step::WalRotated, Step::SegmentWritten, Step::SegmentNamed] {
        check_full_disk(step).await;
    }
}

/// Batches come in one group, as "sequence" or "sequence<after"; 2 is stored already.
#[track_caller]
fn check_group(batches: &str, verdicts: &str) {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    put(&store, "e", 2, rows(2, NOW_US));
    let batches: Vec<_> = batches
        .split(' ')
        .map(|word| {
            let (sequence, after) = word.split_once('<').unwrap_or((word, ""));
            let mut batch = batch("e", sequence.parse().unwrap(), rows(9, NOW_US));
            batch.after = after.parse().ok();
            batch
        })
        .collect();
    let said: Vec<String> = append::append(&store, &batches, NOW_US)
        .unwrap()
        .into_iter()
        .map(|verdict| match verdict {
            Ok(Receipt { repeated: true, .. }) => "repeat".to_owned(),
            Ok(Receipt { left_out: 0, .. }) => "stored".to_owned(),
            Ok(Receipt { left_out, .. }) => format!("stored-{left_out}"),
            Err(Refusal::OutOfOrder) => "out-of-order".to_owned(),
            Err(other) => other.to_string(),
        })
        .collect();
    assert_eq!(said.join(" "), verdicts);
}

#[test]
fn a_group_may_hold_several_batches_and_their_repeats() {
    check_group("3 4<3 3 4 2 1", "stored stored repeat repeat repeat repeat");
}

#[test]
fn what_a_source_leaves_out_is_counted() {
    check_group("5 9<5", "stored-2 stored-3");
}

#[test]
fn a_batch_whose_predecessor_was_refused_is_refused_too() {
    check_group("4<3 3 4<3", "out-of-order stored stored");
}

#[test]
fn two_collectors_do_not_share_a_folder() {
    let place = Place::new();
    let _open = place.open(Probe::default()).unwrap();
    assert!(matches!(place.open(Probe::default()), Err(StoreError::InUse(_))));
}

/// Something happens to the manifest of a store with a segment; then it does not open.
fn check_manifest(harm: impl FnOnce(&Path), says: &str) {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    put(&store, "e", 1, rows(1, NOW_US));
    keep::flush(&store).unwrap();
    drop(store);
    harm(&place.folder.path().join("manifest.json"));
    let error = place.open(Probe::default()).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
    assert!(fs::read_dir(place.folder.path().join("segments")).unwrap().count() == 1);
}

#[test]
fn segments_without_a_manifest_are_not_thrown_away() {
    check_manifest(|path| fs::remove_file(path).unwrap(), "is gone");
    check_manifest(|path| fs::write(path, "{").unwrap(), "is damaged");
    check_manifest(|path| fs::write(path, "{\"format\": 2, \"new\": 1}").unwrap(), "has format 2");
}

#[tokio::test]
async fn a_segment_that_somebody_removed_does_not_take_the_others_along() {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    for sequence in [1, 2] {
        put(&store, "e", sequence, rows(sequence, NOW_US));
        keep::flush(&store).unwrap();
    }
    drop(store);
    fs::remove_file(place.folder.path().join("segments/00000000000000000001.parquet")).unwrap();
    let store = place.open(Probe::default()).unwrap();
    assert_eq!(seen(&store).await, whole(&BTreeSet::from([2])));
}

#[tokio::test]
async fn a_file_that_is_read_stays_until_its_reader_is_done() {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    put(&store, "e", 1, rows(1, NOW_US - 40 * DAY_US));
    keep::flush(&store).unwrap();
    let files = || fs::read_dir(place.folder.path().join("segments")).unwrap().count();
    let view = store.view(EVER);
    keep::forget(&store, NOW_US).unwrap();
    assert_eq!((files(), view.segments.len()), (1, 1));
    drop(view);
    assert_eq!((files(), seen(&store).await.len()), (0, 0));
}

/// A question without an answer.
async fn check_question(sql: &str, timeout: Duration, refused: fn(&QueryError) -> bool) {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    put(&store, "e", 1, rows(1, NOW_US));
    let engine = engine_within(&store, timeout);
    let read = |row: &duckdb::Row<'_>| row.get::<_, Option<String>>(0);
    // More often than there are connections: each of them comes back.
    for _ in 0..3 {
        let answer = engine.ask(EVER, sql.to_owned(), Arguments::default(), read).await;
        assert!(answer.as_ref().is_err_and(refused), "{answer:?}");
    }
    let sql = "SELECT max(api) FROM events".to_owned();
    let mut answer = Err(QueryError::Broken);
    for _ in 0..20 {
        answer = engine.ask(EVER, sql.clone(), Arguments::default(), read).await;
        if answer.is_ok() {
            break;
        }
    }
    assert_eq!(answer.unwrap(), [Some("1".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_is_stopped() {
    let endless =
        "SELECT max(a.range * b.range)::VARCHAR FROM range(10000000) a, range(10000000) b";
    let timeout = Duration::from_millis(300);
    check_question(endless, timeout, |error| matches!(error, QueryError::Timeout(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_reads_no_other_files_and_changes_no_settings() {
    for sql in ["SELECT content FROM read_text('/etc/hostname')", "SELECT ''; SET threads = 99"] {
        let refused = |error: &QueryError| matches!(error, QueryError::Engine(_));
        check_question(sql, Duration::from_mins(1), refused).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_a_bound_on_its_memory() {
    let sql = "SELECT list(range::VARCHAR || repeat('x', 100))::VARCHAR FROM range(20000000)";
    let refused = |error: &QueryError| matches!(error, QueryError::Memory(_));
    check_question(sql, Duration::from_mins(1), refused).await;
}
