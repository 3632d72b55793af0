//! Do counts of old calls say what the calls said, and is every call counted once?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use detect::span::HOUR_US;

use super::clickhouse::Tables;
use super::clickhouse::front::Front;
use super::store_tests::copy;
use super::{Probe, QueryError, Reader, Store, keep};
use crate::event::Row;
use crate::fixture::{DAY_US, Dice, MINUTE_US, NOW_US, Place, call, counting, put, reader};
use crate::guard::lock;
use crate::question::{
    Amount, Cell, Condition, Dimension, Group, Measure, Order, Question, Search, Test, Window,
};

/// Where old calls are counted: in the collector's own files, or in a ClickHouse.
struct World {
    place: Place,
    store: Arc<Store>,
    clickhouse: Option<(&'static Front, Tables)>,
}

fn worlds() -> Vec<World> {
    let world = |clickhouse: Option<(&'static Front, Tables)>| {
        let place = Place::new();
        let hand_on = clickhouse.is_some().then_some(1 << 30);
        let store = counting(place.folder.path(), Probe::default(), hand_on).unwrap();
        World { place, store, clickhouse }
    };
    let clickhouse = Front::shared().map(|front| (front, Front::tables()));
    std::iter::once(None).chain(clickhouse.map(Some)).map(world).collect()
}

impl World {
    async fn put(&self, sequence: u64, rows: Vec<Row>) {
        put(&self.store, "e", sequence, rows);
        match &self.clickhouse {
            None => assert!(keep::flush(&self.store).unwrap() > 0),
            Some((front, tables)) => {
                front.shipper(&self.store, tables).catch_up().await.unwrap();
            }
        }
    }

    /// Counts everything that is due, and says how many rows that were.
    async fn roll_up(&self, now_us: i64) -> u64 {
        let mut rows = 0;
        loop {
            let some = match &self.clickhouse {
                None => keep::roll_up_once(&self.store, now_us).unwrap(),
                Some((front, tables)) => {
                    front.roller(&self.store, tables).roll_up(now_us).await.unwrap()
                }
            };
            if some == 0 {
                return rows;
            }
            rows += some;
        }
    }

    fn reader(&self) -> Arc<Reader> {
        match &self.clickhouse {
            None => reader(&self.store),
            Some((front, tables)) => front.reader(tables),
        }
    }

    async fn ask(&self, question: &Question) -> Result<Vec<Group>, QueryError> {
        self.reader().answer(question).await
    }

