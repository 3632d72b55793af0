//! Which blocks is a segment sent in?
//!
//! Of every so many rows in the order of the file those of one day: a block is within one partition
//! and within what the server inserts at once, so it is stored whole or not at all. Its name follows
//! from the file and from where in it the rows are; the file does not change, so the name means the
//! same rows also after a restart, and never others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use detect::span::DAY_US;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest as _, Sha256};

use super::schema::BLOCK;
use crate::question::Window;
use crate::store::error::StoreError;
use crate::store::segment::Segment;
use crate::store::table::{AT, SCHEMA, completed};

/// Rows that are looked at together.
pub const ROWS: usize = 65_536;
/// What is inserted at once.
#[derive(Clone, Debug)]
pub struct Block {
    /// Tells it from all others.
    pub name: String,
    /// The day of its calls.
    pub day: Window,
    /// How many they are.
    pub rows: usize,
    /// They and the name, as a Parquet file.
    pub file: Vec<u8>,
}

/// A segment that is to be sent.
#[derive(Clone, Debug)]
pub struct Parts {
    segment: Arc<Segment>,
    /// What the names of all its blocks have in common.
    digest: Sha256,
}

impl Parts {
    /// Reads the whole file once, for its digest: two collectors, or one that was put back from a
    /// backup, may have different segments of one number.
    pub fn of(segment: Arc<Segment>, writer: &[u8]) -> Result<Self, StoreError> {
        let mut digest = Sha256::new();
        digest.update(writer);
        digest.update(segment.entry.number.to_le_bytes());
        let mut file = File::open(&segment.path).map_err(StoreError::io("open", &segment.path))?;
        io::copy(&mut file, &mut digest).map_err(StoreError::io("read", &segment.path))?;
        Ok(Self { segment, digest })
    }

    /// The blocks of the `number`th part, from 0; none behind the last one.
    pub fn blocks(&self, number: usize) -> Result<Vec<Block>, StoreError> {
        let rows = self.rows(number)?;
        let at = column(&rows, AT)?;
        let mut days: BTreeMap<i64, usize> = BTreeMap::new();
        for at_us in at.values() {
            *days.entry(at_us.div_euclid(DAY_US)).or_default() += 1;
        }
        let block = |(day, count): (i64, usize)| {
            let of_day = |at_us: &i64| Some(at_us.div_euclid(DAY_US) == day);
            let mask: BooleanArray = at.values().iter().map(of_day).collect();
            let name = self.name(number, day);
            let since_us = day.saturating_mul(DAY_US);
            let day = Window { since_us, until_us: since_us.saturating_add(DAY_US) };
            let file = file_of(&filter_record_batch(&rows, &mask)?, &name)?;
            Ok(Block { name, day, rows: count, file })
        };
        days.into_iter().map(block).collect()
    }

    fn rows(&self, number: usize) -> Result<RecordBatch, StoreError> {
        let path = &self.segment.path;
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let found = ParquetRecordBatchReaderBuilder::try_new(file)?
            .with_offset(number.saturating_mul(ROWS))
            .with_limit(ROWS)
            .with_batch_size(ROWS)
            .build()?;
        let found: Result<Vec<RecordBatch>, ArrowError> =
            found.map(|batch| completed(&batch?)).collect();
        Ok(concat_batches(&SCHEMA, &found?)?)
    }

    fn name(&self, number: usize, day: i64) -> String {
        let mut digest = self.digest.clone();
        digest.update((number as u64).to_le_bytes());
        digest.update(day.to_le_bytes());
        let digest = digest.finalize();
        data_encoding::HEXLOWER.encode(digest.get(..16).unwrap_or(&digest))
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, StoreError> {
    let column = rows.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
    Ok(column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?)
}

fn file_of(rows: &RecordBatch, name: &str) -> Result<Vec<u8>, StoreError> {
    let mut fields = SCHEMA.fields().to_vec();
    fields.push(Arc::new(Field::new(BLOCK, DataType::Utf8, false)));
    let schema = Arc::new(Schema::new(fields));
    let mut columns = rows.columns().to_vec();
    columns
        .push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(name, rows.num_rows()))));
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    writer.write(&rows)?;
    Ok(writer.into_inner()?)
}
