//! How do rows lie in columns?
//!
//! One table of columns makes the schema, the batches in memory and, through them, the Parquet
//! files. Columns are only ever added at its end: a file from before has the first of them, and the rest
//! is read as empty.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, GenericByteBuilder, Int64Array, RecordBatch, UInt32Array, UInt64Array,
};
use arrow::datatypes::{BinaryType, ByteArrayType, DataType, Field, Schema, SchemaRef, Utf8Type};
use arrow::error::ArrowError;

use super::sql::Dialect;
use crate::event::Row;

/// How a column is taken out of a row.
#[derive(Clone, Copy)]
enum Column {
    Time(fn(&Row) -> i64),
    Bytes(fn(&Row) -> &[u8]),
    Text(fn(&Row) -> &str),
    Code(fn(&Row) -> u32),
    Amount(fn(&Row) -> u64),
    Flag(fn(&Row) -> bool),
}

const COLUMNS: &[(&str, Column)] = &[
    (AT, Column::Time(|row| row.at_us)),
    ("request_id", Column::Bytes(|row| &row.request_id)),
    ("trace_id", Column::Bytes(|row| &row.trace_id)),
    ("api", Column::Text(|row| &row.api)),
    ("api_version", Column::Text(|row| &row.api_version)),
    ("api_context", Column::Text(|row| &row.api_context)),
    ("operation", Column::Text(|row| &row.operation)),
    ("method", Column::Text(|row| &row.method)),
    ("path", Column::Text(|row| &row.path)),
    ("host", Column::Text(|row| &row.host)),
    ("application", Column::Text(|row| &row.application)),
    ("application_owner", Column::Text(|row| &row.application_owner)),
    ("consumer_key", Column::Text(|row| &row.consumer_key)),
    ("user", Column::Text(|row| &row.user)),
    ("tier", Column::Text(|row| &row.tier)),
    ("key_type", Column::Text(|row| &row.key_type)),
    ("client_ip", Column::Bytes(|row| &row.client_ip)),
    ("user_agent", Column::Text(|row| &row.user_agent)),
    ("protocol", Column::Text(|row| &row.protocol)),
    ("status", Column::Code(|row| row.status)),
    ("backend_status", Column::Code(|row| row.backend_status)),
    ("backend", Column::Text(|row| &row.backend)),
    ("fault_code", Column::Code(|row| row.fault_code)),
    ("fault_type", Column::Text(|row| &row.fault_type)),
    ("total_us", Column::Amount(|row| row.total_us)),
    ("backend_us", Column::Amount(|row| row.backend_us)),
    ("security_us", Column::Amount(|row| row.security_us)),
    ("throttling_us", Column::Amount(|row| row.throttling_us)),
    ("request_bytes", Column::Amount(|row| row.request_bytes)),
    ("response_bytes", Column::Amount(|row| row.response_bytes)),
    ("over_quota", Column::Flag(|row| row.over_quota)),
    ("country", Column::Text(|row| &row.country)),
    ("gateway", Column::Text(|row| &row.gateway)),
    ("address_id", Column::Amount(|row| row.address_id)),
    ("from_cache", Column::Flag(|row| row.from_cache)),
    ("api_type", Column::Text(|row| &row.api_type)),
    ("api_owner", Column::Text(|row| &row.api_owner)),
    ("auth_type", Column::Text(|row| &row.auth_type)),
    ("fault_subtype", Column::Text(|row| &row.fault_subtype)),
    ("tenant", Column::Text(|row| &row.tenant)),
    ("subdivision", Column::Text(|row| &row.subdivision)),
    ("city", Column::Text(|row| &row.city)),
    ("asn", Column::Code(|row| row.asn)),
    ("device", Column::Text(|row| &row.device)),
    ("operating_system", Column::Text(|row| &row.operating_system)),
    ("agent", Column::Text(|row| &row.agent)),
    ("request_mediation_us", Column::Amount(|row| row.request_mediation_us)),
    ("response_mediation_us", Column::Amount(|row| row.response_mediation_us)),
    ("region", Column::Text(|row| &row.region)),
    (WEIGHT, Column::Code(|row| row.weight)),
];

/// So many columns have the files of which nothing says how many they have.
pub(crate) const FIRST_COLUMNS: usize = 34;

/// So many columns have the files that are written today.
pub(crate) const TODAYS_COLUMNS: usize = COLUMNS.len();

/// The column that says when.
pub(crate) const AT: &str = "at_us";

/// The column that says for how many calls a row stands.
const WEIGHT: &str = "weight";