    async fn compare_all(&self, questions: &[Question], before: &[Vec<Group>]) {
        for (question, before) in questions.iter().zip(before) {
            compare(question, before, &self.ask(question).await.unwrap());
        }
    }
}

fn open(place: &Place) -> Arc<Store> {
    counting(place.folder.path(), Probe::default(), None).unwrap()
}

/// Calls of one day, `days` ago.
pub(super) fn calls(days: i64, seed: u64) -> Vec<Row> {
    let mut dice = Dice(seed);
    (0..3000)
        .map(|_| {
            let within = i64::try_from(dice.roll(86_400_000_000)).unwrap();
            let mut row = call(NOW_US - days * DAY_US + within, dice.pick(&["orders", "pay"]), "");
            row.application = dice.pick(&["shop", "app"]).to_owned();
            row.status = dice.pick(&[200, 200, 404, 500]);
            let decades = u32::try_from(dice.roll(6)).unwrap();
            row.total_us = dice.roll(10_u64.pow(1 + decades));
            row.backend_us = if dice.roll(3) == 0 { 0 } else { row.total_us / 2 };
            row.security_us = dice.roll(7);
            row.response_bytes = dice.roll(1000);
            row.path = format!("/{}", dice.roll(1000));
            row.country = dice.pick(&["CH", "JP"]).to_owned();
            // Some are there every day; about some calls nothing is known.
            let user =
                if dice.roll(2) == 0 { dice.roll(500) } else { seed * 2000 + dice.roll(1500) };
            row.user = if dice.roll(10) == 0 { String::new() } else { format!("user{user}") };
            let client = (1 + dice.roll(700)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            row.address_id = client.wrapping_mul(dice.roll(3));
            row.weight = u32::try_from(dice.roll(4)).unwrap();
            row.from_cache = dice.roll(3) == 0;
            row
        })
        .collect()
}

pub(super) fn question(interval_us: Option<i64>) -> Question {
    let total = |share| Measure::Quantile(Amount::Total, share);
    Question {
        window: Window { since_us: NOW_US - 200 * DAY_US, until_us: NOW_US + DAY_US },
        conditions: Vec::new(),
        interval_us,
        by: vec![Dimension::Api, Dimension::Application, Dimension::Status],
        measures: vec![
            Measure::Calls,
            Measure::Errors,
            Measure::Cached,
            Measure::Sum(Amount::Total),
            Measure::Sum(Amount::Security),
            Measure::Sum(Amount::ResponseBytes),
            Measure::Mean(Amount::Backend),
            total(500),
            total(990),
            Measure::Quantile(Amount::Backend, 500),
            Measure::Max(Amount::Total),
        ],
        order: Order::Values,
        most: 100_000,
    }
}

/// How many different users and clients there were, as far as counts can still tell.
pub(super) fn callers(interval_us: Option<i64>) -> Question {
    let distinct = [Dimension::User, Dimension::ClientIp, Dimension::Application];
    Question {
        by: vec![Dimension::Api, Dimension::Country],
        measures: std::iter::once(Measure::Calls).chain(distinct.map(Measure::Distinct)).collect(),
        ..question(interval_us)
    }
}

/// Which measures of the question may be off, by how much of themselves.
pub(super) fn tolerance(of: Measure) -> f64 {
    match of {
        Measure::Quantile(..) | Measure::Max(_) => 0.011,
        Measure::Mean(_) => 1e-9,
        // Sketches of the same values, of which before and after have other digests.
        Measure::Distinct(_) => 0.02,
        _ => 0.0,
    }
}

async fn ask(store: &Arc<Store>, question: &Question) -> Result<Vec<Group>, QueryError> {
    reader(store).answer(question).await
}

/// Calls of these many days ago are stored, and time passes until today: what was said of them
/// before is said after, by the day.
async fn check(days: &[i64]) {
    for world in worlds() {
        for (sequence, days) in (1..).zip(days) {
            world.put(sequence, calls(*days, sequence)).await;
        }
        let questions = [question(Some(DAY_US)), callers(Some(DAY_US)), callers(None)];
        let mut before = Vec::new();
        for question in &questions {
            before.push(world.ask(question).await.unwrap());
        }
        // A moment later: a day is as old as its end.
        assert!(world.roll_up(NOW_US + 1).await > 0);
        world.compare_all(&questions, &before).await;
        if world.clickhouse.is_some() {
            continue;
        }
        assert_eq!(keep::forget(&world.store, NOW_US).unwrap(), 0);
        while keep::merge_once(&world.store, NOW_US + 400 * DAY_US).unwrap() > 0 {}
        world.compare_all(&questions, &before).await;
        let World { place, store, clickhouse } = world;
        drop(store);
        World { store: open(&place), place, clickhouse }.compare_all(&questions, &before).await;
    }
}

#[track_caller]
pub(super) fn compare(question: &Question, before: &[Group], after: &[Group]) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!((before.from_us, &before.by), (after.from_us, &after.by));
        let pairs = before.measures.iter().zip(&after.measures);
        for (of, (before, after)) in question.measures.iter().zip(pairs) {
            let off = (before - after).abs();
            assert!(off <= tolerance(*of) * before, "{of:?} is {after} for {before}");
        }
    }
}

#[tokio::test]
async fn counts_by_the_minute_say_what_calls_said() {
    check(&[2]).await;
}

#[tokio::test]
async fn counts_by_the_hour_and_the_day_say_what_calls_said() {
    check(&[7, 40, 41, 42]).await;
}

#[tokio::test]
async fn every_level_is_counted_together_with_the_others() {
    check(&[0, 2, 7, 8, 40]).await;
}

#[tokio::test]
async fn calls_pass_through_all_levels_and_are_counted_once_until_they_are_forgotten() {
    let place = Place::new();
    let store = open(&place);
    let rows = calls(1, 3);
    let all: u64 = rows.iter().map(Row::calls).sum();
    put(&store, "e", 1, rows);
    keep::flush(&store).unwrap();
    let mut last_days = BTreeMap::new();
    for days in 0..=101 {
        let now_us = NOW_US + days * DAY_US;
        keep::roll_up_once(&store, now_us).unwrap();
        keep::forget(&store, now_us).unwrap();
        let mut question = question(None);
        (question.by, question.measures) = (Vec::new(), vec![Measure::Calls]);
        let groups = ask(&store, &question).await.unwrap();
        let said = groups.first().map(|group| group.measures[0].to_string());
        let grain_us = lock(&store.catalog).manifest.segments.first().map(|entry| entry.grain_us);
        assert_eq!(said, grain_us.map(|_| all.to_string()));
        last_days.insert(grain_us, days);
    }
    let minute = (Some(MINUTE_US), 2);
    let expected = [(None, 101), (Some(0), 0), minute, (Some(HOUR_US), 10), (Some(DAY_US), 100)];
    assert_eq!(last_days, BTreeMap::from(expected));
}

type Change = fn(&mut Question);

#[tokio::test]
async fn what_counts_do_not_have_is_refused_and_calls_are_not_found_any_more() {
    for world in worlds() {
        world.put(1, calls(7, 5)).await;
        assert!(world.roll_up(NOW_US).await > 0);
        check_refusals(&world).await;
    }
}

