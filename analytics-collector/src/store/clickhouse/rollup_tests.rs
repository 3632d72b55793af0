//! Is every call counted once in the ClickHouse, whoever is killed while it becomes a count?

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use detect::span::HOUR_US;

use super::front::Front;
use super::ledger::Ledger;
use super::rollup::Patience;
use super::schema::Table;
use super::{RollupError, Tables};
use crate::event::Row;
use crate::fixture::{DAY_US, Dice, Kept, NOW_US, Place, counting, everywhere_counted, put};
use crate::question::{Dimension, Group, Measure, Order, Question, Search, Window};
use crate::store::answer_tests;
use crate::store::rollup_tests::{calls, question, tolerance};
use crate::store::{Probe, Reader, Step, Store, StoreError, keep};

const ROOM: Option<u64> = Some(1 << 30);

fn open(place: &Place, probe: Probe) -> Arc<Store> {
    counting(place.folder.path(), probe, ROOM).unwrap()
}

/// How many calls there are, by API.
fn totals() -> Question {
    Question { by: vec![Dimension::Api], measures: vec![Measure::Calls], ..question(None) }
}

fn summed(rows: &[Vec<Row>]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in rows.iter().flatten() {
        *sums.entry(row.api.clone()).or_default() += row.calls();
    }
    sums
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
async fn counted(reader: &Reader) -> BTreeMap<String, u64> {
    let groups = reader.answer(&totals()).await.unwrap();
    let pair = |group: Group| match &group.by[0] {
        crate::question::Cell::Text(api) => (api.clone(), group.measures[0] as u64),
        other => panic!("{other:?}"),
    };
    groups.into_iter().map(pair).collect()
}

async fn hand_on(front: &Front, store: &Arc<Store>, tables: &Tables, from: u64, rows: &[Vec<Row>]) {
    for (sequence, rows) in (from..).zip(rows) {
        put(store, "e", sequence, rows.clone());
        keep::flush(store).unwrap();
    }
    front.shipper(store, tables).catch_up().await.unwrap();
}

/// How many rows of calls there are, swept ones not.
async fn calls_left(front: &Front, tables: &Tables) -> String {
    front.say(&format!("SELECT count() FROM {}", tables.sql(Table::Events))).await
}

/// A collector lives thirty times, each time until a step that is drawn, while days pass: at any time the
/// same calls are counted.
#[tokio::test]
async fn a_kill_of_the_collector_between_any_steps_neither_loses_nor_doubles_a_call() {
    let Some(front) = Front::shared() else { return };
    let (place, tables, mut dice) = (Place::new(), Front::tables(), Dice(8));
    let rows: Vec<Vec<Row>> = (3..6).map(|days| calls(days, 40 + days.unsigned_abs())).collect();
    let sums = summed(&rows);
    let store = open(&place, Probe::default());
    hand_on(front, &store, &tables, 1, &rows).await;
    drop(store);
    let steps = [
        Step::DayClaimed,
        Step::BlocksNamed,
        Step::DayCounted,
        Step::DaySketched,
        Step::DayDone,
        Step::CallsSwept,
        Step::DaySwept,
    ];
    let mut ended = BTreeMap::new();
    for life in 0..30 {
        let left = Arc::new(AtomicU64::new(1 + dice.roll(6)));
        let probe = Probe::new(move |step| {
            let last = steps.contains(&step) && left.fetch_sub(1, Ordering::Relaxed) == 1;
            if last { Err(io::Error::other(format!("{step:?}"))) } else { Ok(()) }
        });
        let store = open(&place, probe);
        // From the hour to the day, half of the way.
        let now_us = NOW_US + if life < 15 { 0 } else { 9 * DAY_US };
        let mut roller = front.roller(&store, &tables);
        loop {
            match roller.roll_up(now_us).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(RollupError::Store(StoreError::Io { source, .. })) => {
                    *ended.entry(source.to_string()).or_insert(0) += 1;
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(counted(&front.reader(&tables)).await, sums, "life {life}");
    }
    assert_eq!(ended.len(), steps.len(), "every step has ended a life: {ended:?}");
    let store = open(&place, Probe::default());
    let mut roller = front.roller(&store, &tables);
    for _ in 0..3 {
        roller.roll_up(NOW_US + 9 * DAY_US).await.unwrap();
    }
    assert_eq!(counted(&front.reader(&tables)).await, sums);
    assert_eq!(calls_left(front, &tables).await, "0");
    // What was broken off has left nothing behind.
    let names = "SELECT count(DISTINCT block) FROM";
    for kind in [Table::Counts, Table::Sketches] {
        assert_eq!(front.say(&format!("{names} {}", tables.sql(kind))).await, "3");
    }
}

#[tokio::test]
async fn a_kill_of_the_server_at_any_write_neither_loses_nor_doubles_a_call() {
    let Some(mut front) = Front::start() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let rows = vec![calls(3, 7)];
    let sums = summed(&rows);
    let store = open(&place, Probe::default());
    hand_on(&front, &store, &tables, 1, &rows).await;
    let mut roller = front.roller(&store, &tables);
    roller.roll_up(NOW_US - 9 * DAY_US).await.unwrap();
    let mut kills = 0;
    for kill in 0..40 {
        let moment = if kill % 2 == 0 { "after" } else { "before" };
        front.0.kill_at_write(moment, kill % 5);
        let now_us = NOW_US + if kill < 20 { 0 } else { 9 * DAY_US };
        let end = roller.roll_up(now_us).await;
        kills += u32::from(end.is_err());
        front.0.restart();
        assert_eq!(counted(&front.reader(&tables)).await, sums, "kill {kill}: {end:?}");
    }
    assert!(kills >= 10, "only {kills} kills came in between");
    for _ in 0..3 {
        roller.roll_up(NOW_US + 9 * DAY_US).await.unwrap();
    }
    assert_eq!(counted(&front.reader(&tables)).await, sums);
    assert_eq!(calls_left(&front, &tables).await, "0");
}

/// Two collectors count the same days at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_collectors_one_counts_a_day() {
    let Some(front) = Front::shared() else { return };
    let tables = Front::tables();
    let (one, other) = (Place::new(), Place::new());
    let (one, other) = (open(&one, Probe::default()), open(&other, Probe::default()));
    let rows: Vec<Vec<Row>> = (3..6).map(|days| calls(days, 60 + days.unsigned_abs())).collect();
    hand_on(front, &one, &tables, 1, &rows).await;
    let (mut first, mut second) = (front.roller(&one, &tables), front.roller(&other, &tables));
    let (first, second) = tokio::join!(first.roll_up(NOW_US), second.roll_up(NOW_US));
    assert_eq!(first.unwrap() + second.unwrap(), 9000);
    assert_eq!(counted(&front.reader(&tables)).await, summed(&rows));
    let ledger = Ledger::read(&front.server(), &tables, 0..100_000).await.unwrap();
    assert_eq!(ledger.all_in_force().map(|one| one.turn).collect::<Vec<_>>(), [1, 1, 1]);
}

/// One collector has claimed a day and is gone.
#[tokio::test]
async fn a_day_that_somebody_has_claimed_is_left_to_them_for_a_while() {
    let Some(front) = Front::shared() else { return };
    let tables = Front::tables();
    let places = [Place::new(), Place::new()];
    let probe = Probe::new(|step| match step {
        Step::BlocksNamed => Err(io::Error::other("killed")),
        _ => Ok(()),
    });
    let (one, other) = (open(&places[0], probe), open(&places[1], Probe::default()));
    hand_on(front, &one, &tables, 1, &[calls(3, 7)]).await;
    front.roller(&one, &tables).roll_up(NOW_US).await.unwrap_err();
    let mut roller = front.roller(&other, &tables);
    assert_eq!(roller.roll_up(NOW_US).await.unwrap(), 0);
    let rollups = tables.sql(Table::Rollups);
    let earlier = format!("UPDATE at_us = at_us - {} WHERE true", 4 * HOUR_US);
    front.say(&format!("ALTER TABLE {rollups} {earlier} SETTINGS mutations_sync = 1")).await;
    assert_eq!(roller.roll_up(NOW_US).await.unwrap(), 3000);
    assert_eq!(counted(&front.reader(&tables)).await, summed(&[calls(3, 7)]));
}

/// Until what was replaced is deleted it is not seen twice, and what comes late is seen beside it.
#[tokio::test]
async fn calls_that_come_late_are_seen_at_once_and_counted_with_the_others_afterwards() {
    let Some(front) = Front::shared() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = open(&place, Probe::default());
    let mut rows = vec![calls(3, 7)];
    hand_on(front, &store, &tables, 1, &rows).await;
    let mut patient = front.roller(&store, &tables).with(Patience::default());
    assert_eq!(patient.roll_up(NOW_US).await.unwrap(), 3000);
    let reader = front.reader(&tables);
    assert_eq!(calls_left(front, &tables).await, "3000");
    assert_eq!(counted(&reader).await, summed(&rows));
    assert_eq!(found(&reader).await, 0);

    let late = calls(3, 8);
    rows.push(late.clone());
    hand_on(front, &store, &tables, 2, &[late]).await;
    assert_eq!(counted(&reader).await, summed(&rows));
    assert_eq!(found(&reader).await, 500);
    // Not before what the first counts replace is gone.
    assert_eq!(patient.roll_up(NOW_US).await.unwrap(), 0);
    let mut roller = front.roller(&store, &tables);
    assert_eq!(roller.roll_up(NOW_US).await.unwrap(), 0);
    assert_eq!(calls_left(front, &tables).await, "3000");
    assert_eq!(roller.roll_up(NOW_US).await.unwrap(), 3000);
    assert_eq!(counted(&reader).await, summed(&rows));
    assert_eq!(found(&reader).await, 0);
}

/// How many calls are found, 500 at most.
async fn found(reader: &Reader) -> usize {
    let search = Search {
        window: Window { since_us: NOW_US - 9 * DAY_US, until_us: NOW_US },
        conditions: Vec::new(),
        request_id: None,
        slower_than_us: None,
        after: None,
        most: 500,
    };
    reader.search(&search).await.unwrap().rows.len()
}

/// Nobody knows what came of a block until its calls are counted and deleted.
#[tokio::test]
async fn a_block_is_known_again_when_only_counts_of_it_are_left() {
    let Some(front) = Front::shared() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let probe = Probe::new(|step| match step {
        Step::BlockStored => Err(io::Error::other("killed")),
        _ => Ok(()),
    });
    let store = open(&place, probe);
    let rows = calls(3, 7);
    put(&store, "e", 1, rows.clone());
    keep::flush(&store).unwrap();
    front.shipper(&store, &tables).ship_once().await.unwrap_err();
    drop(store);
    let store = open(&place, Probe::default());
    let mut roller = front.roller(&store, &tables);
    assert_eq!(roller.roll_up(NOW_US).await.unwrap(), 3000);
    roller.roll_up(NOW_US).await.unwrap();
    assert_eq!(calls_left(front, &tables).await, "0");
    let window = "MODIFY SETTING non_replicated_deduplication_window = 0";
    front.say(&format!("ALTER TABLE {} {window}", tables.sql(Table::Events))).await;
    front.shipper(&store, &tables).catch_up().await.unwrap();
    assert_eq!(store.sizes(), (0, 0, 0));
    assert_eq!(counted(&front.reader(&tables)).await, summed(&[rows]));
}

/// A call passes through all levels: by what it is counted so many days later.
#[tokio::test]
async fn calls_pass_through_all_levels() {
    let Some(front) = Front::shared() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = open(&place, Probe::default());
    let rows = vec![calls(1, 3)];
    hand_on(front, &store, &tables, 1, &rows).await;
    let mut roller = front.roller(&store, &tables);
    let mut last_days = BTreeMap::new();
    for days in (0..=12).chain([99, 100]) {
        roller.roll_up(NOW_US + days * DAY_US).await.unwrap();
        assert_eq!(counted(&front.reader(&tables)).await, summed(&rows), "after {days} days");
        let ledger = Ledger::read(&front.server(), &tables, 0..100_000).await.unwrap();
        let minutes = ledger.past().coarsest_us.map(|grain_us| grain_us / 60_000_000);
        last_days.insert(minutes, days);
        // What is replaced by this is deleted by the next.
        roller.roll_up(NOW_US + days * DAY_US).await.unwrap();
    }
    let expected = [(None, 1), (Some(1), 2), (Some(60), 10), (Some(1440), 100)];
    assert_eq!(last_days, BTreeMap::from(expected));
}

/// Hundreds of questions have the same answer, or are refused with the same reason.
#[tokio::test]
async fn both_stores_say_the_same_of_calls_that_are_only_counted() {
    let rows = answer_tests::calls(3_000);
    let fill = |store: &Store| {
        for (sequence, rows) in (1..).zip(rows.chunks(700)) {
            put(store, "e", sequence, rows.to_vec());
        }
    };
    let worlds = everywhere_counted(fill, NOW_US + DAY_US + HOUR_US).await;
    let [embedded, clickhouse] = worlds.as_slice() else { return };
    let mut dice = Dice(23);
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..600 {
        let question = answer_tests::draw(&mut dice);
        if same(embedded, clickhouse, &question).await {
            answered += 1;
        } else {
            refused += 1;
        }
    }
    assert!(answered > 60 && refused > 60, "{answered} answered, {refused} refused");
}

/// Whether both answer a question; they do the same.
async fn same(embedded: &Kept, clickhouse: &Kept, question: &Question) -> bool {
    let said = embedded.reader.answer(question).await;
    let other = clickhouse.reader.answer(question).await;
    let (said, other) = match (said, other) {
        (Ok(said), Ok(other)) => (said, other),
        (Err(said), Err(other)) => {
            assert_eq!(said.to_string(), other.to_string(), "{question:?}");
            return false;
        }
        // Only the embedded store knows that nobody called in a part of a counted day.
        (Ok(said), Err(_)) if said.is_empty() => return false,
        (said, other) => panic!("{said:?} and {other:?} of {question:?}"),
    };
    assert_eq!(said.len(), other.len(), "{question:?}");
    let first = match question.order {
        Order::Most(n) | Order::Least(n) => tolerance(question.measures[n]),
        Order::Values => 0.0,
    };
    if first > 0.0 {
        // Which groups come first is known but roughly.
        return true;
    }
    for (said, other) in said.iter().zip(&other) {
        assert_eq!((said.from_us, &said.by), (other.from_us, &other.by), "{question:?}");
        let pairs = said.measures.iter().zip(&other.measures);
        for (of, (said, other)) in question.measures.iter().zip(pairs) {
            // Each of them may be off by so much.
            let off = (said - other).abs();
            let most = 2.0 * tolerance(*of) * said;
            assert!(off <= most, "{of:?} is {said} and {other} in {question:?}");
        }
    }
    true
}
