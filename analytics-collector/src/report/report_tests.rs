//! Do the reports say what a plain loop over the same events says?

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of a test are small"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use detect::span::HOUR_US;

use super::{
    Bounds, Filter, Interval, Keys, ReportError, View, ask, errors, geography, last_used, latency,
    minutes, usage,
};
use crate::event::Row;
use crate::fixture::{
    DAY_US, Dice, Kept, MINUTE_US, NOW_US, Place, call, everywhere, everywhere_counted, put, reader,
};
use crate::question::{Dimension, Window};
use crate::store::{Probe, Store, keep};

/// A few hours of calls of four APIs, some of them broken, slow, throttled or from nowhere.
fn calls(count: u64) -> Vec<Row> {
    let mut dice = Dice(7);
    (0..count)
        .map(|_| {
            let at_us = NOW_US - i64::try_from(dice.roll(180 * 60_000_000)).unwrap();
            let api = dice.pick(&["orders", "users", "pay", ""]);
            let application = dice.pick(&["shop", "app", ""]);
            let mut row = call(at_us, api, application);
            row.status = dice.pick(&[200, 200, 201, 0, 404, 429, 500, 503]);
            if row.status == 429 {
                (row.fault_code, row.fault_type) = (900_804, "THROTTLED".to_owned());
            }
            // Times over six decades, a few of them 0.
            let decades = u32::try_from(dice.roll(7)).unwrap();
            row.total_us = dice.roll(10_u64.pow(1 + decades));
            row.backend_us = if dice.roll(3) == 0 { 0 } else { row.total_us / 2 };
            row.backend = dice.pick(&["", "a:80", "b:80"]).to_owned();
            row.consumer_key = dice.pick(&["one", "two", "three"]).to_owned();
            row.request_bytes = dice.roll(1000);
            row.response_bytes = dice.roll(100_000);
            row.country = dice.pick(&["DE", "US", "ZZ", ""]).to_owned();
            let hash = Dice(dice.roll(30_000)).roll(u64::MAX);
            row.address_id = if dice.roll(50) == 0 { 0 } else { hash };
            row
        })
        .collect()
}

struct World {
    kept: Kept,
    calls: Vec<Row>,
}

/// Some rows are in segments, some in memory, or in a ClickHouse.
async fn worlds(count: u64) -> Vec<World> {
    let calls = calls(count);
    let fill = |store: &Store| {
        let third = calls.len() / 3;
        for (sequence, rows) in (1..).zip(calls.chunks(third.max(1))) {
            put(store, "e", sequence, rows.to_vec());
            if sequence <= 2 {
                keep::flush(store).unwrap();
            }
        }
    };
    let kept = everywhere(fill).await;
    kept.into_iter().map(|kept| World { kept, calls: calls.clone() }).collect()
}

/// `words` is "since until api version application", minutes before now and names, `-` for all.
fn filter(words: &str) -> Filter {
    let words: Vec<&str> = words.split(' ').collect();
    let ago = |word: &str| NOW_US - word.parse::<i64>().unwrap() * MINUTE_US;
    let name = |word: &str| (word != "-").then(|| word.to_owned());
    Filter {
        window: Window { since_us: ago(words[0]), until_us: ago(words[1]) },
        api: name(words[2]),
        api_version: name(words[3]),
        application: name(words[4]),
    }
}

impl World {
    fn matching<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Row> {
        let fits =
            |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|w| w == value);
        self.calls.iter().filter(move |row| {
            (filter.window.since_us..filter.window.until_us).contains(&row.at_us)
                && fits(&filter.api, &row.api)
                && fits(&filter.api_version, &row.api_version)
                && fits(&filter.application, &row.application)
        })
    }
}

fn start(filter: &Filter, interval: Interval, row: &Row) -> i64 {
    interval.0.map_or(filter.window.since_us, |length| row.at_us.div_euclid(length) * length)
}

const BOUNDS: Bounds = Bounds { kept: Duration::from_hours(720), smallest_group: 0 };

const INTERVALS: [Interval; 3] =
    [Interval(None), Interval(Some(MINUTE_US)), Interval(Some(37 * MINUTE_US + 1))];

