//! Does the store answer what a loop over all calls counts?
//!
//! A loop in plain Rust (`Oracle`) answers the same questions, those of a table and hundreds that
//! are drawn.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;

use super::{Probe, QueryError, Store, keep};
use crate::event::Row;
use crate::fixture::{
    Dice, Kept, MINUTE_US, NOW_US, Place as Folder, call, everywhere, put, reader,
};
use crate::question::{
    Amount, Cell, Condition, Dimension, Group, Measure, Order, Place, Question, Search, Test,
    Window,
};

const HOURS: i64 = 3;

/// Calls of a few hours, of every kind, many of them in the same microsecond.
pub(super) fn calls(count: u64) -> Vec<Row> {
    let mut dice = Dice(11);
    (0..count)
        .map(|n| {
            let second = i64::try_from(dice.roll(3600)).unwrap();
            let at_us = NOW_US - 1 - second * HOURS * 1_000_000;
            let mut row = call(at_us, dice.pick(&["orders", "users", "Pay", ""]), "");
            row.request_id = [n.to_be_bytes(), dice.roll(u64::MAX).to_be_bytes()].concat();
            row.application = dice.pick(&["shop", "app", "Ärger", ""]).to_owned();
            row.method = dice.pick(&["GET", "POST"]).to_owned();
            row.path = format!("/orders/{}", dice.roll(300));
            row.status = dice.pick(&[200, 200, 201, 0, 404, 429, 500, 503]);
            row.fault_code = if row.status == 429 { 900_804 } else { 0 };
            row.fault_type = if row.status == 429 { "THROTTLED" } else { "" }.to_owned();
            let decades = u32::try_from(dice.roll(7)).unwrap();
            row.total_us = dice.roll(10_u64.pow(1 + decades));
            row.backend_us = if dice.roll(3) == 0 { 0 } else { row.total_us / 2 };
            row.security_us = row.total_us / 3;
            row.throttling_us = row.total_us / 4;
            row.request_bytes = dice.roll(1000);
            row.country = dice.pick(&["DE", "US", "ZZ", ""]).to_owned();
            row.client_ip = match dice.roll(3) {
                0 => Vec::new(),
                1 => vec![192, 0, 2, u8::try_from(dice.roll(9)).unwrap()],
                _ => [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 12]].concat(),
            };
            row.address_id = dice.roll(500);
            row.from_cache = dice.roll(4) == 0;
            row.asn = u32::try_from(dice.roll(5)).unwrap();
            row.device = dice.pick(&["phone", "bot", ""]).to_owned();
            row.request_mediation_us = row.total_us / 9;
            row.weight = u32::try_from(dice.roll(12)).unwrap();
            row
        })
        .collect()
}

struct World {
    kept: Kept,
    calls: Vec<Row>,
}

/// Some rows are in segments, some in memory, or in a ClickHouse; each of the parts spans the whole
/// time.
async fn worlds(calls: Vec<Row>) -> Vec<World> {
    let fill = |store: &Store| {
        for (sequence, rows) in (1..).zip(calls.chunks(calls.len() / 5 + 1)) {
            put(store, "e", sequence, rows.to_vec());
            if sequence <= 3 {
                keep::flush(store).unwrap();
            }
        }
    };
    let kept = everywhere(fill).await;
    kept.into_iter().map(|kept| World { kept, calls: calls.clone() }).collect()
}

const DIMENSIONS: [Dimension; 12] = [
    Dimension::Api,
    Dimension::Application,
    Dimension::Method,
    Dimension::Path,
    Dimension::Status,
    Dimension::FaultCode,
    Dimension::FaultType,
    Dimension::Country,
    Dimension::ClientIp,
    Dimension::FromCache,
    Dimension::Asn,
    Dimension::Device,
];

fn cell(row: &Row, of: Dimension) -> Cell {
    let text = |text: &String| Cell::Text(text.clone());
    match of {
        Dimension::Api => text(&row.api),
        Dimension::Application => text(&row.application),
        Dimension::Method => text(&row.method),
        Dimension::Path => text(&row.path),
        Dimension::Status => Cell::Number(row.status.into()),
        Dimension::FaultCode => Cell::Number(row.fault_code.into()),
        Dimension::FaultType => text(&row.fault_type),
        Dimension::Country => text(&row.country),
        Dimension::ClientIp => Cell::Text(match row.client_ip.as_slice() {
            [] => String::new(),
            [a, b, c, d] => format!("{a}.{b}.{c}.{d}"),
            _ => "2001:db8::".to_owned(),
        }),
        Dimension::FromCache => Cell::Flag(row.from_cache),
        Dimension::Asn => Cell::Number(row.asn.into()),
        Dimension::Device => text(&row.device),
        other => panic!("{other:?}"),
    }
}

