//! Which groups of rows does a file get from others, and are all rows there?

use std::path::Path;

use arrow::array::Int64Array;

use super::*;
use crate::event::Row;
use crate::store::table::{SCHEMA, batch_of, completed};

/// Writes rows with these times.
fn write(path: &Path, times: std::ops::Range<i64>) -> Draft {
    let mut sheet = Sheet::of_calls(path.to_owned(), &SCHEMA).unwrap();
    let rows: Vec<Row> = times.map(|at_us| Row { at_us, ..Row::default() }).collect();
    sheet.write(&batch_of(&rows).unwrap()).unwrap();
    sheet.close().unwrap().0
}

/// Files of so many rows are copied into one: how many rows do its groups have?
#[track_caller]
fn check(files: &[i64], groups: &[i64]) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Sheet::of_calls(folder.path().join("all"), &SCHEMA).unwrap();
    let mut written = 0;
    for rows in files {
        let path = folder.path().join("part");
        let _part = write(&path, written..written + rows);
        all.copy(&path, |batch| Ok(completed(batch)?)).unwrap();
        written += rows;
    }
    let (_all, bytes) = all.close().unwrap();
    let path = folder.path().join("all");
    assert_eq!(bytes, path.metadata().unwrap().len());
    let read = read(&path, None).unwrap().flat_map(|batch| {
        let at = batch.unwrap().column_by_name(AT).unwrap().clone();
        at.as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
    });
    assert!(read.eq(0..written), "every row once, in order");
    let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let found: Vec<i64> =
        file.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(found, groups);
}

#[test]
fn large_groups_stay_as_they_are() {
    check(&[40_000, 33_000], &[40_000, 33_000]);
}

#[test]
fn small_groups_become_larger_ones() {
    check(&[3, 5, 40_000, 7, 20_000, 20_000], &[8, 40_000, 40_007]);
}

#[test]
fn a_long_file_has_groups_of_which_each_can_be_skipped() {
    check(&[140_000], &[131_072, 8_928]);
}
