//! How does the server count the calls of a day?
//!
//! The same rows as `rollup` makes for the embedded store, and the same registers as `sketches`, written
//! as SQL so that no call leaves the server. A name in `replaced` says which blocks of calls are in
//! them; a call that comes later is in another one.

use super::ledger::Try;
use super::schema::{BLOCK, Table};
use super::tables::Tables;
use crate::store::rollup::{KEPT, amount_names};
use crate::store::sketches::{COUNTED, HEIGHT, KEYS, OF, REGISTER};
use crate::store::sql::columns::{self, WEIGHT};
use crate::store::sql::{Dialect, dialect};

/// The largest number of calls that a row stands for.
const MOST_CALLS: u32 = u32::MAX;

/// Says which blocks a try counts: all that are there now.
pub fn replaced(tables: &Tables, of: &Try) -> String {
    let (from, into) = (tables.sql(Table::Events), tables.sql(Table::Replaced));
    let Try { day, name, .. } = of;
    format!(
        "INSERT INTO {into} (day, \"{BLOCK}\", name, rows, calls) \
         SELECT {day}, \"{BLOCK}\", '{name}', count(), sum({WEIGHT}) FROM {from} \
         WHERE {} AND \"{BLOCK}\" <> '' GROUP BY \"{BLOCK}\"",
        within(of)
    )
}

/// Counts these blocks and the counts of the turn before.
///
/// Every amount is the mean, rounded down for some of the calls and up for the others, so sums are exact:
/// between two of the `ends` all amounts of a group are the same.
pub fn counts(tables: &Tables, of: &Try, before: Option<&Try>) -> String {
    let kept = KEPT.iter().map(|kept| columns::of(*kept).sql()).collect::<Vec<_>>().join(", ");
    let amounts: Vec<&str> = amount_names().collect();
    let columns = format!("at_us, {kept}, {}, weight", amounts.join(", "));
    let calls = sources(tables, of, before, &columns);
    let start = dialect::start(&of.grain_us.to_string());
    let buckets: Vec<String> = amounts.iter().take(2).map(|name| dialect::bucket(name)).collect();
    let sums = amounts.iter().enumerate();
    let sums = sums.map(|(n, name)| format!(", sum(toUInt128({name}) * {WEIGHT}) AS s{n}"));
    let ends = (0..amounts.len()).map(|n| format!("toUInt64(s{n} % calls), "));
    let each = (0..amounts.len())
        .map(|n| format!("toUInt64(intDiv(s{n}, calls) + (since < s{n} % calls)), "));
    let (into, name) = (tables.sql(Table::Counts), &of.name);
    format!(
        "INSERT INTO {into} ({columns}, \"{BLOCK}\") \
         SELECT part_us, {kept}, {each}toUInt32(until - since), '{name}' FROM ( \
            SELECT *, arraySort(arrayDistinct(arrayFilter(end -> end > 0, arrayConcat( \
                [{ends}calls], \
                arrayMap(n -> toUInt64(n * {MOST_CALLS}), \
                    range(toUInt64(intDiv(calls, {MOST_CALLS})) + 1)))))) AS ends \
            FROM (SELECT {start} AS part_us, {kept}, sum({WEIGHT}) AS calls{sums} \
                FROM ({calls}) GROUP BY part_us, {kept}, {buckets})) \
         ARRAY JOIN arrayPushFront(arrayPopBack(ends), 0) AS since, ends AS until",
        each = each.collect::<String>(),
        ends = ends.collect::<String>(),
        sums = sums.collect::<String>(),
        buckets = buckets.join(", ")
    )
}