const FILTERS: [&str; 6] = [
    "180 0 - - -",
    "60 30 - - -",
    "180 0 orders - -",
    "180 0 orders 1.0.0 shop",
    "180 0 orders 2.0.0 -",
    "180 0 x'OR'1'='1 - -",
];

#[tokio::test]
async fn usage_is_what_a_loop_counts() {
    for world in worlds(9_000).await {
        for (filter, interval) in FILTERS.iter().flat_map(|f| INTERVALS.map(|i| (filter(f), i))) {
            let mut expected: BTreeMap<_, [u64; 5]> = BTreeMap::new();
            for row in world.matching(&filter) {
                let key = (start(&filter, interval, row), row.api.clone(), row.application.clone());
                let sums = expected.entry(key).or_default();
                sums[0] += 1;
                sums[1] += u64::from(row.status == 0 || row.status >= 400);
                sums[2] += u64::from(row.fault_type == "THROTTLED");
                sums[3] += row.request_bytes;
                sums[4] += row.response_bytes;
            }
            let rows = usage::usage(&world.kept.reader, &filter, interval, &BOUNDS).await.unwrap();
            assert!(rows.is_sorted_by_key(|row| (row.from_us, u64::MAX - row.calls)));
            let said: BTreeMap<_, _> = rows
                .into_iter()
                .map(|row| {
                    let sums = [
                        row.calls,
                        row.errors,
                        row.throttled,
                        row.request_bytes,
                        row.response_bytes,
                    ];
                    ((row.from_us, row.api, row.application), sums)
                })
                .collect();
            assert_eq!(said, expected, "{filter:?} {interval:?}");
        }
    }
}

#[tokio::test]
async fn errors_are_what_a_loop_counts() {
    for world in worlds(9_000).await {
        for filter in FILTERS.map(filter) {
            let mut expected: BTreeMap<_, (u64, i64)> = BTreeMap::new();
            for row in world.matching(&filter).filter(|row| row.status == 0 || row.status >= 400) {
                let key = (row.api.clone(), row.status, row.fault_code, row.fault_type.clone());
                let (calls, last_us) = expected.entry(key).or_default();
                *calls += 1;
                *last_us = row.at_us.max(*last_us);
            }
            let rows = errors::errors(&world.kept.reader, &filter, &BOUNDS).await.unwrap();
            assert!(rows.is_sorted_by_key(|row| u64::MAX - row.calls));
            let said: BTreeMap<_, _> = rows
                .into_iter()
                .map(|row| {
                    let key = (row.api, row.status, row.fault_code, row.fault_type);
                    (key, (row.calls, row.last_us))
                })
                .collect();
            assert_eq!(said, expected, "{filter:?}");
        }
    }
}

/// The time that at least `share` of all are no longer than.
fn exact(times: &mut [u64], share: f64) -> u64 {
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.max(1) - 1).copied().unwrap_or(0)
}