fn amount(row: &Row, of: Amount) -> u64 {
    match of {
        Amount::Total => row.total_us,
        Amount::Backend => row.backend_us,
        Amount::Other => {
            let parts = row.backend_us + row.security_us + row.throttling_us;
            row.total_us.saturating_sub(parts + row.request_mediation_us)
        }
        Amount::RequestBytes => row.request_bytes,
        other => panic!("{other:?}"),
    }
}

fn holds(row: &Row, condition: &Condition) -> bool {
    let text = match cell(row, condition.of) {
        Cell::Text(text) => text,
        Cell::Number(number) => number.to_string(),
        Cell::Flag(yes) => yes.to_string(),
    };
    match &condition.test {
        Test::OneOf(values) => values.contains(&text),
        Test::NoneOf(values) => !values.contains(&text),
        Test::Prefix(start) => text.starts_with(start),
        Test::Contains(part) => text.to_lowercase().contains(&part.to_lowercase()),
        Test::Between(first, last) => (*first..=*last).contains(&text.parse().unwrap()),
    }
}

fn matching<'a>(
    calls: &'a [Row],
    window: Window,
    conditions: &'a [Condition],
) -> impl Iterator<Item = &'a Row> {
    calls.iter().filter(move |row| {
        (window.since_us..window.until_us).contains(&row.at_us)
            && conditions.iter().all(|condition| holds(row, condition))
    })
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn count(rows: &[&Row], of: Measure) -> f64 {
    let among = |which: fn(&Row) -> bool| {
        rows.iter().filter(|row| which(row)).map(|row| row.calls()).sum::<u64>() as f64
    };
    // Every amount as often as its call counts.
    let amounts = |of| {
        let counted = move |row: &&&Row| of != Amount::Backend || row.backend_us > 0;
        let times = |row: &&Row| usize::try_from(row.calls()).unwrap();
        let each = rows.iter().filter(counted);
        each.flat_map(move |row| repeat_n(amount(row, of), times(row))).collect::<Vec<u64>>()
    };
    match of {
        Measure::Calls => among(|_| true),
        Measure::Errors => among(|row| row.status == 0 || row.status >= 400),
        Measure::ServerErrors => among(|row| row.status >= 500),
        Measure::Throttled => among(|row| row.fault_type == "THROTTLED"),
        Measure::Cached => among(|row| row.from_cache),
        Measure::Sum(of) => amounts(of).iter().sum::<u64>() as f64,
        Measure::Mean(of) => {
            let amounts = amounts(of);
            amounts.iter().sum::<u64>() as f64 / amounts.len().max(1) as f64
        }
        Measure::Max(of) => amounts(of).into_iter().max().unwrap_or(0) as f64,
        Measure::Quantile(of, share) => {
            let mut amounts = amounts(of);
            amounts.sort_unstable();
            let rank = (amounts.len() * usize::from(share)).div_ceil(1000).max(1);
            amounts.get(rank - 1).copied().unwrap_or(0) as f64
        }
        Measure::Distinct(Dimension::ClientIp) => {
            let known = rows.iter().map(|row| row.address_id).filter(|id| *id != 0);
            known.collect::<BTreeSet<_>>().len() as f64
        }
        Measure::Distinct(of) => {
            let unknown = [Cell::Text(String::new()), Cell::Number(0)];
            let known = rows.iter().map(|row| cell(row, of)).filter(|cell| !unknown.contains(cell));
            known.map(|cell| key(&cell)).collect::<BTreeSet<_>>().len() as f64
        }
        Measure::Last => rows.iter().map(|row| row.at_us).max().unwrap_or(0) as f64,
    }
}

/// Cells in the order of their values: numbers by size.
fn key(cell: &Cell) -> (u64, String) {
    match cell {
        Cell::Text(text) => (0, text.clone()),
        Cell::Number(number) => (*number, number.to_string()),
        Cell::Flag(yes) => (u64::from(*yes), String::new()),
    }
}

type Keys = (i64, Vec<(u64, String)>);

