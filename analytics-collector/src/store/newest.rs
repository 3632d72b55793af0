//! How does DuckDB read the rows in memory?
//!
//! Through a table function `newest(number)`: rows are lent under a number for the time of one
//! query and are copied a vector at a time, only the columns that the query asks for. The crate's
//! own Arrow function keeps every batch that it was ever given, so it cannot be used here.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{
    BindInfo, InitInfo, TableFunctionInfo, VTab, record_batch_to_duckdb_data_chunk,
    to_duckdb_logical_type,
};

use super::table::SCHEMA;
use crate::guard::lock;

/// Rows that a vector of DuckDB has room for.
const VECTOR: usize = 2048;

/// What is lent, by number. It is static because a table function is handed its own state as a
/// raw pointer only, and reading that would be unsafe code.
static LENT: Mutex<Shelf> = Mutex::new(Shelf { next: 1, loans: BTreeMap::new() });

struct Shelf {
    next: u64,
    loans: BTreeMap<u64, Arc<Vec<RecordBatch>>>,
}

/// Rows that queries can read as `newest(number)` until this is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    /// What to ask for.
    pub(super) number: u64,
}

pub(super) fn lend(batches: Vec<RecordBatch>) -> Loan {
    let mut shelf = lock(&LENT);
    let number = shelf.next;
    shelf.next += 1;
    shelf.loans.insert(number, Arc::new(batches));
    Loan { number }
}

impl Drop for Loan {
    fn drop(&mut self) {
        lock(&LENT).loans.remove(&self.number);
    }
}

/// The table function.
#[derive(Debug)]
pub(super) struct Newest;

/// Where a scan is.
pub(super) struct Scan {
    columns: Vec<usize>,
    /// The batch, and the row in it, that come next.
    next: Mutex<(usize, usize)>,
}

impl VTab for Newest {
    type InitData = Scan;
    type BindData = Arc<Vec<RecordBatch>>;

    fn bind(bind: &BindInfo) -> Result<Self::BindData, Box<dyn Error>> {
        let number = bind.get_parameter(0).to_uint64();
        let shelf = lock(&LENT);
        let rows = shelf.loans.get(&number).cloned().ok_or("no rows are lent under this number")?;
        drop(shelf);
        for field in SCHEMA.fields() {
            bind.add_result_column(field.name(), to_duckdb_logical_type(field.data_type())?);
        }
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        bind.set_cardinality(count as u64, true);
        Ok(rows)
    }

    fn init(init: &InitInfo) -> Result<Self::InitData, Box<dyn Error>> {
        let columns: Result<Vec<usize>, _> =
            init.get_column_indices().into_iter().map(usize::try_from).collect();
        Ok(Scan { columns: columns?, next: Mutex::new((0, 0)) })
    }

    fn func(
        info: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn Error>> {
        let (rows, scan) = (info.get_bind_data(), info.get_init_data());
        let mut next = lock(&scan.next);
        while let Some(batch) = rows.get(next.0) {
            let left = batch.num_rows().saturating_sub(next.1);
            if left == 0 {
                *next = (next.0 + 1, 0);
                continue;
            }
            let piece = batch.slice(next.1, left.min(VECTOR));
            next.1 += piece.num_rows();
            // A row number that DuckDB would like instead of a column is no index of ours.
            return record_batch_to_duckdb_data_chunk(&piece.project(&scan.columns)?, output);
        }
        output.set_len(0);
        Ok(())
    }

    fn supports_pushdown() -> bool {
        true
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::UBigint)])
    }
}