/// Makes the registers of who made these calls, with those of the turn before.
pub fn sketches(tables: &Tables, of: &Try, before: Option<&Try>) -> String {
    let keys = KEYS.iter().map(|key| columns::of(*key).sql()).collect::<Vec<_>>().join(", ");
    let start = dialect::start(&of.grain_us.to_string());
    let dialect = Dialect::ClickHouse;
    let (register, rest) = (dialect.register("digest"), dialect.rest("digest"));
    let rank = dialect::rank(&rest);
    let mut parts: Vec<String> = COUNTED
        .iter()
        .map(|of_whom| {
            let column = columns::of(*of_whom);
            let (value, is_known, whose) = (column.digested(), column.is_known(), column.name);
            let calls = blocks(tables, of);
            let digest = column.lasting_digest(dialect, "value");
            // Each value once: a digest takes its time.
            format!(
                "SELECT part_us, {keys}, '{whose}' AS whose, toUInt32({register}) AS place, \
                    toUInt32({rank}) AS rank \
                 FROM (SELECT part_us, {keys}, {digest} AS digest FROM ( \
                    SELECT {start} AS part_us, {keys}, {value} AS value \
                    FROM {calls} AND {is_known} GROUP BY part_us, {keys}, value))"
            )
        })
        .collect();
    if let Some(before) = before {
        parts.push(format!(
            "SELECT {start} AS part_us, {keys}, \"{OF}\" AS whose, {REGISTER} AS place, \
                {HEIGHT} AS rank FROM {} WHERE {} AND \"{BLOCK}\" = '{}'",
            tables.sql(Table::Sketches),
            within(of),
            before.name
        ));
    }
    let (into, name) = (tables.sql(Table::Sketches), &of.name);
    format!(
        "INSERT INTO {into} (at_us, {keys}, \"{OF}\", {REGISTER}, {HEIGHT}, \"{BLOCK}\") \
         SELECT part_us, {keys}, whose, place, max(rank), '{name}' FROM ({}) \
         GROUP BY part_us, {keys}, whose, place",
        parts.join(" UNION ALL ")
    )
}

/// How many rows and calls were to be counted, and how many are.
pub fn sums(tables: &Tables, of: &Try, before: Option<&Try>) -> String {
    let counted = |name: &str| {
        let (counts, within) = (tables.sql(Table::Counts), within(of));
        format!("(SELECT sum(weight) FROM {counts} WHERE {within} AND \"{BLOCK}\" = '{name}')")
    };
    let (replaced, Try { day, name, .. }) = (tables.sql(Table::Replaced), of);
    let of_blocks = |what: &str| {
        format!("(SELECT sum({what}) FROM {replaced} WHERE day = {day} AND name = '{name}')")
    };
    let before = before.map_or("0".to_owned(), |before| counted(&before.name));
    format!("SELECT {}, {} + {before}, {}", of_blocks("rows"), of_blocks("calls"), counted(name))
}

/// Which blocks of calls a try has replaced, as a condition.
pub fn is_replaced(tables: &Tables, days: (i64, i64), names: &[String]) -> String {
    let (replaced, (first, last)) = (tables.sql(Table::Replaced), days);
    format!(
        "\"{BLOCK}\" IN (SELECT \"{BLOCK}\" FROM {replaced} \
         WHERE day >= {first} AND day <= {last} AND name IN ({}))",
        texts(names)
    )
}

/// Names of ours as a list of texts.
pub fn texts(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// The calls of the blocks, and the counts of the turn before.
fn sources(tables: &Tables, of: &Try, before: Option<&Try>, columns: &str) -> String {
    let calls = format!("SELECT {columns} FROM {}", blocks(tables, of));
    let Some(before) = before else { return calls };
    let (counts, within, name) = (tables.sql(Table::Counts), within(of), &before.name);
    format!(
        "{calls} UNION ALL SELECT {columns} FROM {counts} WHERE {within} AND \"{BLOCK}\" = '{name}'"
    )
}

/// The calls of the blocks; more conditions may follow.
fn blocks(tables: &Tables, of: &Try) -> String {
    let (events, within) = (tables.sql(Table::Events), within(of));
    let names = std::slice::from_ref(&of.name);
    format!("{events} WHERE {within} AND {}", is_replaced(tables, (of.day, of.day), names))
}

fn within(of: &Try) -> String {
    let window = of.window();
    format!("at_us >= {} AND at_us < {}", window.since_us, window.until_us)
}