/// All groups of a question, in the order of their values.
fn oracle(calls: &[Row], question: &Question) -> Vec<(Keys, Group)> {
    let mut groups: BTreeMap<Keys, (Vec<Cell>, Vec<&Row>)> = BTreeMap::new();
    for row in matching(calls, question.window, &question.conditions) {
        let start = |length| row.at_us.div_euclid(length) * length;
        let from_us = question.interval_us.map_or(question.window.since_us, start);
        let by: Vec<Cell> = question.by.iter().map(|of| cell(row, *of)).collect();
        let keys = (from_us, by.iter().map(key).collect());
        groups.entry(keys).or_insert_with(|| (by, Vec::new())).1.push(row);
    }
    let groups = groups.into_iter().map(|(keys, (by, rows))| {
        let measures = question.measures.iter().map(|of| count(&rows, *of)).collect();
        let from_us = keys.0;
        (keys, Group { from_us, by, measures })
    });
    groups.collect()
}

fn tolerance(of: Measure) -> f64 {
    match of {
        Measure::Quantile(..) => 0.01,
        Measure::Distinct(_) => 0.02,
        Measure::Mean(_) => 1e-12,
        _ => 0.0,
    }
}

async fn check(world: &World, question: &Question) {
    let mut expected = oracle(&world.calls, question);
    let said = world.kept.reader.answer(question).await.unwrap();
    let most = question.most.saturating_add(1);
    assert_eq!(said.len(), expected.len().min(most), "{question:?}");

    let place = match question.order {
        Order::Most(n) | Order::Least(n) => Some(n),
        Order::Values => None,
    };
    let measured = |group: &Group| match question.order {
        Order::Most(n) => -group.measures[n],
        Order::Least(n) => group.measures[n],
        Order::Values => 0.0,
    };
    let order = |a: &(Keys, Group), b: &(Keys, Group)| -> Ordering {
        let measure = measured(&a.1).total_cmp(&measured(&b.1));
        a.0.0.cmp(&b.0.0).then(measure).then_with(|| a.0.1.cmp(&b.0.1))
    };
    let of = |group: &Group| (group.from_us, group.by.iter().map(key).collect::<Vec<_>>());
    let said: Vec<_> = said.into_iter().map(|group| (of(&group), group)).collect();
    assert!(said.is_sorted_by(|a, b| order(a, b).is_le()), "{question:?}: {said:?}");

    let is_exact = place.is_none_or(|n| tolerance(question.measures[n]) == 0.0);
    if is_exact {
        // Which groups come first is known exactly.
        expected.sort_by(order);
        expected.truncate(most);
    }
    let expected: BTreeMap<_, _> = expected.into_iter().collect();
    for (keys, group) in said {
        let Some(wanted) = expected.get(&keys) else { panic!("{keys:?} in {question:?}") };
        for ((of, a), b) in question.measures.iter().zip(&group.measures).zip(&wanted.measures) {
            let off = (a - b).abs();
            assert!(off <= tolerance(*of) * b, "{of:?} is {a} for {b} of {keys:?} in {question:?}");
        }
    }
}

fn draw_condition(dice: &mut Dice) -> Condition {
    let of = dice.pick(&DIMENSIONS);
    let is_number = matches!(of, Dimension::Status | Dimension::FaultCode | Dimension::Asn);
    let has_text = !matches!(of, Dimension::ClientIp | Dimension::FromCache);
    let words = ["orders", "shop", "GET", "/orders/7", "404", "0", "THROTTLED", "DE", "", "x'--"];
    let mut values: Vec<String> =
        (0..=dice.roll(3)).map(|_| dice.pick(&words).to_owned()).collect();
    values.push(dice.pick(&["192.0.2.3", "2001:db8::", "500", "US", "true"]).to_owned());
    if is_number {
        // A number has one text only.
        values.retain(|value| !value.is_empty());
    }
    let test = match dice.roll(5) {
        0 => Test::NoneOf(values),
        1 if has_text => Test::Prefix(dice.pick(&["/orders/1", "s", "4", ""]).to_owned()),
        2 if has_text => Test::Contains(dice.pick(&["ORDERS", "ä", "P", "0"]).to_owned()),
        3 if is_number => {
            let first = i64::try_from(dice.roll(600)).unwrap() - 100;
            Test::Between(first, first + 200)
        }
        _ => Test::OneOf(values),
    };
    Condition { of, test }
}

