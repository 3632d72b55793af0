//! Which calls lie in a batch, as far as counts are made of them?
//!
//! Only what is asked for is read; everything else is empty.

use arrow::array::{
    Array, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::error::ArrowError;

use super::error::StoreError;
use super::sql::columns;
use super::table::AT;
use crate::event::Row;
use crate::question::Dimension;

/// When the calls of a batch began, and their values of some dimensions.
pub fn rows(batch: &RecordBatch, dimensions: &[Dimension]) -> Result<Vec<Row>, StoreError> {
    let mut rows = vec![Row::default(); batch.num_rows()];
    set::<Int64Array>(batch, AT, &mut rows, |row, column, at| row.at_us = column.value(at))?;
    for dimension in dimensions {
        let name = columns::of(*dimension).name;
        match dimension {
            Dimension::Status => set_code(batch, name, &mut rows, |row| &mut row.status)?,
            Dimension::FaultCode => set_code(batch, name, &mut rows, |row| &mut row.fault_code)?,
            Dimension::FromCache => {
                set::<BooleanArray>(batch, name, &mut rows, |row, column, at| {
                    row.from_cache = column.value(at);
                })?;
            }
            text => {
                set::<StringArray>(batch, name, &mut rows, |row, column, at| {
                    if let Some(kept) = text_mut(row, *text) {
                        column.value(at).clone_into(kept);
                    }
                })?;
            }
        }
    }
    Ok(rows)
}

/// Fills a number of 32 bits from its column.
pub fn set_code(
    batch: &RecordBatch,
    name: &str,
    rows: &mut [Row],
    of: fn(&mut Row) -> &mut u32,
) -> Result<(), StoreError> {
    set::<UInt32Array>(batch, name, rows, |row, column, at| *of(row) = column.value(at))
}

/// Fills an amount from its column.
pub fn set_amount(
    batch: &RecordBatch,
    name: &str,
    rows: &mut [Row],
    of: fn(&mut Row) -> &mut u64,
) -> Result<(), StoreError> {
    set::<UInt64Array>(batch, name, rows, |row, column, at| *of(row) = column.value(at))
}

/// A column of a batch.
pub fn column<'b, T: Array + 'static>(
    batch: &'b RecordBatch,
    name: &str,
) -> Result<&'b T, StoreError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<T>());
    Ok(column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?)
}

fn set<T: Array + 'static>(
    batch: &RecordBatch,
    name: &str,
    rows: &mut [Row],
    set: impl Fn(&mut Row, &T, usize),
) -> Result<(), StoreError> {
    let column = column::<T>(batch, name)?;
    for (at, row) in rows.iter_mut().enumerate() {
        set(row, column, at);
    }
    Ok(())
}

fn text_mut(row: &mut Row, dimension: Dimension) -> Option<&mut String> {
    Some(match dimension {
        Dimension::Api => &mut row.api,
        Dimension::ApiVersion => &mut row.api_version,
        Dimension::ApiContext => &mut row.api_context,
        Dimension::ApiType => &mut row.api_type,
        Dimension::ApiOwner => &mut row.api_owner,
        Dimension::Tenant => &mut row.tenant,
        Dimension::Operation => &mut row.operation,
        Dimension::Method => &mut row.method,
        Dimension::Application => &mut row.application,
        Dimension::ApplicationOwner => &mut row.application_owner,
        Dimension::ConsumerKey => &mut row.consumer_key,
        Dimension::User => &mut row.user,
        Dimension::KeyType => &mut row.key_type,
        Dimension::Country => &mut row.country,
        Dimension::FaultType => &mut row.fault_type,
        Dimension::FaultSubtype => &mut row.fault_subtype,
        _ => return None,
    })
}
