//! How is a question answered from the segments and the rows in memory?
//!
//! In SQL by DuckDB, in process and in memory: it opens no database file, reads nothing but
//! segments, has a bound on its memory and threads, and each query has a time limit. A question
//! names the events as `events`; that is the Parquet files and the rows in memory of one instant,
//! cut to the window. What a caller says travels as parameters and never as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::clock::Clock;
use duckdb::{Config, Connection, InterruptHandle, Row, params_from_iter};
use tokio::sync::Semaphore;

use super::arguments::Arguments;
use super::clickhouse::ServerError;
use super::in_force::View;
use super::manifest::SegmentEntry;
use super::newest::{self, Newest};
use super::open::Store;
use super::segment::Segment;
use super::sql::Refused;
use super::table;
use super::value::Value;
use crate::guard::lock;
use crate::question::Window;

/// Queries that may wait for their turn; further ones are refused.
pub(super) const WAITING: usize = 64;

/// Half of the engine's memory has room for the buckets of so many rows per mebibyte, as a power of
/// two: each takes two bytes, and up to four times as much while threads gather them.
const FEW_BITS: u32 = 16;

/// Bounds of the query engine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Queries at the same time.
    pub concurrency: usize,
    /// Threads of the engine, for all queries together.
    pub threads: usize,
    /// Memory of the engine, for all queries together.
    pub memory_mb: usize,
    /// A query that takes longer is stopped.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It took too long.
    #[error("the query was stopped after {0:?}")]
    Timeout(Duration),
    /// It needed too much memory.
    #[error("the query needs more memory than it may use; ask for less time or longer intervals")]
    Memory(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too many are waiting.
    #[error("too many queries are waiting")]
    Busy,
    /// The engine failed.
    #[error("the query engine failed")]
    Engine(#[from] duckdb::Error),
    /// The engine's thread failed.
    #[error("the query engine stopped half-way")]
    Broken,
    /// The server that keeps the calls cannot be reached.
    #[error("ClickHouse, where the calls are, cannot be reached")]
    Away(#[source] ServerError),
    /// The server did not answer as it should.
    #[error("ClickHouse, where the calls are, gave no answer")]
    Server(#[source] ServerError),
    /// It asks for what the store does not have.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Answers questions about what the collector itself keeps.
pub struct Engine {
    store: Arc<Store>,
    /// Connections that nobody uses now; each is one query's at a time.
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    waiting: Semaphore,
    /// Rows of which every bucket may be in memory.
    pub(super) few: u64,
    timeout: Duration,
    clock: Clock,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine over a store.
    pub fn start(store: Arc<Store>, limits: &Limits, clock: Clock) -> Result<Self, QueryError> {
        let config = Config::default()
            .max_memory(&format!("{}MiB", limits.memory_mb))?
            .threads(i64::try_from(limits.threads).unwrap_or(1))?
            .enable_autoload_extension(false)?
            .with("autoinstall_known_extensions", "false")?
            .with("preserve_insertion_order", "false")?
            .with("temp_directory", "")?;
        let first = Connection::open_in_memory_with_flags(config)?;
        first.register_table_function::<Newest>("newest")?;
        // Segments never change: what is at their ends need not be read for every question.
        first.execute_batch(&format!(
            "SET parquet_metadata_cache = true; SET allowed_directories = [{}]; SET enable_external_access = false; \
             SET lock_configuration = true;",
            quoted(&store.segments())
        ))?;
        let mut idle = Vec::with_capacity(limits.concurrency.max(1));
        for _ in 1..limits.concurrency {
            idle.push(first.try_clone()?);
        }
        idle.push(first);
        Ok(Self {
            store,
            turns: Arc::new(Semaphore::new(idle.len())),
            idle: Mutex::new(idle),
            waiting: Semaphore::new(WAITING),
            few: (limits.memory_mb as u64) << FEW_BITS,
            timeout: limits.timeout,
            clock,
        })
    }

    /// Runs a question over the calls of a window, as far as they are not only counted any more. Its
    /// text says `events` for them.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        window: Window,
        sql: String,
        arguments: Arguments,
        read: impl Fn(&Row<'_>) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<Vec<T>, QueryError> {
        let work = move |connection: &Connection, mut view: View| {
            view.segments.retain(|segment| segment.entry.grain_us == 0);
            run(connection, view, window, &sql, &arguments, read)
        };
        self.work(window, work).await
    }

    /// Works with a connection on what is stored of a window at one instant.
    pub(super) async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        window: Window,
        work: impl FnOnce(&Connection, View) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let work = self.work_unlimited(window, work);
        self.clock
            .timeout(self.timeout, work)
            .await
            .map_err(|_| QueryError::Timeout(self.timeout))?
    }

    async fn work_unlimited<T: Send + 'static>(
        self: &Arc<Self>,
        window: Window,
        work: impl FnOnce(&Connection, View) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let waiting = self.waiting.try_acquire().map_err(|_| QueryError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| QueryError::Broken)?;
        drop(waiting);
        let Some(connection) = lock(&self.idle).pop() else { return Err(QueryError::Broken) };
        let handle = Arc::new(Mutex::new(Some(connection.interrupt_handle())));
        // Dropped with this future: whoever stops waiting also stops the query.
        let _stop = Stop(Arc::clone(&handle));
        let engine = Arc::clone(self);
        let work = move || {
            let wanted = lock(&handle).is_some();
            let answer = wanted.then(|| work(&connection, engine.store.view(window)));
            // From here on an interrupt would stop the query of somebody else.
            *lock(&handle) = None;
            lock(&engine.idle).push(connection);
            drop(turn);
            answer
        };
        let answer = tokio::task::spawn_blocking(work).await.ok().flatten();
        answer.ok_or(QueryError::Broken)?.map_err(|error| match error {
            duckdb::Error::DuckDBFailure(_, Some(ref text)) if text.contains("Out of Memory") => {
                QueryError::Memory(error.into())
            }
            error => QueryError::Engine(error),
        })
    }
}

/// Interrupts its query, if that still runs, when it is dropped.
struct Stop(Arc<Mutex<Option<Arc<InterruptHandle>>>>);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(handle) = lock(&self.0).take() {
            handle.interrupt();
        }
    }
}

