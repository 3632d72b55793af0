//! How are the tables made that are missing, and kept as they are configured?
//!
//! What is missing is made, what is there stays: tables that somebody prepared need no rights beyond
//! reading and inserting, and deleting where calls become counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use super::schema::Table;
use super::server::{Server, ServerError};
use crate::store::arguments::Arguments;
use crate::store::sql::Dialect;

/// Calls that are kept for longer than this are kept for ever: the server's times end in 2106.
const LONGEST_US: i64 = 20 * 365 * 86_400 * 1_000_000;

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

/// The tables of a database.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The database.
    pub database: Name,
    /// The cluster whose servers all have the tables and copy them from each other; absent: one server.
    pub cluster: Option<Name>,
    /// How long anything is known of a call, microseconds from when it was.
    pub kept_us: i64,
}

impl Tables {
    /// The name of one in a query.
    pub fn sql(&self, kind: Table) -> String {
        format!("{}.{}", self.database, kind.name())
    }

    /// Makes what is missing.
    pub async fn prepare(&self, server: &Server) -> Result<(), ServerError> {
        let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (table, column) in self.system(server, "table, name", "columns").await? {
            there.entry(table).or_default().insert(column);
        }
        if Table::ALL.iter().any(|kind| !there.contains_key(kind.name())) {
            let cluster = self.on_cluster();
            run(server, format!("CREATE DATABASE IF NOT EXISTS {}{cluster}", self.database))
                .await?;
        }
        for kind in Table::ALL {
            let Some(columns) = there.get(kind.name()) else {
                run(server, self.create(kind)).await?;
                continue;
            };
            let missing: Vec<String> = kind
                .columns()
                .into_iter()
                .filter(|(name, _)| !columns.contains(*name))
                .map(|(name, of)| format!("ADD COLUMN IF NOT EXISTS \"{name}\" {of}"))
                .collect();
            if !missing.is_empty() {
                run(server, self.alter(kind, &missing.join(", "))).await?;
            }
        }
        self.keep(server).await
    }

    /// Rows go when they are as old as is configured now.
    async fn keep(&self, server: &Server) -> Result<(), ServerError> {
        for (table, engine) in self.system(server, "name, engine_full", "tables").await? {
            let Some(kind) = Table::ALL.into_iter().find(|kind| kind.name() == table) else {
                continue;
            };
            let kept = format!("toIntervalSecond({})", kind.kept_s(self.kept_s()));
            let change = match self.end(kind) {
                None if engine.contains(" TTL ") => "REMOVE TTL".to_owned(),
                Some(end) if !engine.contains(&kept) => format!("MODIFY TTL {end}"),
                _ => continue,
            };
            // Rows go as they come of age; there is nothing to rewrite now.
            let change = format!("{change} SETTINGS materialize_ttl_after_modify = 0");
            run(server, self.alter(kind, &change)).await?;
        }
        Ok(())
    }

    /// Two columns of what the server says of itself, as far as it is about this database.
    async fn system(
        &self,
        server: &Server,
        columns: &str,
        of: &str,
    ) -> Result<Vec<(String, String)>, ServerError> {
        let mut arguments = Arguments::of(Dialect::ClickHouse);
        let database = arguments.text(&self.database.0);
        let sql = format!("SELECT {columns} FROM system.{of} WHERE database = {database}");
        let text = |json: Option<&Json>| Some(json?.as_str()?.to_owned());
        let lines = server.rows(&sql, "", &arguments).await?;
        let pairs = lines.iter().map(|line| Some((text(line.first())?, text(line.get(1))?)));
        pairs.collect::<Option<_>>().ok_or(ServerError::Odd)
    }

    pub(super) fn create(&self, kind: Table) -> String {
        let (table, cluster) = (self.sql(kind), self.on_cluster());
        let columns = kind.columns().into_iter().map(|(name, of)| format!("\"{name}\" {of}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let engine = if self.cluster.is_some() { "ReplicatedMergeTree" } else { "MergeTree" };
        let end = self.end(kind).map(|end| format!("TTL {end} ")).unwrap_or_default();
        let (beside, partition) = (kind.beside(), kind.partition());
        let (order, settings) = (kind.order(), kind.settings());
        format!(
            "CREATE TABLE IF NOT EXISTS {table}{cluster} ({columns}{beside}) \
             ENGINE = {engine} PARTITION BY {partition} ORDER BY ({order}) {end}\
             SETTINGS {settings}"
        )
    }

    pub(super) fn alter(&self, kind: Table, what: &str) -> String {
        format!("ALTER TABLE {}{} {what}", self.sql(kind), self.on_cluster())
    }

    /// Deletes rows of a day, on all servers before it is answered. Nothing: no table has the day.
    pub(super) fn delete(&self, kind: Table, day: i64, which: &str) -> Option<String> {
        let (table, partition) = (self.sql(kind), kind.partition_of(day)?);
        // The blocks that a query names are the same on every server.
        Some(format!(
            "ALTER TABLE {table} DELETE IN PARTITION {partition} WHERE {which} \
             SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
        ))
    }

    /// What an INSERT is told so that most servers of a cluster have it when it is answered.
    pub(super) const fn quorum(&self) -> &'static str {
        if self.cluster.is_some() { ", insert_quorum = 'auto'" } else { "" }
    }

    fn on_cluster(&self) -> String {
        self.cluster.as_ref().map(|name| format!(" ON CLUSTER {name}")).unwrap_or_default()
    }

    fn end(&self, kind: Table) -> Option<String> {
        (self.kept_us <= LONGEST_US).then(|| kind.end(self.kept_s()))
    }

    fn kept_s(&self) -> i64 {
        self.kept_us.div_euclid(1_000_000)
    }
}

pub(super) async fn run(server: &Server, sql: String) -> Result<(), ServerError> {
    server.run(sql, &Arguments::of(Dialect::ClickHouse)).await.map(drop)
}
