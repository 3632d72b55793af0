//! Is every acknowledged row in the ClickHouse once, whoever is killed?

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::front::Front;
use super::schema::Table;
use super::{Name, ShipError, Tables};
use crate::event::Row;
use crate::fixture::{DAY_US, Dice, NOW_US, Place, call, handing_on, put};
use crate::store::{Probe, Step, Store, StoreError, append, keep};

/// Rows of batch `sequence`, some of them of the day before; they say of which batch they are.
fn rows(sequence: u64) -> Vec<Row> {
    let at = |n: i64| if n % 3 == 0 { NOW_US - 1 } else { NOW_US + n };
    (0..10).map(|n| call(at(n), &sequence.to_string(), "shop")).collect()
}

/// How many rows of which batch are there.
async fn stored(front: &Front, tables: &Tables) -> BTreeMap<u64, u64> {
    let sql =
        format!("SELECT api, count() FROM {} GROUP BY api FORMAT TSV", tables.sql(Table::Events));
    let said = front.say(&sql).await;
    let pair = |line: &str| {
        let (api, count) = line.split_once('\t').unwrap();
        (api.parse().unwrap(), count.parse().unwrap())
    };
    said.lines().map(pair).collect()
}

fn whole(last: u64) -> BTreeMap<u64, u64> {
    (1..=last).map(|sequence| (sequence, 10)).collect()
}

/// Stores a batch and makes a segment of it.
fn segment(store: &Store, sequence: u64) {
    put(store, "e", sequence, rows(sequence));
    keep::flush(store).unwrap();
}

async fn all(shipper: &mut super::Shipper) -> Result<u64, ShipError> {
    let mut rows = 0;
    loop {
        match shipper.ship_once().await? {
            0 => return Ok(rows),
            some => rows += some,
        }
    }
}

#[tokio::test]
async fn what_is_stored_is_handed_on_and_given_up() {
    let Some(front) = Front::shared() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    for sequence in 1..=3 {
        segment(&store, sequence);
    }
    let mut shipper = front.shipper(&store, &tables);
    assert_eq!(all(&mut shipper).await.unwrap(), 30);
    assert_eq!(stored(front, &tables).await, whole(3));
    assert_eq!(store.sizes(), (0, 0, 0));
    put(&store, "e", 4, rows(4));
    shipper.catch_up().await.unwrap();
    assert_eq!(stored(front, &tables).await, whole(4));
}

