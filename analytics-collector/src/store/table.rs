//! How do rows lie in columns?
//!
//! One table of columns makes the schema, the batches in memory and, through them, the Parquet
//! files. Columns are only ever added at its end.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

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
];

/// The column that says when.
pub(crate) const AT: &str = "at_us";

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

    fn array(self, rows: &[Row]) -> ArrayRef {
        match self {
            Self::Time(of) => Arc::new(Int64Array::from_iter_values(rows.iter().map(of))),
            Self::Bytes(of) => Arc::new(BinaryArray::from_iter_values(rows.iter().map(of))),
            Self::Text(of) => Arc::new(StringArray::from_iter_values(rows.iter().map(of))),
            Self::Code(of) => Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))),
            Self::Amount(of) => Arc::new(UInt64Array::from_iter_values(rows.iter().map(of))),
            Self::Flag(of) => {
                Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
            }
        }
    }
}

/// The names of the columns, quoted for SQL (`user` is a word of its own there).
pub(crate) fn names() -> impl Iterator<Item = String> {
    COLUMNS.iter().map(|(name, _)| format!("\"{name}\""))
}

/// Lays rows out as columns.
pub fn batch_of(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let columns = COLUMNS.iter().map(|(_, column)| column.array(rows)).collect();
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns)
}

/// When the first and the last call of a batch were; nothing of an empty batch.
pub(crate) fn span_of(batch: &RecordBatch) -> Option<(i64, i64)> {
    let at = batch.column_by_name(AT)?.as_any().downcast_ref::<Int64Array>()?;
    Some((at.values().iter().copied().min()?, at.values().iter().copied().max()?))
}
