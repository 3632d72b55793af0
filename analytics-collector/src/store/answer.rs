//! What does the store count?

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use duckdb::Connection;

use super::distinct::Sketch;
use super::in_force::View;
use super::query::{Engine, QueryError, run};
use super::sql::{self, Counting, Dialect, Known, Refused, count::MOST_TO_ORDER};
use super::value::Value;
use super::{rollup, sketches};
use crate::question::{Amount, Cell, Group, Measure, Order, Question};

impl Engine {
    /// Answers a question: the groups that have calls, in the order of the question, and one more
    /// than it wants where there are more. Of different values those that are unknown (empty, 0)
    /// do not count.
    pub async fn answer(self: &Arc<Self>, question: &Question) -> Result<Vec<Group>, QueryError> {
        let (asked, window, few) = (question.clone(), question.window, self.few);
        let work = move |connection: &Connection, view: View| {
            let counting = match as_sql(&asked, &view, few) {
                Ok(counting) => counting,
                Err(refused) => return Ok(Err(refused)),
            };
            let Counting { sql, arguments, unordered } = counting;
            let rows = run(connection, view, window, &sql, &arguments, values)?;
            Ok(Ok((rows, unordered)))
        };
        let (rows, unordered) = self.work(window, work).await??;
        groups(question, unordered, rows)
    }
}

/// Old calls do not answer everything that new ones do. So many rows are `few`, at most.
fn as_sql(question: &Question, view: &View, few: u64) -> Result<Counting, Refused> {
    let amounts = question.measures.iter().copied().filter_map(amount_of);
    let amounts: BTreeSet<Amount> = amounts.collect();
    let few = view.rows().saturating_mul(amounts.len() as u64) <= few;
    let known = Known { even: view.is_even(), few, sketched: false };
    let counts = || view.segments.iter().filter(|segment| segment.entry.grain_us > 0);
    let Some(coarsest_us) = counts().map(|segment| segment.entry.grain_us).max() else {
        return sql::count(question, Dialect::DuckDb, known);
    };
    let kept = counts().all(|segment| segment.sketches.is_some());
    let sketched = check_counts(question, coarsest_us, kept)?;
    sql::count(question, Dialect::DuckDb, Known { sketched, ..known })
}

/// Whether a question that reaches back to counts by so many microseconds needs the sketches beside them,
/// which are `kept` of all of the time or not. Refused where counts do not answer it.
pub(super) fn check_counts(
    question: &Question,
    coarsest_us: i64,
    kept: bool,
) -> Result<bool, Refused> {
    rollup::check(question, coarsest_us)?;
    sketches::check(question, kept)
}

/// Of which amount a measure is a quantile.
const fn amount_of(measure: Measure) -> Option<Amount> {
    match measure {
        Measure::Quantile(of, _) => Some(of),
        _ => None,
    }
}

/// The groups that an engine's rows say: each the start of its part of time, its dimensions and its
/// measures.
pub(super) fn groups(
    question: &Question,
    unordered: bool,
    rows: Vec<Vec<Value>>,
) -> Result<Vec<Group>, QueryError> {
    let mut groups: Vec<Group> = rows.into_iter().map(|row| group(question, row)).collect();
    if unordered {
        if groups.len() > MOST_TO_ORDER {
            return Err(Refused::TooManyToOrder(MOST_TO_ORDER).into());
        }
        groups.sort_by(|a, b| compare(question, a, b));
        groups.truncate(question.most.saturating_add(1));
    }
    Ok(groups)
}

fn values(row: &duckdb::Row<'_>) -> duckdb::Result<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|at| Ok(value(row.get(at)?))).collect()
}

fn value(value: duckdb::types::Value) -> Value {
    use duckdb::types::Value as Answer;
    match value {
        Answer::BigInt(number) => Value::Number(number),
        Answer::Int(number) => Value::Number(number.into()),
        Answer::UInt(number) => Value::Amount(number.into()),
        Answer::UBigInt(number) => Value::Amount(number),
        Answer::Double(number) => Value::Real(number),
        Answer::Text(text) => Value::Text(text),
        Answer::Boolean(yes) => Value::Flag(yes),
        Answer::Blob(bytes) => Value::Bytes(bytes),
        other => {
            tracing::error!(value = ?other, "an answer has a value of no known kind");
            Value::Text(String::new())
        }
    }
}

fn group(question: &Question, row: Vec<Value>) -> Group {
    let mut values = row.into_iter();
    let from_us = match values.next() {
        Some(Value::Number(at_us)) => at_us,
        _ => question.window.since_us,
    };
    let by = question.by.iter().zip(values.by_ref()).map(|(_, value)| cell(value)).collect();
    let measures =
        question.measures.iter().zip(values).map(|(of, value)| measure(*of, &value)).collect();
    let mut group = Group { from_us, by, measures };
    bound_by_calls(question, &mut group);
    group
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn cell(value: Value) -> Cell {
    match value {
        Value::Text(text) => Cell::Text(text),
        Value::Flag(yes) => Cell::Flag(yes),
        Value::Amount(number) => Cell::Number(number),
        Value::Number(number) => Cell::Number(u64::try_from(number).unwrap_or(0)),
        Value::Real(number) => Cell::Number(number as u64),
        Value::Bytes(bytes) => Cell::Text(address(&bytes)),
    }
}

fn address(bytes: &[u8]) -> String {
    let address = <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.map(|address| address.to_string()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn measure(of: Measure, value: &Value) -> f64 {
    match (of, value) {
        (Measure::Distinct(_), Value::Text(pairs)) => sketch(pairs).estimate() as f64,
        (_, Value::Real(number)) => *number,
        _ => 0.0,
    }
}

/// `rank:registers …`
fn sketch(pairs: &str) -> Sketch {
    let mut sketch = Sketch::default();
    for (rank, registers) in pairs.split(' ').filter_map(|pair| pair.split_once(':')) {
        if let (Ok(rank), Ok(registers)) = (rank.parse(), registers.parse()) {
            sketch.add(rank, registers);
        }
    }
    sketch
}

/// More different values than calls cannot be: few values are estimated with a small error.
fn bound_by_calls(question: &Question, group: &mut Group) {
    let calls = question.measures.iter().position(|measure| *measure == Measure::Calls);
    let Some(calls) = calls.and_then(|at| group.measures.get(at).copied()) else { return };
    for (of, value) in question.measures.iter().zip(&mut group.measures) {
        if matches!(of, Measure::Distinct(_)) {
            *value = value.min(calls);
        }
    }
}

fn compare(question: &Question, a: &Group, b: &Group) -> Ordering {
    let by_measure = |n: usize| {
        let of = |group: &Group| group.measures.get(n).copied().unwrap_or(0.0);
        of(a).total_cmp(&of(b))
    };
    let measure = match question.order {
        Order::Most(n) => by_measure(n).reverse(),
        Order::Least(n) => by_measure(n),
        Order::Values => Ordering::Equal,
    };
    let values = || {
        let pairs = a.by.iter().zip(&b.by).map(|(a, b)| compare_cells(a, b));
        pairs.fold(Ordering::Equal, Ordering::then)
    };
    a.from_us.cmp(&b.from_us).then(measure).then_with(values)
}

fn compare_cells(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Number(a), Cell::Number(b)) => a.cmp(b),
        (Cell::Flag(a), Cell::Flag(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