fn draw_window(dice: &mut Dice) -> Window {
    if dice.roll(4) == 0 {
        // Whole files are inside.
        return Window { since_us: NOW_US - 24 * 60 * MINUTE_US, until_us: NOW_US };
    }
    let minute = |n: u64| NOW_US - i64::try_from(n).unwrap() * MINUTE_US;
    let ago = dice.roll(200);
    Window { since_us: minute(ago + 1), until_us: minute(ago.saturating_sub(dice.roll(200) + 1)) }
}

pub(super) fn draw(dice: &mut Dice) -> Question {
    let amount = |dice: &mut Dice| {
        dice.pick(&[Amount::Total, Amount::Backend, Amount::Other, Amount::RequestBytes])
    };
    let measures: Vec<Measure> = (0..=dice.roll(4))
        .map(|_| match dice.roll(11) {
            0 => Measure::Errors,
            1 => Measure::ServerErrors,
            2 => Measure::Throttled,
            3 => Measure::Sum(amount(dice)),
            4 => Measure::Mean(amount(dice)),
            5 => Measure::Max(amount(dice)),
            6 => Measure::Quantile(amount(dice), dice.pick(&[0, 500, 950, 990, 1000])),
            7 => Measure::Distinct(dice.pick(&DIMENSIONS)),
            8 => Measure::Last,
            9 => Measure::Cached,
            _ => Measure::Calls,
        })
        .collect();
    let n = usize::try_from(dice.roll(measures.len() as u64)).unwrap();
    let by: BTreeSet<Dimension> = (0..dice.roll(4)).map(|_| dice.pick(&DIMENSIONS)).collect();
    // Addresses are ordered by their bytes, which is not the order of their texts.
    let addresses = by.contains(&Dimension::ClientIp);
    let order = dice.pick(&[Order::Most(n), Order::Least(n), Order::Values]);
    Question {
        window: draw_window(dice),
        conditions: (0..dice.roll(3)).map(|_| draw_condition(dice)).collect(),
        interval_us: dice.pick(&[None, Some(MINUTE_US), Some(37 * MINUTE_US + 1)]),
        by: by.into_iter().filter(|_| !addresses).collect(),
        measures,
        order,
        most: usize::try_from(dice.pick(&[1_u64, 3, 10, 100_000])).unwrap(),
    }
}

async fn check_hundreds(calls: Vec<Row>) {
    for world in worlds(calls).await {
        let mut dice = Dice(23);
        for _ in 0..300 {
            check(&world, &draw(&mut dice)).await;
        }
    }
}

#[tokio::test]
async fn hundreds_of_questions_have_the_answers_of_a_loop() {
    check_hundreds(calls(3_000)).await;
}

#[tokio::test]
async fn they_have_them_also_where_each_call_stands_for_itself() {
    let each = |row: Row| Row { weight: row.weight % 2, ..row };
    check_hundreds(calls(3_000).into_iter().map(each).collect()).await;
}

fn question(by: &[Dimension], measures: &[Measure], order: Order) -> Question {
    Question {
        window: Window { since_us: NOW_US - HOURS * 60 * MINUTE_US, until_us: NOW_US },
        conditions: Vec::new(),
        interval_us: None,
        by: by.to_vec(),
        measures: measures.to_vec(),
        order,
        most: 1000,
    }
}

#[tokio::test]
async fn the_questions_of_reports_have_the_answers_of_a_loop() {
    let worlds = worlds(calls(4_000)).await;
    let quantiles = [500, 950, 990].map(|share| Measure::Quantile(Amount::Total, share));
    let backend = [500, 990].map(|share| Measure::Quantile(Amount::Backend, share));
    let (api, clients) = ([Dimension::Api], [Measure::Distinct(Dimension::ClientIp)]);
    for question in [
        question(&[], &[Measure::Calls, Measure::Errors], Order::Most(0)),
        question(&api, &[quantiles.as_slice(), &backend].concat(), Order::Most(1)),
        question(&[Dimension::Country], &clients, Order::Most(0)),
        question(&[Dimension::Path], &[Measure::Calls], Order::Most(0)),
        question(&[Dimension::Path, Dimension::Status], &[Measure::Last], Order::Least(0)),
    ] {
        for world in &worlds {
            check(world, &question).await;
        }
    }
}

