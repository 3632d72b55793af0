//! What does the ClickHouse count and find?
//!
//! The questions and searches of the embedded engine, in ClickHouse's words.

use std::time::Duration;

use detect::span::DAY_US;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use super::counts;
use super::ledger::{Ledger, Past};
use super::schema::{BLOCK, Table};
use super::server::{Server, ServerError};
use super::tables::Tables;
use crate::event::Row;
use crate::question::{Found, Group, Measure, Question, Search, Window};
use crate::store::answer::{check_counts, groups};
use crate::store::arguments::Arguments;
use crate::store::query::{Limits, QueryError, WAITING};
use crate::store::read_back::{self, Kept};
use crate::store::search::place;
use crate::store::sql::columns::{self, Kind};
use crate::store::sql::{self, Dialect, Finding, Known};
use crate::store::table;
use crate::store::value::Value;

/// Answers questions from a ClickHouse.
#[derive(Debug)]
pub struct Asker {
    server: Server,
    tables: Tables,
    limits: Limits,
    /// Queries that run or wait.
    turns: Semaphore,
}

impl Asker {
    /// Over the tables of a server.
    pub fn new(server: Server, tables: Tables, limits: Limits) -> Self {
        let turns = Semaphore::new(WAITING.saturating_add(limits.concurrency));
        Self { server, tables, limits, turns }
    }

    /// Answers a question.
    pub async fn answer(&self, question: &Question) -> Result<Vec<Group>, QueryError> {
        let past = self.past(question.window).await?;
        let counted = past.coarsest_us;
        let sketched =
            counted.map(|grain_us| check_counts(question, grain_us, true)).transpose()?;
        let known = Known { sketched: sketched.unwrap_or(false), ..Known::default() };
        let counting = sql::count(question, Dialect::ClickHouse, known)?;
        let sources = self.calls_and_counts(question.window, &past);
        let lines = self.ask(&sources, &counting.sql, &counting.arguments).await?;
        let rows: Option<Vec<_>> = lines.iter().map(|line| values(question, line)).collect();
        groups(question, counting.unordered, rows.ok_or_else(odd)?)
    }

    /// Finds a page of calls: first their places, over few columns, then the calls there.
    pub async fn search(&self, search: &Search) -> Result<Found, QueryError> {
        let finding = Finding::new(search, Dialect::ClickHouse)?;
        let sql = finding.places(search.most.saturating_add(1));
        // Of calls that were only counted nothing is left to be found.
        let past = self.past(finding.window).await?;
        let calls = |window| format!("events AS ({})", self.calls(window, &past));
        let places = self.ask(&calls(finding.window), &sql, &finding.arguments).await?;
        let more = places.len() > search.most;
        let times: Option<Vec<i64>> =
            places.iter().take(search.most).map(|line| i64::from_json(line.first()?)).collect();
        let mut times = times.ok_or_else(odd)?;
        let (Some(newest), Some(oldest)) = (times.first(), times.last()) else {
            return Ok(Found { rows: Vec::new(), next: None });
        };
        let window = Window { since_us: *oldest, until_us: newest.saturating_add(1) };
        let found = times.len();
        times.dedup();
        let sql = finding.calls(&times, found);
        let lines = self.ask(&calls(window), &sql, &finding.arguments).await?;
        let rows: Result<Vec<Row>, ServerError> =
            lines.iter().map(|line| read_back::row(&Line(line))).collect();
        let rows = rows.map_err(QueryError::Server)?;
        let next = rows.last().filter(|_| more).map(place);
        Ok(Found { rows, next })
    }

    /// Which counts a window has.
    async fn past(&self, window: Window) -> Result<Past, QueryError> {
        let Window { since_us, until_us } = window;
        let last = until_us.saturating_sub(1).div_euclid(DAY_US);
        let days = since_us.div_euclid(DAY_US)..last.saturating_add(1);
        let ledger = Ledger::read(&self.server, &self.tables, days).await;
        Ok(ledger.map_err(|error| failed(error, self.limits.timeout))?.past())
    }