#[tokio::test]
async fn quantiles_are_off_by_one_percent_at_most() {
    for world in worlds(9_000).await {
        for (filter, interval) in FILTERS.iter().flat_map(|f| INTERVALS.map(|i| (filter(f), i))) {
            let mut times: BTreeMap<_, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
            for row in world.matching(&filter) {
                let key = (start(&filter, interval, row), row.api.clone());
                let (total, backend) = times.entry(key).or_default();
                total.push(row.total_us);
                backend.extend((row.backend_us > 0).then_some(row.backend_us));
            }
            let rows =
                latency::latency(&world.kept.reader, &filter, interval, &BOUNDS).await.unwrap();
            assert_eq!(rows.len(), times.len(), "{filter:?}");
            for row in rows {
                let (mut total, mut backend) =
                    times.remove(&(row.from_us, row.api.clone())).unwrap();
                assert_eq!(row.calls, total.len() as u64);
                assert_eq!(row.max_us, total.iter().copied().max().unwrap());
                for (said, true_value) in [
                    (row.p50_us, exact(&mut total, 0.5)),
                    (row.p95_us, exact(&mut total, 0.95)),
                    (row.p99_us, exact(&mut total, 0.99)),
                    (row.backend_p50_us, exact(&mut backend, 0.5)),
                    (row.backend_p99_us, exact(&mut backend, 0.99)),
                ] {
                    let off = said.abs_diff(true_value) as f64;
                    assert!(off <= 0.01 * true_value as f64, "{said} for {true_value}: {row:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn places_are_what_a_loop_counts_and_clients_within_two_percent() {
    for world in worlds(60_000).await {
        for filter in FILTERS.map(filter) {
            let mut expected: BTreeMap<_, (u64, BTreeSet<u64>)> = BTreeMap::new();
            for row in world.matching(&filter) {
                let (calls, clients) =
                    expected.entry((row.country.clone(), row.api.clone())).or_default();
                *calls += 1;
                clients.extend((row.address_id != 0).then_some(row.address_id));
            }
            let rows =
                geography::geography(&world.kept.reader, &filter, &[], &BOUNDS).await.unwrap().rows;
            assert_eq!(rows.len(), expected.len());
            assert!(rows.is_sorted_by_key(|row| u64::MAX - row.calls));
            for row in rows {
                let (calls, clients) = &expected[&(row.country.clone(), row.api.clone())];
                let off = row.addresses.abs_diff(clients.len() as u64) as f64;
                assert_eq!(row.calls, *calls);
                assert!(off <= 0.02 * clients.len() as f64, "{row:?} has {}", clients.len());
            }
        }
    }
}

#[tokio::test]
async fn minutes_are_what_a_loop_counts() {
    for world in worlds(3_000).await {
        let all = filter("180 0 - - -");
        let mut expected: BTreeMap<_, u64> = BTreeMap::new();
        for row in world.matching(&all).filter(|row| !row.api.is_empty()) {
            let client = if row.application.is_empty() { &row.consumer_key } else { "" };
            let names = [&row.api, &row.application, client].map(str::to_owned);
            *expected.entry((row.at_us / MINUTE_US, names)).or_default() += 1;
        }
        let tallies = minutes::minutes(&world.kept.reader, all.window).await.unwrap();
        let said: BTreeMap<_, _> = tallies
            .into_iter()
            .map(|tally| {
                let subject = tally.subject;
                let names = [subject.api, subject.application, subject.client];
                ((tally.minute, names), tally.calls)
            })
            .collect();
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn an_answer_with_too_many_rows_is_refused() {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    let rows = (0..10_001).map(|n| call(NOW_US - n, "orders", &n.to_string())).collect();
    put(&store, "e", 1, rows);
    let reader = reader(&store);
    let mut filter = filter("1 0 - - -");
    filter.window.until_us = NOW_US;
    let usage = usage::usage(&reader, &filter, Interval(None), &BOUNDS).await;
    assert_eq!(usage.unwrap().len(), 10_000);
    filter.window.until_us += 1;
    let usage = usage::usage(&reader, &filter, Interval(None), &BOUNDS).await;
    assert!(matches!(usage, Err(ReportError::TooManyGroups)), "{usage:?}");
}

#[tokio::test]
async fn sums_beyond_all_bounds_are_the_largest_number() {
    let mut row = call(NOW_US - 1, "orders", "shop");
    row.request_bytes = u64::MAX;
    let filter = filter("1 0 - - -");
    for kept in everywhere(|store| put(store, "e", 1, vec![row.clone(), row.clone()])).await {
        let rows = usage::usage(&kept.reader, &filter, Interval(None), &BOUNDS).await.unwrap();
        assert_eq!(rows[0].request_bytes, u64::MAX);
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_that_by_its_application() {
    for world in worlds(3_000).await {
        for (application, asked) in
            [("shop", "one three never"), ("app", "two"), ("nobody", "one"), ("shop", "x'OR'1'='1")]
        {
            let keys: Vec<String> = asked.split(' ').map(str::to_owned).collect();
            let mut expected: BTreeMap<String, i64> = BTreeMap::new();
            for row in &world.calls {
                if row.application == application && keys.contains(&row.consumer_key) {
                    let last = expected.entry(row.consumer_key.clone()).or_insert(row.at_us);
                    *last = row.at_us.max(*last);
                }
            }
            let keys = Keys { application: application.to_owned(), keys };
            let said = last_used::last_used(&world.kept.reader, &keys, NOW_US).await.unwrap();
            let said: BTreeMap<_, _> =
                said.into_iter().map(|use_| (use_.key, use_.at_us)).collect();
            assert_eq!(said, expected, "{application} {asked}");
        }
    }
}

#[tokio::test]
async fn places_with_few_clients_are_hidden_and_their_calls_said() {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    let from = |country: &str, client: u64| {
        let mut row = call(NOW_US - 1, "orders", "shop");
        (row.country, row.address_id) = (country.to_owned(), client);
        row
    };
    // Three clients in one country; one that called twice in another; three nobody can tell apart.
    let rows =
        [("DE", 1), ("DE", 2), ("DE", 3), ("US", 4), ("US", 4), ("ZZ", 0), ("ZZ", 0), ("ZZ", 0)];
    put(&store, "e", 1, rows.map(|(country, client)| from(country, client)).to_vec());
    let reader = reader(&store);
    let filter = filter("1 0 - - -");
    for (smallest_group, shown, hidden) in [(0, "DE US ZZ", 0), (3, "DE ZZ", 2), (4, "", 8)] {
        let bounds = Bounds { smallest_group, ..BOUNDS };
        let places = geography::geography(&reader, &filter, &[], &bounds).await.unwrap();
        let mut said: Vec<_> = places.rows.iter().map(|row| row.country.as_str()).collect();
        said.sort_unstable();
        assert_eq!((said.join(" ").as_str(), places.hidden_calls), (shown, hidden));
    }
    // Whoever asks otherwise learns no more.
    let bounds = Bounds { smallest_group: 3, ..BOUNDS };
    let mut question = View::Devices.question(&filter, Vec::new(), Interval(None));
    question.by = vec![Dimension::Country];
    let answer = ask(&reader, question, &bounds).await.unwrap();
    assert_eq!((answer.groups.len(), answer.hidden_calls), (2, 2));
    assert!(answer.groups.iter().all(|group| group.measures.len() == 3));
}

#[tokio::test]
async fn views_are_what_a_loop_counts() {
    for world in worlds(3_000).await {
        let filter = filter("180 0 - - -");
        let count =
            |holds: fn(&Row) -> bool| world.matching(&filter).filter(|row| holds(row)).count();
        for (view, expected) in [
            (View::Devices, count(|_| true)),
            (View::Backends, count(|row| !row.backend.is_empty())),
            (View::Cache, count(|_| true)),
            (View::Throttled, count(|row| row.fault_type == "THROTTLED")),
        ] {
            let question = view.question(&filter, Vec::new(), Interval(None));
            let answer = ask(&world.kept.reader, question, &BOUNDS).await.unwrap();
            let said: f64 = answer.groups.iter().map(|group| group.measures[0]).sum();
            assert_eq!(said as usize, expected, "{view:?}");
        }
    }
}

#[tokio::test]
async fn stores_report_the_same_of_calls_that_are_only_counted() {
    let calls = calls(9_000);
    let fill = |store: &Store| put(store, "e", 1, calls.clone());
    let worlds = everywhere_counted(fill, NOW_US + DAY_US + HOUR_US).await;
    let [embedded, clickhouse] = worlds.as_slice() else { return };
    let (one, other) = (&embedded.reader, &clickhouse.reader);
    for filter in FILTERS.map(filter) {
        for interval in [Interval(None), Interval(Some(MINUTE_US))] {
            let said = usage::usage(one, &filter, interval, &BOUNDS).await.unwrap();
            assert_eq!(said, usage::usage(other, &filter, interval, &BOUNDS).await.unwrap());
            let said = latency::latency(one, &filter, interval, &BOUNDS).await.unwrap();
            assert_eq!(said, latency::latency(other, &filter, interval, &BOUNDS).await.unwrap());
        }
        let said = errors::errors(one, &filter, &BOUNDS).await.unwrap();
        assert_eq!(said, errors::errors(other, &filter, &BOUNDS).await.unwrap());
        let said = geography::geography(one, &filter, &[], &BOUNDS).await;
        let other = geography::geography(other, &filter, &[], &BOUNDS).await;
        match (said, other) {
            (Ok(said), Ok(other)) => assert_eq!(said.rows, other.rows),
            (said, other) => {
                assert_eq!(said.unwrap_err().to_string(), other.unwrap_err().to_string());
            }
        }
    }
}