async fn check_refusals(world: &World) {
    let ways: [(Change, &str); 6] = [
        (|question| question.by.push(Dimension::Path), "Path is not kept"),
        (|question| question.interval_us = Some(MINUTE_US), "counted by 60 minutes"),
        (
            |question| question.measures.push(Measure::Distinct(Dimension::ClientIp)),
            "different ClientIp are only known by Api, ApiVersion",
        ),
        (|question| question.measures.push(Measure::Distinct(Dimension::Path)), "Path is not kept"),
        (|question| question.measures.push(Measure::Max(Amount::RequestBytes)), "only the sum"),
        (
            |question| {
                let test = Test::OneOf(vec!["x".to_owned()]);
                question.conditions.push(Condition { of: Dimension::User, test });
            },
            "User is not kept",
        ),
    ];
    for (change, reason) in ways {
        let mut question = question(Some(2 * HOUR_US));
        change(&mut question);
        let refused = world.ask(&question).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
        // Of a time of which the calls are there, everything can be asked.
        question.window.since_us = NOW_US - DAY_US;
        world.ask(&question).await.unwrap();
    }
    let search = Search {
        window: question(None).window,
        conditions: Vec::new(),
        request_id: None,
        slower_than_us: None,
        after: None,
        most: 10,
    };
    assert_eq!(world.reader().search(&search).await.unwrap().rows, []);
    let tenants = Question { by: vec![Dimension::Tenant], ..question(None) };
    let groups = world.ask(&tenants).await.unwrap();
    assert_eq!(groups[0].by, [Cell::Text(String::new())]);
}

#[tokio::test]
async fn counts_without_sketches_stay_readable_and_are_asked_for_no_different_users() {
    let place = Place::new();
    let store = open(&place);
    for (sequence, days) in [(1, 7), (2, 8)] {
        put(&store, "e", sequence, calls(days, sequence));
        keep::flush(&store).unwrap();
    }
    while keep::roll_up_once(&store, NOW_US).unwrap() > 0 {}
    let before = ask(&store, &question(None)).await.unwrap();
    assert!(ask(&store, &callers(None)).await.unwrap()[0].measures[1] > 1.0);
    drop(store);
    // As an earlier version has left it.
    let path = place.folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let is_new = |line: &&str| line.contains("\"sketched\"") || line.contains("\"even\"");
    let earlier: Vec<&str> = text.lines().filter(|line| !is_new(line)).collect();
    let earlier = earlier.join("\n").replace("00000,\n    }", "00000\n    }");
    std::fs::write(&path, earlier).unwrap();

    let store = open(&place);
    compare(&question(None), &before, &ask(&store, &question(None)).await.unwrap());
    let refused = ask(&store, &callers(None)).await.unwrap_err();
    assert!(refused.to_string().contains("User is not kept"), "{refused}");
    // Newer ones are not merged with them, and go on to be known.
    put(&store, "e", 3, calls(9, 3));
    keep::flush(&store).unwrap();
    while keep::roll_up_once(&store, NOW_US).unwrap() > 0 {}
    while keep::merge_once(&store, NOW_US + 400 * DAY_US).unwrap() > 0 {}
    let mut newer = callers(None);
    newer.window = Window { since_us: NOW_US - 9 * DAY_US, until_us: NOW_US - 8 * DAY_US };
    assert!(ask(&store, &newer).await.unwrap()[0].measures[1] > 1.0);
    let files = std::fs::read_dir(store.segments()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains("sketches")).count(), 1);
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_rollup_neither_loses_nor_doubles_a_call() {
    let (place, pictures) = (Place::new(), tempfile::tempdir().unwrap());
    let rows = calls(7, 9);
    let all: u64 = rows.iter().map(Row::calls).sum();
    let store = open(&place);
    put(&store, "e", 1, rows);
    keep::flush(&store).unwrap();
    drop(store);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (from, to) = (place.folder.path().to_owned(), pictures.path().to_owned());
    let look = {
        let taken = Arc::clone(&taken);
        move |step| {
            let picture = to.join(format!("{step:?}"));
            copy(&from, &picture)?;
            taken.lock().unwrap().push(picture);
            Ok(())
        }
    };
    let store = counting(place.folder.path(), Probe::new(look), None).unwrap();
    assert_eq!(keep::roll_up_once(&store, NOW_US).unwrap(), 3000);
    let taken = taken.lock().unwrap().clone();
    assert_eq!(taken.len(), 3, "{taken:?}");
    for picture in taken {
        let store = counting(&picture, Probe::default(), None).unwrap();
        keep::roll_up_once(&store, NOW_US).unwrap();
        let mut question = question(None);
        (question.by, question.measures) = (Vec::new(), vec![Measure::Calls]);
        let groups = ask(&store, &question).await.unwrap();
        assert_eq!(groups[0].measures[0].to_string(), all.to_string(), "{picture:?}");
        assert_eq!(keep::roll_up_once(&store, NOW_US).unwrap(), 0);
    }
}