    /// The calls of a window that are not in counts.
    fn calls(&self, window: Window, past: &Past) -> String {
        let Window { since_us, until_us } = window;
        let columns = table::names().collect::<Vec<_>>().join(", ");
        let events = self.tables.sql(Table::Events);
        // As in the embedded engine the window is text of ours, so that parts are left out by it.
        let calls = format!(
            "SELECT {columns} FROM {events} WHERE at_us >= {since_us} AND at_us < {until_us}"
        );
        if past.unswept.is_empty() {
            return calls;
        }
        let days = (since_us.div_euclid(DAY_US), until_us.div_euclid(DAY_US));
        format!("{calls} AND NOT ({})", counts::is_replaced(&self.tables, days, &past.unswept))
    }

    /// These and the counts, and who is in the counts.
    fn calls_and_counts(&self, window: Window, past: &Past) -> String {
        let calls = self.calls(window, past);
        if past.rollups.is_empty() {
            return format!("events AS ({calls})");
        }
        let Window { since_us, until_us } = window;
        let columns = table::names().collect::<Vec<_>>().join(", ");
        let (counts, sketches) = (self.tables.sql(Table::Counts), self.tables.sql(Table::Sketches));
        let in_force = format!(
            "at_us >= {since_us} AND at_us < {until_us} AND \"{BLOCK}\" IN ({})",
            counts::texts(&past.rollups)
        );
        format!(
            "events AS ({calls} UNION ALL SELECT {columns} FROM {counts} WHERE {in_force}), \
             sketches AS (SELECT * FROM {sketches} WHERE {in_force})"
        )
    }

    /// Runs a query over what `sources` name.
    async fn ask(
        &self,
        sources: &str,
        sql: &str,
        arguments: &Arguments,
    ) -> Result<Vec<Vec<Json>>, QueryError> {
        let _turn = self.turns.try_acquire().map_err(|_| QueryError::Busy)?;
        let sql = format!("WITH {sources} {sql}");
        let answer = self.server.rows(&sql, &self.settings(), arguments).await;
        answer.map_err(|error| failed(error, self.limits.timeout))
    }

    /// The bounds of a query, and what servers are configured to do differently.
    fn settings(&self) -> String {
        let Limits { threads, memory_mb, timeout, .. } = self.limits;
        format!(
            "max_execution_time = {}, max_memory_usage = {}, max_threads = {threads}, \
             join_use_nulls = 0",
            timeout.as_secs_f64().ceil(),
            memory_mb.saturating_mul(1 << 20),
        )
    }
}

fn failed(error: ServerError, timeout: Duration) -> QueryError {
    if error.is_late() {
        return QueryError::Timeout(timeout);
    }
    if error.is_large() {
        return QueryError::Memory(error.into());
    }
    if error.is_busy() {
        return QueryError::Busy;
    }
    match error {
        ServerError::Away(_) => QueryError::Away(error),
        ServerError::Refused { .. } | ServerError::Odd => QueryError::Server(error),
    }
}

fn odd() -> QueryError {
    QueryError::Server(ServerError::Odd)
}

/// The start of the part of time, the dimensions and the measures of a line.
fn values(question: &Question, line: &[Json]) -> Option<Vec<Value>> {
    let (from_us, rest) = line.split_first()?;
    let (by, measures) = rest.split_at_checked(question.by.len())?;
    let from_us = Some(Value::Number(from_us.as_i64()?));
    let by = question.by.iter().zip(by).map(|(of, json)| dimension(columns::of(*of).kind, json));
    let measures = question.measures.iter().zip(measures).map(|(of, json)| measure(*of, json));
    std::iter::once(from_us).chain(by).chain(measures).collect()
}

fn dimension(kind: Kind, json: &Json) -> Option<Value> {
    Some(match kind {
        Kind::Text => Value::Text(String::from_json(json)?),
        Kind::Number => Value::Amount(u64::from_json(json)?),
        Kind::Flag => Value::Flag(bool::from_json(json)?),
        Kind::Address => Value::Bytes(Kept::from_json(json)?),
    })
}

fn measure(of: Measure, json: &Json) -> Option<Value> {
    Some(match of {
        Measure::Distinct(_) => Value::Text(String::from_json(json)?),
        _ => Value::Real(json.as_f64()?),
    })
}

/// A call as a line of an answer has it.
struct Line<'a>(&'a [Json]);

impl read_back::Found for Line<'_> {
    type Error = ServerError;

    fn get<T: Kept>(&self, at: usize) -> Result<T, ServerError> {
        self.0.get(at).and_then(T::from_json).ok_or(ServerError::Odd)
    }

    fn unknown(&self, _name: &str) -> ServerError {
        ServerError::Odd
    }
}
