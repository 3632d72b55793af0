//! Which tables have the calls and what is left of them, and with which columns?
//!
//! `events` has calls, with the columns of `table` and, beside them, the name of the block that a call
//! came in. `counts` and `sketches` have what is left of the calls of a day (ADR 16), with the name of the
//! rollup that made it; `rollups` says which of them count, `replaced` which blocks are in them.

use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike as _};
use detect::span::DAY_US;

use crate::store::sketches;
use crate::store::sql::columns;
use crate::store::table::SCHEMA;

/// The column that says in which block a call came, or which rollup made a count.
pub const BLOCK: &str = "block";
/// Blocks whose names the server itself remembers: at one a second almost three hours.
const REMEMBERED: u32 = 10_000;
/// Texts that have as many values as there are calls, or nearly.
const MANY_VALUES: [&str; 3] = ["path", "user", "user_agent"];
/// When a call was, as the server's time.
const AT: &str = "fromUnixTimestamp64Micro(at_us, 'UTC')";
/// When a day begins, as the server's time.
const DAY: &str = "toDate(day)";

/// What a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Calls.
    Events,
    /// Counts of calls that are older than the retention.
    Counts,
    /// Who made these calls, as registers.
    Sketches,
    /// Blocks that are in counts.
    Replaced,
    /// What became of each try to count a day.
    Rollups,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 5] =
        [Self::Events, Self::Counts, Self::Sketches, Self::Replaced, Self::Rollups];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Counts => "counts",
            Self::Sketches => "sketches",
            Self::Replaced => "replaced",
            Self::Rollups => "rollups",
        }
    }

    /// Every column and its type.
    pub(super) fn columns(self) -> Vec<(&'static str, &'static str)> {
        const TEXT: &str = "LowCardinality(String)";
        match self {
            Self::Events | Self::Counts => calls().chain([(BLOCK, TEXT)]).collect(),
            Self::Sketches => {
                let keys = sketches::KEYS.iter().map(|key| (columns::of(*key).name, TEXT));
                let registers = [
                    (sketches::OF, TEXT),
                    (sketches::REGISTER, "UInt32"),
                    (sketches::HEIGHT, "UInt32"),
                ];
                let at = [("at_us", "Int64 CODEC(Delta, ZSTD)")];
                at.into_iter().chain(keys).chain(registers).chain([(BLOCK, TEXT)]).collect()
            }
            Self::Replaced => vec![
                ("day", "Int32"),
                (BLOCK, "String"),
                ("name", TEXT),
                ("rows", "UInt64"),
                ("calls", "UInt64"),
            ],
            Self::Rollups => vec![
                ("day", "Int32"),
                ("turn", "UInt32"),
                ("name", "String"),
                ("collector", TEXT),
                ("step", TEXT),
                ("grain_us", "Int64"),
                ("at_us", "Int64 DEFAULT toUnixTimestamp64Micro(now64(6))"),
            ],
        }
    }

    /// What a table has besides its columns: for people a time, for searches an index.
    pub(super) const fn beside(self) -> &'static str {
        match self {
            Self::Events => {
                ", at DateTime64(6, 'UTC') ALIAS fromUnixTimestamp64Micro(at_us, 'UTC'), \
                 INDEX request_id_index request_id TYPE bloom_filter GRANULARITY 4"
            }
            Self::Counts => {
                ", at DateTime64(6, 'UTC') ALIAS fromUnixTimestamp64Micro(at_us, 'UTC')"
            }
            Self::Sketches | Self::Replaced | Self::Rollups => "",
        }
    }

    /// The columns by which rows lie.
    pub(super) const fn order(self) -> &'static str {
        match self {
            Self::Events | Self::Counts => "tenant, api, at_us",
            Self::Sketches => "tenant, api, at_us, country",
            Self::Replaced => "day, block",
            Self::Rollups => "day, turn, name",
        }
    }

    /// What a partition is of. Calls go by the day; of what is left of them little is there of a day.
    pub(super) fn partition(self) -> String {
        match self {
            Self::Events => format!("toDate({AT}, 'UTC')"),
            Self::Counts | Self::Sketches => format!("toYYYYMM({AT}, 'UTC')"),
            Self::Replaced | Self::Rollups => format!("toYYYYMM({DAY})"),
        }
    }

    /// The partition that has a day, as a query names it; nothing: no table has it.
    pub(super) fn partition_of(self, day: i64) -> Option<String> {
        let date = DateTime::from_timestamp_micros(day.checked_mul(DAY_US)?)?;
        Some(match self {
            Self::Events => format!("'{}'", date.format("%Y-%m-%d")),
            _ => format!("{}{:02}", date.year(), date.month()),
        })
    }

    /// When a row of something that is kept for `kept_s` seconds from when it was ends. What is left of
    /// calls bears the time at which their part of time begins, which may be a day before them.
    pub(super) fn end(self, kept_s: i64) -> String {
        let kept_s = self.kept_s(kept_s);
        match self {
            Self::Events | Self::Counts | Self::Sketches => {
                format!("toDateTime({AT}, 'UTC') + toIntervalSecond({kept_s})")
            }
            Self::Replaced | Self::Rollups => {
                format!("toDateTime({DAY}, 'UTC') + toIntervalSecond({kept_s})")
            }
        }
    }

    /// For how many seconds a row is kept so that calls are.
    pub(super) const fn kept_s(self, kept_s: i64) -> i64 {
        match self {
            Self::Events => kept_s,
            _ => kept_s.saturating_add(DAY_US / 1_000_000),
        }
    }

    /// What is on the disk is acknowledged, and a block of calls is known again for a while. Of calls
    /// whole days go, as files.
    pub(super) fn settings(self) -> String {
        let durable = "fsync_after_insert = 1, fsync_part_directory = 1";
        let (whole, remembered) = match self {
            Self::Events => (1, REMEMBERED),
            _ => (0, 0),
        };
        format!(
            "ttl_only_drop_parts = {whole}, {durable}, \
             non_replicated_deduplication_window = {remembered}, \
             replicated_deduplication_window = {remembered}"
        )
    }
}

/// The columns of a call and their types.
fn calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    SCHEMA.fields().iter().map(|field| {
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
    })
}
