//! Are files and logs from before a column came still read?

use std::fs::{self, File};
use std::path::Path;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use prost::Message as _;

use super::*;
use crate::fixture::{DAY_US, NOW_US, Place, batch, call, engine, put};
use crate::question::Window;
use crate::store::{Arguments, Probe, append, keep};

const EVER: Window = Window { since_us: i64::MIN, until_us: i64::MAX };

/// A file of today loses the columns that were not there at first, and the manifest what it says of
/// their number.
fn make_old(folder: &Path) {
    let segments = folder.join("segments");
    for entry in fs::read_dir(&segments).unwrap() {
        let path = entry.unwrap().path();
        let file = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let batches: Vec<RecordBatch> =
            file.build().unwrap().map(|batch| first_columns(&batch.unwrap())).collect();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batches[0].schema(), None).unwrap();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        writer.close().unwrap();
    }
    let manifest = folder.join("manifest.json");
    let mut read: serde_json::Value =
        serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for segment in read["segments"].as_array_mut().unwrap() {
        assert!(segment.as_object_mut().unwrap().remove("columns").is_some());
    }
    fs::write(manifest, read.to_string()).unwrap();
}

fn first_columns(batch: &RecordBatch) -> RecordBatch {
    batch.project(&(0..FIRST_COLUMNS).collect::<Vec<_>>()).unwrap()
}

/// Eight old files of a past day and one batch of today, merged or not: what is said of each call.
async fn check(merged: bool, said: &[&str]) {
    let place = Place::new();
    let store = place.open(Probe::default()).unwrap();
    for sequence in 1..=8 {
        put(&store, "e", sequence, vec![call(NOW_US - 2 * DAY_US, "old", "")]);
        keep::flush(&store).unwrap();
    }
    drop(store);
    make_old(place.folder.path());
    let store = place.open(Probe::default()).unwrap();
    if merged {
        assert_eq!(keep::merge_once(&store, NOW_US).unwrap(), 8);
    }
    let mut row = call(NOW_US, "new", "");
    (row.city, row.asn, row.from_cache, row.weight) = ("Bern".into(), 3303, true, 10);
    put(&store, "e", 9, vec![row]);
    let sql = "SELECT said || ' ' || count(*) FROM (SELECT concat_ws(' ', api, city, asn, \
               from_cache, weight, request_mediation_us) AS said FROM events) \
               GROUP BY said ORDER BY said";
    let read = |row: &duckdb::Row<'_>| row.get::<_, String>(0);
    let answer = engine(&store).ask(EVER, sql.to_owned(), Arguments::default(), read).await;
    assert_eq!(answer.unwrap(), said);
}

#[tokio::test]
async fn files_from_before_a_column_came_are_read_and_it_is_empty() {
    let said = ["new Bern 3303 true 10 0 1", "old  0 false 0 0 8"];
    check(false, &said).await;
    check(true, &said).await;
}

/// The record of a call as it was written before the tags from 34 on but 40 came.
#[derive(Clone, PartialEq, prost::Message)]
struct OldRow {
    #[prost(int64, tag = "1")]
    at_us: i64,
    #[prost(string, tag = "4")]
    api: String,
    #[prost(uint64, tag = "40")]
    address_id: u64,
}

#[test]
fn logs_from_before_a_column_came_are_read_and_ones_with_further_columns_too() {
    let old = OldRow { at_us: 5, api: "orders".into(), address_id: 7 };
    let row = Row::decode(old.encode_to_vec().as_slice()).unwrap();
    let expected = Row { at_us: 5, api: "orders".into(), address_id: 7, ..Row::default() };
    assert_eq!(row, expected);
    let full = Row { city: "Bern".into(), weight: 9, ..row };
    assert_eq!(OldRow::decode(full.encode_to_vec().as_slice()).unwrap(), old);
    let (folder, frames) = (Place::new(), batch("e", 1, vec![full]));
    let store = folder.open(Probe::default()).unwrap();
    assert!(append::append(&store, &[frames], NOW_US).unwrap()[0].is_ok());
}