/// What files that are read together are like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Like {
    /// How many columns they have.
    columns: usize,
    /// All of their calls are in the window.
    inside: bool,
}

/// Runs a question over a view, cut to a window.
pub(super) fn run<T>(
    connection: &Connection,
    view: View,
    window: Window,
    sql: &str,
    arguments: &Arguments,
    read: impl Fn(&Row<'_>) -> duckdb::Result<T>,
) -> duckdb::Result<Vec<T>> {
    let View { segments, newest } = view;
    let loan = newest::lend(newest);
    let mut paths: BTreeMap<Like, Vec<String>> = BTreeMap::new();
    for segment in &segments {
        let SegmentEntry { first_us, last_us, columns, .. } = segment.entry;
        let inside = first_us >= window.since_us && last_us < window.until_us;
        paths.entry(Like { columns, inside }).or_default().push(quoted(&segment.path));
    }
    let events = events(&paths, loan.number, window);
    let sketches = sketches(&segments, window);
    // The files of `segments` stay until the last row is read.
    let sql = format!("WITH events AS NOT MATERIALIZED ({events}){sketches} {sql}");
    let mut statement = connection.prepare(&sql)?;
    let arguments = arguments.values().iter().map(parameter);
    let rows = statement.query_map(params_from_iter(arguments), read)?;
    rows.collect()
}

fn parameter(value: &Value) -> duckdb::types::Value {
    use duckdb::types::Value as Parameter;
    match value {
        Value::Number(number) => Parameter::BigInt(*number),
        Value::Amount(number) => Parameter::UBigInt(*number),
        Value::Real(number) => Parameter::Double(*number),
        Value::Text(text) => Parameter::Text(text.clone()),
        Value::Flag(yes) => Parameter::Boolean(*yes),
        Value::Bytes(bytes) => Parameter::Blob(bytes.clone()),
    }
}

/// The window is written as text, and not as parameters, so that the engine can skip files and
/// row groups by it: these are numbers of ours, not words of a caller. Of files that are inside
/// nobody reads the times.
fn events(paths: &BTreeMap<Like, Vec<String>>, newest: u64, window: Window) -> String {
    let Window { since_us, until_us } = window;
    let within = format!("at_us >= {since_us} AND at_us < {until_us}");
    let columns = table::names().collect::<Vec<_>>().join(", ");
    let newest = format!("SELECT {columns} FROM newest({newest}::UBIGINT) WHERE {within}");
    let kept = paths.iter().map(|(like, paths)| {
        let columns = table::names_in(like.columns).collect::<Vec<_>>().join(", ");
        let paths = paths.join(", ");
        let within = if like.inside { "true" } else { &within };
        format!(
            "SELECT {columns} FROM read_parquet([{paths}], hive_partitioning = false) \
             WHERE {within}"
        )
    });
    std::iter::once(newest).chain(kept).collect::<Vec<_>>().join(" UNION ALL ")
}

/// The registers of calls that are only counted any more; nothing where there are none.
fn sketches(segments: &[Arc<Segment>], window: Window) -> String {
    let paths = segments.iter().filter_map(|segment| segment.sketches.as_deref());
    let paths = paths.map(quoted).collect::<Vec<_>>().join(", ");
    if paths.is_empty() {
        return String::new();
    }
    let Window { since_us, until_us } = window;
    format!(
        ", sketches AS NOT MATERIALIZED (
            SELECT * FROM read_parquet([{paths}], hive_partitioning = false)
            WHERE at_us >= {since_us} AND at_us < {until_us})"
    )
}

/// A path of ours as a text of SQL.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "''"))
}
