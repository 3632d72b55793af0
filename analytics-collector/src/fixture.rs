//! What do the tests of several folders build on? Calls, batches and a store in a folder that goes
//! away.

#[path = "../../crates/detect/tests/dice/mod.rs"]
#[expect(dead_code, reason = "nobody here draws a share")]
mod dice;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use tempfile::TempDir;

use crate::alert::{Alert, Severity};
use crate::event::Row;
use crate::store::clickhouse::front::Front;
use crate::store::{
    Batch, Engine, Levels, Limits, Losses, Probe, Reader, Record, Settings, Store, StoreError,
    append, batch_of, keep,
};
pub(crate) use detect::span::{DAY_US, MINUTE_US};
pub(crate) use dice::Dice;

/// A moment in 2026, at the start of a day (UTC).
pub(crate) const NOW_US: i64 = 1_795_392_000_000_000;

/// A call of an application to version 1.0.0 of an API.
pub(crate) fn call(at_us: i64, api: &str, application: &str) -> Row {
    Row {
        at_us,
        api: api.to_owned(),
        api_version: "1.0.0".to_owned(),
        application: application.to_owned(),
        status: 200,
        total_us: 1000,
        ..Row::default()
    }
}

/// An alert of this name that says nothing.
pub(crate) fn alert(id: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        kind: String::new(),
        severity: Severity::Mild,
        raised_at_us: 0,
        minute: 0,
        message: String::new(),
        api: String::new(),
        api_version: String::new(),
        application: String::new(),
        cause: String::new(),
        evidence: BTreeMap::new(),
    }
}

/// A batch of the spool `epoch` of gateway `g`.
pub(crate) fn batch(epoch: &str, sequence: u64, rows: Vec<Row>) -> Batch {
    let columns = batch_of(&rows).unwrap();
    let (source, epoch) = ("g".to_owned(), epoch.to_owned());
    let record = Record { source, epoch, sequence, at_us: NOW_US, rows };
    let frame = record.frame();
    let Record { source, epoch, rows: calls, .. } = record;
    let (rows, calls) = (columns, calls.into());
    let losses = Losses::default();
    Batch { source, epoch, sequence, after: None, frame, rows, calls, losses }
}

/// A store in a folder that goes away.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn open(&self, probe: Probe) -> Result<Arc<Store>, StoreError> {
        open(self.folder.path(), probe)
    }
}

pub(crate) fn open(folder: &std::path::Path, probe: Probe) -> Result<Arc<Store>, StoreError> {
    Store::open(settings(folder), probe, NOW_US).map(Arc::new)
}

/// A store that hands on what it has; segments of so many bytes may wait.
pub(crate) fn handing_on(
    folder: &std::path::Path,
    probe: Probe,
    most: u64,
) -> Result<Arc<Store>, StoreError> {
    let settings = Settings { hand_on: Some(most), ..settings(folder) };
    Store::open(settings, probe, NOW_US).map(Arc::new)
}

/// A store that keeps calls for a day, counts by the minute for two, by the hour for ten, by the day for a
/// hundred.
pub(crate) fn counting(
    folder: &std::path::Path,
    probe: Probe,
    hand_on: Option<u64>,
) -> Result<Arc<Store>, StoreError> {
    let levels = Levels::new(DAY_US, [2, 10, 100].map(|days| days * DAY_US));
    let settings = Settings { levels, hand_on, ..settings(folder) };
    Store::open(settings, probe, NOW_US).map(Arc::new)
}

fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        levels: Levels::new(30 * DAY_US, [0; 3]),
        flush_after_us: 30_000_000,
        flush_rows: 65_536,
        hand_on: None,
    }
}

/// A store that holds something, and who answers questions about it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) reader: Arc<Reader>,
    _store: Arc<Store>,
    _place: Place,
}

/// The same in the collector's own files and, where there is one, in a ClickHouse.
pub(crate) async fn everywhere(fill: impl Fn(&Store)) -> Vec<Kept> {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    fill(&store);
    let mut kept = vec![Kept { reader: reader(&store), _store: store, _place: place }];
    if let Some(front) = Front::shared() {
        let (place, tables) = (Place::new(), Front::tables());
        let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
        fill(&store);
        front.shipper(&store, &tables).catch_up().await.unwrap();
        kept.push(Kept { reader: front.reader(&tables), _store: store, _place: place });
    }
    kept
}

/// The same, with calls that are older than a day counted as if it were `now_us`.
pub(crate) async fn everywhere_counted(fill: impl Fn(&Store), now_us: i64) -> Vec<Kept> {
    let place = Place::new();
    let store = counting(place.folder.path(), Probe::default(), None).unwrap();
    fill(&store);
    keep::flush(&store).unwrap();
    assert!(keep::roll_up_once(&store, now_us).unwrap() > 0);
    while keep::roll_up_once(&store, now_us).unwrap() > 0 {}
    let mut kept = vec![Kept { reader: reader(&store), _store: store, _place: place }];
    if let Some(front) = Front::shared() {
        let (place, tables) = (Place::new(), Front::tables());
        let store = counting(place.folder.path(), Probe::default(), Some(1 << 30)).unwrap();
        fill(&store);
        front.shipper(&store, &tables).catch_up().await.unwrap();
        assert!(front.roller(&store, &tables).roll_up(now_us).await.unwrap() > 0);
        kept.push(Kept { reader: front.reader(&tables), _store: store, _place: place });
    }
    kept
}

/// Stores rows as one batch.
pub(crate) fn put(store: &Store, epoch: &str, sequence: u64, rows: Vec<Row>) {
    let verdicts = append::append(store, &[batch(epoch, sequence, rows)], NOW_US).unwrap();
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
}

pub(crate) fn reader(store: &Arc<Store>) -> Arc<Reader> {
    Arc::new(Reader::Embedded(engine(store)))
}

/// The engine inside the collector.
pub(crate) fn engine(store: &Arc<Store>) -> Arc<Engine> {
    engine_within(store, Duration::from_mins(1))
}

pub(crate) fn engine_within(store: &Arc<Store>, timeout: Duration) -> Arc<Engine> {
    let limits = Limits { concurrency: 2, threads: 2, memory_mb: 256, timeout };
    Arc::new(Engine::start(Arc::clone(store), &limits, Clock::system()).unwrap())
}

impl Dice {
    /// One of `0..sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// One of some values.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::try_from(self.roll(values.len() as u64)).unwrap()]
    }
}
