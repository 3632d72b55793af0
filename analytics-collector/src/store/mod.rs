//! Where are events kept, so that an acknowledged one is never lost and never counted twice?
//!
//! A batch is first written to the write-ahead log (`wal`) and is durable, visible to queries and
//! acknowledged after one fsync. Rows in memory (`in_force`) move to immutable Parquet files
//! (`segment`) named by a manifest (`manifest`); then their log files go away. Small files are
//! merged and old ones removed (`keep`), after their calls were counted (`levels`, `rollup`) and their callers
//! sketched (`sketches`). Queries (`query`) run in DuckDB over the Parquet files and the rows in memory, seen at one instant: counts by `answer`, calls themselves by `search`,
//! both in words of `sql`. Where a ClickHouse keeps the calls, segments are handed on to it and it
//! answers (`clickhouse`); `reader` knows which of them does.

pub mod answer;
pub mod append;
pub mod arguments;
pub mod clickhouse;
pub mod distinct;
pub mod error;
pub mod group;
pub mod in_force;
pub mod keep;
pub mod levels;
pub mod manifest;
pub mod marks;
pub mod merge;
pub mod newest;
pub mod open;
pub mod probe;
pub mod query;
pub mod read_back;
pub mod reader;
pub mod rollup;
pub mod rows;
pub mod search;
pub mod segment;
mod sheet;
pub mod sketches;
pub mod sql;
pub mod table;
pub mod value;
pub mod wal;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod rollup_tests;
#[cfg(test)]
mod store_tests;

pub use append::{Batch, Losses, Receipt, Refusal};
pub use arguments::Arguments;
pub use error::StoreError;
pub use group::{Committer, Intake};
pub use levels::Levels;
pub use open::{Settings, Store};
pub use probe::{Probe, Step};
pub use query::{Engine, Limits, QueryError};
pub use reader::Reader;
pub use sql::Refused;
pub use table::batch_of;
pub use wal::Record;