/// The schema of every batch and segment.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<Field> =
        COLUMNS.iter().map(|(name, column)| Field::new(*name, column.data_type(), false)).collect();
    Arc::new(Schema::new(fields))
});

impl Column {
    const fn data_type(self) -> DataType {
        match self {
            Self::Time(_) => DataType::Int64,
            Self::Bytes(_) => DataType::Binary,
            Self::Text(_) => DataType::Utf8,
            Self::Code(_) => DataType::UInt32,
            Self::Amount(_) => DataType::UInt64,
            Self::Flag(_) => DataType::Boolean,
        }
    }

    fn array<'a>(self, rows: impl Iterator<Item = &'a Row> + Clone) -> ArrayRef {
        match self {
            Self::Time(of) => Arc::new(Int64Array::from_iter_values(rows.map(of))),
            Self::Bytes(of) => packed::<BinaryType>(rows.map(of)),
            Self::Text(of) => packed::<Utf8Type>(rows.map(of)),
            Self::Code(of) => Arc::new(UInt32Array::from_iter_values(rows.map(of))),
            Self::Amount(of) => Arc::new(UInt64Array::from_iter_values(rows.map(of))),
            Self::Flag(of) => Arc::new(rows.map(|row| Some(of(row))).collect::<BooleanArray>()),
        }
    }

    /// What SQL reads where a file has no such column.
    const fn nothing(self) -> &'static str {
        match self {
            Self::Time(_) => "0::BIGINT",
            Self::Bytes(_) => "''::BLOB",
            Self::Text(_) => "''",
            Self::Code(_) => "0::UINTEGER",
            Self::Amount(_) => "0::UBIGINT",
            Self::Flag(_) => "false",
        }
    }
}

/// Texts, or bytes, in no more memory than they need: rows stay in memory for a while, and a column
/// that grows as it is filled has twice its size.
fn packed<'a, T: ByteArrayType>(values: impl Iterator<Item = &'a T::Native> + Clone) -> ArrayRef
where
    T::Native: 'a,
{
    let bytes = |value: &T::Native| AsRef::<[u8]>::as_ref(value).len();
    let (count, size) = values.clone().fold((0, 0), |(n, sum), value| (n + 1, sum + bytes(value)));
    let mut column = GenericByteBuilder::<T>::with_capacity(count, size);
    values.for_each(|value| column.append_value(value));
    Arc::new(column.finish())
}

/// The names of the columns, quoted for SQL (`user` is a word of its own there).
pub(crate) fn names() -> impl Iterator<Item = String> {
    COLUMNS.iter().map(|(name, _)| format!("\"{name}\""))
}

/// The same as an answer has them.
pub(crate) fn shown(dialect: Dialect) -> impl Iterator<Item = String> {
    names().zip(COLUMNS).map(move |(name, (_, column))| match column {
        Column::Bytes(_) => dialect.shown(&name),
        _ => name,
    })
}

/// The same of a file that has the first `had` columns: the others are there too, and empty.
pub(crate) fn names_in(had: usize) -> impl Iterator<Item = String> {
    COLUMNS.iter().enumerate().map(move |(at, (name, column))| {
        if at < had { format!("\"{name}\"") } else { format!("{} AS \"{name}\"", column.nothing()) }
    })
}

/// Lays rows out as columns.
pub fn batch_of(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let columns = COLUMNS.iter().map(|(_, column)| column.array(rows.iter())).collect();
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns)
}

/// Rows of a file, whichever columns it has, in today's columns.
pub(crate) fn completed(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (empty, count) = (Row::default(), batch.num_rows());
    let columns = COLUMNS.iter().map(|(name, column)| match batch.column_by_name(name) {
        Some(there) => Arc::clone(there),
        None => column.array(std::iter::repeat_n(&empty, count)),
    });
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns.collect())
}

/// When the first and the last call of a batch were; nothing of an empty batch.
pub(crate) fn span_of(batch: &RecordBatch) -> Option<(i64, i64)> {
    let at = batch.column_by_name(AT)?.as_any().downcast_ref::<Int64Array>()?;
    Some((at.values().iter().copied().min()?, at.values().iter().copied().max()?))
}

/// Whether every row of a batch stands for one call.
pub(crate) fn is_even(batch: &RecordBatch) -> bool {
    let weights = batch.column_by_name(WEIGHT);
    weights
        .and_then(|weights| weights.as_any().downcast_ref::<UInt32Array>())
        .is_some_and(|weights| weights.values().iter().all(|weight| *weight <= 1))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
