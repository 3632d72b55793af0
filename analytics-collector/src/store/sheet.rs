//! How do rows lie in a Parquet file, and how do groups of them pass into another one unread?
//!
//! Zstd level 1 and dictionaries, but for columns of calls in which hardly a value comes twice:
//! identifiers lie as they are, paths without a dictionary, times and amounts as differences. A group
//! of rows that is large enough is copied as its bytes are: nothing of it is decoded or compressed
//! again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::error::StoreError;
use super::table::AT;

/// Rows of a group, at most: what a query skips or reads as a whole. What one flush takes mostly makes
/// one group.
const GROUP_ROWS: usize = 1 << 17;
/// A group of so many rows is copied as it is; smaller ones become larger.
const WHOLE_ROWS: usize = 1 << 15;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8192;

/// Numbers without meaning: a compressor finds nothing in them.
const IDENTIFIERS: [&str; 2] = ["request_id", "trace_id"];
/// Texts of which hardly one is like another one.
const VARIOUS: [&str; 1] = ["path"];
/// Numbers that take few bits as differences from one another.
const AMOUNTS: [&str; 5] = [AT, "total_us", "backend_us", "request_bytes", "response_bytes"];

/// A file that is removed unless it is kept: on a full disk, above all, nothing half-written may
/// stay behind.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Draft {
    /// Gives it another name. It still goes away with this.
    pub(super) fn rename(&mut self, to: PathBuf) -> Result<(), StoreError> {
        fs::rename(&self.path, &to).map_err(StoreError::io("rename", &to))?;
        self.path = to;
        Ok(())
    }

    /// It stays.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // The next start removes it otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file of rows that is being written. It takes the memory of a group that is compressed already.
pub(super) struct Sheet {
    draft: Draft,
    file: SerializedFileWriter<File>,
    groups: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    group: Option<Group>,
}

/// The group that is being written.
struct Group {
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl Sheet {
    /// Begins a file of calls, or of counts of them.
    pub(super) fn of_calls(path: PathBuf, schema: &SchemaRef) -> Result<Self, StoreError> {
        let plain = |properties: WriterPropertiesBuilder, name| {
            properties.set_column_dictionary_enabled(ColumnPath::from(name), false)
        };
        let properties = properties(schema)?;
        let mut properties = IDENTIFIERS.into_iter().chain(VARIOUS).fold(properties, plain);
        for name in IDENTIFIERS {
            properties = properties.set_column_compression(name.into(), Compression::UNCOMPRESSED);
        }
        for name in AMOUNTS {
            properties = plain(properties, name)
                .set_column_encoding(name.into(), Encoding::DELTA_BINARY_PACKED)
                .set_column_compression(name.into(), Compression::UNCOMPRESSED);
        }
        Self::open(path, schema, properties.build())
    }

    /// Begins a file of sketches.
    pub(super) fn of_sketches(path: PathBuf, schema: &SchemaRef) -> Result<Self, StoreError> {
        Self::open(path, schema, properties(schema)?.build())
    }

    fn open(
        path: PathBuf,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, StoreError> {
        let file = File::create(&path).map_err(StoreError::io("create", &path))?;
        let draft = Draft { path, kept: false };
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))?;
        let (file, groups) = writer.into_serialized_writer()?;
        Ok(Self { draft, file, groups, schema: Arc::clone(schema), group: None })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let mut written = 0;
        while written < batch.num_rows() {
            let group = match &mut self.group {
                Some(group) => group,
                none => none.insert(Group {
                    columns: self
                        .groups
                        .create_column_writers(self.file.flushed_row_groups().len())?,
                    rows: 0,
                }),
            };
            let rows = (batch.num_rows() - written).min(GROUP_ROWS - group.rows);
            group.write(&self.schema, &batch.slice(written, rows))?;
            written += rows;
            if group.rows >= GROUP_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Adds all rows of another file: groups that are large enough as they are, the others through
    /// `completed`, in today's columns.
    pub(super) fn copy(
        &mut self,
        path: &Path,
        completed: impl Fn(&RecordBatch) -> Result<RecordBatch, StoreError>,
    ) -> Result<(), StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let metadata = Arc::clone(builder.metadata());
        let same = builder.parquet_schema().root_schema() == self.file.schema_descr().root_schema();
        drop(builder);
        for (n, group) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            if same && (WHOLE_ROWS..=GROUP_ROWS).contains(&rows) {
                self.splice(path, group)?;
                continue;
            }
            for batch in read(path, Some(n))? {
                self.write(&completed(&batch?)?)?;
            }
        }
        Ok(())
    }

    fn splice(&mut self, path: &Path, group: &RowGroupMetaData) -> Result<(), StoreError> {
        self.end_group()?;
        let from = File::open(path).map_err(StoreError::io("open", path))?;
        let mut into = self.file.next_row_group()?;
        for column in group.columns() {
            let chunk = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            into.append_column(&from, chunk)?;
        }
        into.close()?;
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), StoreError> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let mut into = self.file.next_row_group()?;
        for column in group.columns {
            column.close()?.append_to_row_group(&mut into)?;
        }
        into.close()?;
        Ok(())
    }

    /// Ends the file, which is on disk then. Says its size in bytes, too.
    pub(super) fn close(mut self) -> Result<(Draft, u64), StoreError> {
        self.end_group()?;
        let file = self.file.into_inner()?;
        let bytes = file
            .sync_all()
            .and_then(|()| file.metadata())
            .map_err(StoreError::io("sync", &self.draft.path))?
            .len();
        Ok((self.draft, bytes))
    }
}

impl Group {
    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Result<(), ParquetError> {
        let fields = schema.fields().iter().zip(batch.columns());
        for ((field, column), writer) in fields.zip(&mut self.columns) {
            // No column has columns of its own, so there is one leaf for each.
            for leaf in compute_leaves(field, column)? {
                writer.write(&leaf)?;
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }
}

/// Reads a file, or one group of it.
pub(super) fn read(
    path: &Path,
    group: Option<usize>,
) -> Result<ParquetRecordBatchReader, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS);
    let builder = match group {
        Some(group) => builder.with_row_groups(vec![group]),
        None => builder,
    };
    Ok(builder.build()?)
}

/// What holds of all columns. Nobody reads an index of pages: engines skip groups. They skip them by
/// numbers, above all by time; each group has texts from one end of the alphabet to the other, so that to
/// compare all of them would say nothing.
fn properties(schema: &SchemaRef) -> Result<WriterPropertiesBuilder, StoreError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(GROUP_ROWS);
    let is_text = |field: &&FieldRef| !field.data_type().is_primitive();
    Ok(schema.fields().iter().filter(is_text).fold(properties, |properties, field| {
        let column = ColumnPath::from(field.name().as_str());
        properties.set_column_statistics_enabled(column, EnabledStatistics::None)
    }))
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
