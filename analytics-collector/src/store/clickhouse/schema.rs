//! Which table has the calls?
//!
//! One table `events` with the columns of `table` and, beside them, the name of the block that a call
//! came in. What is missing of it is made, what is there stays: a table that somebody prepared needs
//! no rights beyond reading and inserting.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use arrow::datatypes::DataType;

use super::server::{Server, ServerError};
use crate::store::arguments::Arguments;
use crate::store::sql::Dialect;
use crate::store::table::SCHEMA;

/// The column that says in which block a call came.
pub const BLOCK: &str = "block";
/// Blocks whose names the server itself remembers: at one a second almost three hours.
const REMEMBERED: u32 = 10_000;
/// Calls that are kept for longer than this are kept for ever: the server's times end in 2106.
const LONGEST_US: i64 = 20 * 365 * 86_400 * 1_000_000;
/// Texts that have as many values as there are calls, or nearly.
const MANY_VALUES: [&str; 3] = ["path", "user", "user_agent"];

/// The name of a database or a cluster: letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// Not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of letters, digits and _")]
pub struct NameError(String);

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(known) {
            return Err(NameError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The table of the calls.
#[derive(Clone, Debug)]
pub struct Table {
    /// The database.
    pub database: Name,
    /// The cluster whose servers all have the table and copy it from each other; absent: one server.
    pub cluster: Option<Name>,
    /// How long a call is kept, microseconds from when it was.
    pub kept_us: i64,
}

impl Table {
    /// Its name in a query.
    pub fn sql(&self) -> String {
        format!("{}.events", self.database)
    }

    /// Makes what is missing.
    pub async fn prepare(&self, server: &Server) -> Result<(), ServerError> {
        let there = self.columns(server).await?;
        if there.is_empty() {
            let cluster = self.on_cluster();
            run(server, format!("CREATE DATABASE IF NOT EXISTS {}{cluster}", self.database))
                .await?;
            run(server, self.create()).await?;
            return Ok(());
        }
        let missing: Vec<String> = columns()
            .filter(|(name, _)| !there.contains(*name))
            .map(|(name, kind)| format!("ADD COLUMN IF NOT EXISTS \"{name}\" {kind}"))
            .collect();
        if !missing.is_empty() {
            run(server, self.alter(&missing.join(", "))).await?;
        }
        self.keep(server).await
    }

    async fn columns(&self, server: &Server) -> Result<BTreeSet<String>, ServerError> {
        let mut arguments = Arguments::of(Dialect::ClickHouse);
        let database = arguments.text(&self.database.0);
        let sql = format!(
            "SELECT name FROM system.columns WHERE database = {database} AND table = 'events' \
             FORMAT TSVRaw"
        );
        let said = server.run(sql, &arguments).await?;
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }

    /// Calls go when they are as old as is configured now.
    async fn keep(&self, server: &Server) -> Result<(), ServerError> {
        let mut arguments = Arguments::of(Dialect::ClickHouse);
        let database = arguments.text(&self.database.0);
        let sql = format!(
            "SELECT engine_full FROM system.tables WHERE database = {database} AND name = 'events' \
             FORMAT TSVRaw"
        );
        let said = server.run(sql, &arguments).await?;
        let said = String::from_utf8_lossy(&said);
        let change = match self.end() {
            None if said.contains(" TTL ") => "REMOVE TTL".to_owned(),
            Some(end) if !said.contains(&format!("toIntervalSecond({})", self.kept_s())) => {
                format!("MODIFY TTL {end}")
            }
            _ => return Ok(()),
        };
        // Parts are dropped as a whole by the time of their last call; there is nothing to rewrite.
        run(server, self.alter(&format!("{change} SETTINGS materialize_ttl_after_modify = 0")))
            .await
    }

    pub(super) fn create(&self) -> String {
        let (table, cluster) = (self.sql(), self.on_cluster());
        let columns: Vec<String> =
            columns().map(|(name, kind)| format!("\"{name}\" {kind}")).collect();
        let columns = columns.join(", ");
        let engine = if self.cluster.is_some() { "ReplicatedMergeTree" } else { "MergeTree" };
        let end = self.end().map(|end| format!("TTL {end} ")).unwrap_or_default();
        // A block is on the disk when it is acknowledged, and known again for a while.
        format!(
            "CREATE TABLE IF NOT EXISTS {table}{cluster} ({columns}, \
                at DateTime64(6, 'UTC') ALIAS {AT}, \
                INDEX request_id_index request_id TYPE bloom_filter GRANULARITY 4) \
             ENGINE = {engine} PARTITION BY toDate({AT}, 'UTC') ORDER BY (tenant, api, at_us) {end}\
             SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, \
                non_replicated_deduplication_window = {REMEMBERED}, \
                replicated_deduplication_window = {REMEMBERED}"
        )
    }

    pub(super) fn alter(&self, what: &str) -> String {
        format!("ALTER TABLE {}{} {what}", self.sql(), self.on_cluster())
    }

    fn on_cluster(&self) -> String {
        self.cluster.as_ref().map(|name| format!(" ON CLUSTER {name}")).unwrap_or_default()
    }

    fn end(&self) -> Option<String> {
        let kept_s = self.kept_s();
        (self.kept_us <= LONGEST_US)
            .then(|| format!("toDateTime({AT}, 'UTC') + toIntervalSecond({kept_s})"))
    }

    fn kept_s(&self) -> i64 {
        self.kept_us.div_euclid(1_000_000)
    }
}

/// When a call was, as the server's time.
const AT: &str = "fromUnixTimestamp64Micro(at_us, 'UTC')";

/// Every column and its type.
fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let kinds = SCHEMA.fields().iter().map(|field| {
        let name = field.name().as_str();
        let kind = match field.data_type() {
            DataType::Int64 => "Int64 CODEC(Delta, ZSTD)",
            DataType::UInt32 => "UInt32",
            DataType::UInt64 => "UInt64 CODEC(ZSTD)",
            DataType::Boolean => "Bool",
            DataType::Utf8 if !MANY_VALUES.contains(&name) => "LowCardinality(String)",
            _ => "String CODEC(ZSTD)",
        };
        (name, kind)
    });
    kinds.chain([(BLOCK, "LowCardinality(String)")])
}

async fn run(server: &Server, sql: String) -> Result<(), ServerError> {
    server.run(sql, &Arguments::of(Dialect::ClickHouse)).await.map(drop)
}