/// A collector lives twenty times, each time until a step that is drawn; what it stored is in the
/// ClickHouse once, also what came between.
#[tokio::test]
async fn a_kill_of_the_collector_between_any_blocks_neither_loses_nor_doubles_a_row() {
    let Some(front) = Front::shared() else { return };
    let (place, tables, mut dice) = (Place::new(), Front::tables(), Dice(5));
    let mut ended = BTreeMap::new();
    for life in 1..=20 {
        let left = Arc::new(AtomicU64::new(1 + dice.roll(8)));
        let steps = [Step::BlockSending, Step::BlockStored, Step::HandedOn];
        let probe = Probe::new(move |step| {
            let last = steps.contains(&step) && left.fetch_sub(1, Ordering::Relaxed) == 1;
            if last { Err(io::Error::other(format!("{step:?}"))) } else { Ok(()) }
        });
        let store = handing_on(place.folder.path(), probe, 1 << 30).unwrap();
        segment(&store, 2 * life - 1);
        segment(&store, 2 * life);
        let end = all(&mut front.shipper(&store, &tables)).await;
        if let Err(ShipError::Store(StoreError::Io { source, .. })) = end {
            *ended.entry(source.to_string()).or_insert(0) += 1;
        }
    }
    assert_eq!(ended.len(), 3, "every step has ended a life: {ended:?}");
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    all(&mut front.shipper(&store, &tables)).await.unwrap();
    assert_eq!(stored(front, &tables).await, whole(40));
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[tokio::test]
async fn a_kill_of_the_server_before_or_after_an_insert_neither_loses_nor_doubles_a_row() {
    let Some(mut front) = Front::start() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    let mut shipper = front.shipper(&store, &tables);
    for kill in 1..=20 {
        segment(&store, kill);
        front.0.kill_at_insert(if kill % 4 == 0 { "before" } else { "after" });
        let failed = all(&mut shipper).await.unwrap_err();
        assert!(matches!(failed, ShipError::Server(_)), "{failed:?}");
        front.0.restart();
        assert_eq!(all(&mut shipper).await.unwrap(), 10, "kill {kill}");
        assert_eq!(stored(&front, &tables).await, whole(kill));
    }
}

/// A folder as it was before, as after a restored backup, or of another collector: its next segments
/// have numbers that the server has seen, with other rows.
#[tokio::test]
async fn segments_of_one_number_and_other_rows_are_told_apart() {
    let Some(front) = Front::shared() else { return };
    let tables = Front::tables();
    let copies: Vec<Place> = (0..2).map(|_| Place::new()).collect();
    for (place, sequence) in copies.iter().zip(1..) {
        std::fs::write(place.folder.path().join("writer.id"), [7; 16]).unwrap();
        let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
        segment(&store, sequence);
        drop(store);
        let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
        assert_eq!(all(&mut front.shipper(&store, &tables)).await.unwrap(), 10);
    }
    assert_eq!(stored(front, &tables).await, whole(2));
}

#[tokio::test]
async fn two_collectors_with_equal_rows_count_twice() {
    let Some(front) = Front::shared() else { return };
    let tables = Front::tables();
    for _ in 0..2 {
        let place = Place::new();
        let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
        segment(&store, 1);
        all(&mut front.shipper(&store, &tables)).await.unwrap();
    }
    assert_eq!(stored(front, &tables).await, BTreeMap::from([(1, 20)]));
}

/// The server forgets names after a while; then only asking tells.
#[tokio::test]
async fn a_block_is_known_again_when_the_server_has_forgotten_its_name() {
    let Some(front) = Front::shared() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let probe = Probe::new(|step| match step {
        Step::BlockStored => Err(io::Error::other("killed")),
        _ => Ok(()),
    });
    let store = handing_on(place.folder.path(), probe, 1 << 30).unwrap();
    segment(&store, 1);
    all(&mut front.shipper(&store, &tables)).await.unwrap_err();
    drop(store);
    let window = "MODIFY SETTING non_replicated_deduplication_window = 0";
    front.say(&format!("ALTER TABLE {} {window}", tables.sql(Table::Events))).await;
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    all(&mut front.shipper(&store, &tables)).await.unwrap();
    assert_eq!(stored(front, &tables).await, whole(1));
}

/// And where asking comes too early, the name tells.
#[tokio::test]
async fn a_block_that_is_sent_twice_is_stored_once() {
    let Some(front) = Front::shared() else { return };
    let (tables, place) = (Front::tables(), Place::new());
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    segment(&store, 1);
    let copy = Place::new();
    crate::store::store_tests::copy(place.folder.path(), copy.folder.path()).unwrap();
    std::fs::write(copy.folder.path().join("writer.id"), [7; 16]).unwrap();
    std::fs::write(place.folder.path().join("writer.id"), [7; 16]).unwrap();
    let twin = handing_on(copy.folder.path(), Probe::default(), 1 << 30).unwrap();
    let mut first = front.shipper(&store, &tables).sure();
    let mut second = front.shipper(&twin, &tables).sure();
    all(&mut first).await.unwrap();
    all(&mut second).await.unwrap();
    assert_eq!(stored(front, &tables).await, whole(1));
}

#[tokio::test]
async fn while_the_server_is_away_batches_are_taken_up_to_the_bound_and_nothing_is_lost() {
    let Some(mut front) = Front::start() else { return };
    let (place, tables) = (Place::new(), Front::tables());
    let store = handing_on(place.folder.path(), Probe::default(), 60_000).unwrap();
    let mut shipper = front.shipper(&store, &tables);
    front.0.kill();
    let mut last = 0;
    while append::has_room(&store) {
        last += 1;
        segment(&store, last);
        assert!(shipper.ship_once().await.is_err());
    }
    assert!(last > 1, "{last}");
    front.0.restart();
    all(&mut shipper).await.unwrap();
    assert!(append::has_room(&store));
    assert_eq!(stored(&front, &tables).await, whole(last));
}

#[tokio::test]
async fn while_something_waits_rows_gather_instead_of_becoming_small_segments() {
    let place = Place::new();
    let store = handing_on(place.folder.path(), Probe::default(), 1 << 30).unwrap();
    put(&store, "e", 1, rows(1));
    assert!(keep::is_flush_due(&store, NOW_US + DAY_US));
    keep::flush(&store).unwrap();
    put(&store, "e", 2, rows(2));
    assert!(!keep::is_flush_due(&store, NOW_US + DAY_US));
    keep::hand_on(&store, 1).unwrap();
    assert!(keep::is_flush_due(&store, NOW_US + DAY_US));
}

#[tokio::test]
async fn a_table_gets_its_missing_columns_and_another_retention() {
    let Some(front) = Front::shared() else { return };
    let mut tables = Front::tables();
    tables.kept_us = 30 * DAY_US;
    tables.prepare(&front.server()).await.unwrap();
    front.say(&format!("ALTER TABLE {} DROP COLUMN city", tables.sql(Table::Events))).await;
    tables.kept_us = 5 * DAY_US;
    let ago = |days: i64| format!("toUnixTimestamp64Micro(now64(6)) - {}", days * DAY_US);
    tables.prepare(&front.server()).await.unwrap();
    for days in [1, 20] {
        let (table, at) = (tables.sql(Table::Events), ago(days));
        front.say(&format!("INSERT INTO {table} (at_us, city) SELECT {at}, 'Bern'")).await;
    }
    front.say(&format!("OPTIMIZE TABLE {} FINAL", tables.sql(Table::Events))).await;
    let sql =
        format!("SELECT count(), any(city), any(at < now()) FROM {}", tables.sql(Table::Events));
    assert_eq!(front.say(&sql).await, "1\tBern\t1");
}

#[test]
fn names_of_databases_are_plain() {
    for name in ["", "a b", "a\"b", "ä", &"a".repeat(65)] {
        assert!(name.parse::<Name>().is_err(), "{name}");
    }
    assert_eq!("turnpike_2".parse::<Name>().unwrap().to_string(), "\"turnpike_2\"");
}