#[tokio::test]
async fn addresses_are_told_apart_and_written_as_people_do() {
    for world in worlds(calls(2_000)).await {
        let question = question(&[Dimension::ClientIp], &[Measure::Calls], Order::Values);
        let said = world.kept.reader.answer(&question).await.unwrap();
        let said: BTreeMap<String, f64> =
            said.into_iter().map(|group| (key(&group.by[0]).1, group.measures[0])).collect();
        let expected = oracle(&world.calls, &question).into_iter();
        let expected: BTreeMap<_, _> =
            expected.map(|(keys, group)| (keys.1[0].1.clone(), group.measures[0])).collect();
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_the_reason() {
    for world in worlds(calls(10)).await {
        let test = |of, test| Question {
            conditions: vec![Condition { of, test }],
            ..question(&[], &[Measure::Calls], Order::Values)
        };
        let mut endless = question(&[], &[Measure::Calls], Order::Values);
        endless.interval_us = Some(0);
        for (question, reason) in [
            (test(Dimension::ClientIp, Test::Prefix("10.".to_owned())), "how it begins"),
            (test(Dimension::Api, Test::Between(1, 2)), "a span of numbers cannot be asked of Api"),
            (question(&[], &[], Order::Most(0)), "the order names measure 0"),
            (endless, "parts of 0 microseconds"),
        ] {
            let refused = world.kept.reader.answer(&question).await.unwrap_err();
            assert!(matches!(refused, QueryError::Refused(_)), "{refused:?}");
            assert!(refused.to_string().contains(reason), "{refused}");
        }
    }
}

#[tokio::test]
async fn pages_of_calls_are_those_of_a_loop_and_neither_repeat_nor_leave_out_one() {
    for world in worlds(calls(2_000)).await {
        let mut dice = Dice(31);
        for _ in 0..60 {
            let mut search = Search {
                window: draw_window(&mut dice),
                conditions: (0..dice.roll(3)).map(|_| draw_condition(&mut dice)).collect(),
                request_id: None,
                slower_than_us: (dice.roll(2) == 0).then(|| dice.roll(100_000)),
                after: None,
                most: usize::try_from(1 + dice.roll(300)).unwrap(),
            };
            let slower = search.slower_than_us.unwrap_or(0);
            let mut expected: Vec<Row> = matching(&world.calls, search.window, &search.conditions)
                .filter(|row| row.total_us >= slower)
                .cloned()
                .collect();
            expected.sort_by(|a, b| {
                b.at_us.cmp(&a.at_us).then_with(|| a.request_id.cmp(&b.request_id))
            });
            let mut said = Vec::new();
            loop {
                let found = world.kept.reader.search(&search).await.unwrap();
                assert!(found.rows.len() <= search.most);
                said.extend(found.rows);
                search.after = found.next;
                if search.after.is_none() {
                    break;
                }
            }
            assert_eq!(said.len(), expected.len(), "{search:?}");
            assert_eq!(said, expected, "{search:?}");
        }
    }
}

#[tokio::test]
async fn a_call_is_found_by_its_identifier() {
    for world in worlds(calls(500)).await {
        let window = Window { since_us: 0, until_us: i64::MAX };
        for row in world.calls.iter().step_by(100) {
            let id: [u8; 16] = row.request_id.clone().try_into().unwrap();
            let after: Option<Place> = None;
            let search = Search {
                window,
                conditions: Vec::new(),
                request_id: Some(id),
                slower_than_us: None,
                after,
                most: 10,
            };
            let found = world.kept.reader.search(&search).await.unwrap();
            assert_eq!((found.rows, found.next), (vec![row.clone()], None));
        }
    }
}

#[tokio::test]
async fn a_page_of_new_calls_does_not_open_files_of_old_ones() {
    let folder = Folder::new();
    let store = folder.open(Probe::default()).unwrap();
    for (sequence, minutes) in [(1, 60), (2, 0)] {
        let at_us = NOW_US - minutes * MINUTE_US;
        put(&store, "e", sequence, (0..5).map(|n| call(at_us - n, "orders", "")).collect());
        keep::flush(&store).unwrap();
    }
    let window = Window { since_us: 0, until_us: i64::MAX };
    let view = store.view(window);
    let oldest = view.segments.iter().min_by_key(|segment| segment.entry.last_us).unwrap();
    std::fs::remove_file(&oldest.path).unwrap();
    let search = |most| Search {
        window,
        conditions: Vec::new(),
        request_id: None,
        slower_than_us: None,
        after: None,
        most,
    };
    let reader = reader(&store);
    assert_eq!(reader.search(&search(4)).await.unwrap().rows.len(), 4);
    // One call more, and the file is missed.
    assert!(reader.search(&search(5)).await.is_err());
}
