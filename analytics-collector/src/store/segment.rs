//! What does an immutable file of rows look like?
//!
//! Parquet, zstd level 1, dictionaries, rows by time. Written under a name that nobody looks for,
//! synced, then renamed; never changed after that. A file that is no longer in force goes away
//! when the last query that reads it has ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::error::StoreError;
use super::manifest::{SegmentEntry, sync_folder};
use super::rollup::Rollup;
use super::table::{AT, SCHEMA, TODAYS_COLUMNS, completed, span_of};

/// Rows of a row group: what a query skips or reads as a whole.
const GROUP_ROWS: usize = 65_536;

/// A file in force, or no longer in force but still read by a query.
#[derive(Debug)]
pub struct Segment {
    /// What the manifest says of it.
    pub entry: SegmentEntry,
    /// Where it is.
    pub path: PathBuf,
    condemned: AtomicBool,
}

impl Segment {
    /// One that the manifest names.
    pub fn new(folder: &Path, entry: SegmentEntry) -> Arc<Self> {
        let path = path(folder, entry.number);
        Arc::new(Self { entry, path, condemned: AtomicBool::new(false) })
    }

    /// The file goes away when nobody reads it any more. To be said after the manifest has
    /// stopped naming it.
    pub fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.condemned.load(Ordering::Relaxed)
            && let Err(error) = fs::remove_file(&self.path)
        {
            // The next start removes it: the manifest does not name it.
            tracing::warn!(file = %self.path.display(), %error, "cannot remove a segment that is no longer in force");
        }
    }
}

/// A segment that is written, but has no name yet. Dropped without one it goes away.
#[derive(Debug)]
pub struct Aside {
    draft: Draft,
    entry: SegmentEntry,
}

impl Aside {
    /// Gives the file its name.
    pub fn name(mut self, folder: &Path) -> Result<SegmentEntry, StoreError> {
        let name = path(folder, self.entry.number);
        fs::rename(&self.draft.path, &name).map_err(StoreError::io("rename", &name))?;
        self.draft.path = name;
        sync_folder(folder)?;
        self.draft.kept = true;
        Ok(self.entry)
    }
}

/// A file that is removed unless it is kept: on a full disk, above all, nothing half-written may
/// stay behind.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // The next start removes it otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes rows, by time, as segment `number`.
pub fn write(folder: &Path, number: u64, batches: &[RecordBatch]) -> Result<Aside, StoreError> {
    let all = concat_batches(&SCHEMA, batches)?;
    let at = all.column(SCHEMA.index_of(AT)?);
    let sorted = take_record_batch(&all, &sort_to_indices(at, None, None)?)?;
    let mut pen = Pen::open(folder, number)?;
    pen.write(&sorted)?;
    pen.close()
}

/// Writes the rows of several segments, in the order given, as segment `number`. Memory is that
/// of a row group, however long the segments are; with `grain_us`, by which calls are counted then,
/// also that of the counts.
pub fn merge(
    folder: &Path,
    number: u64,
    parts: &[Arc<Segment>],
    grain_us: i64,
) -> Result<Aside, StoreError> {
    let mut pen = Pen::open(folder, number)?;
    pen.entry.grain_us = grain_us;
    let mut rollup = (grain_us > 0).then(|| Rollup::new(grain_us));
    for part in parts {
        let file = File::open(&part.path).map_err(StoreError::io("open", &part.path))?;
        for batch in
            ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192).build()?
        {
            let Some(rollup) = &mut rollup else {
                pen.write(&completed(&batch?)?)?;
                continue;
            };
            rollup.add(&batch?)?;
            if rollup.is_full() {
                rollup.take(|batch| pen.write(batch))?;
            }
        }
    }
    if let Some(rollup) = &mut rollup {
        rollup.take(|batch| pen.write(batch))?;
    }
    pen.close()
}

/// Removes the files that the manifest does not name: left by a stop half-way.
pub fn remove_strangers(folder: &Path, in_force: &[SegmentEntry]) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let known = number_of(&entry.file_name().to_string_lossy())
            .is_some_and(|number| in_force.iter().any(|named| named.number == number));
        if !known {
            let path = entry.path();
            tracing::info!(file = %path.display(), "removing a file that the manifest does not name");
            fs::remove_file(&path).map_err(StoreError::io("remove", path))?;
        }
    }
    Ok(())
}

/// Whether there is any segment in a folder.
pub fn any(folder: &Path) -> Result<bool, StoreError> {
    let mut entries = fs::read_dir(folder).map_err(StoreError::io("list", folder))?;
    Ok(entries.any(|entry| {
        entry.is_ok_and(|entry| number_of(&entry.file_name().to_string_lossy()).is_some())
    }))
}

struct Pen {
    draft: Draft,
    writer: ArrowWriter<File>,
    entry: SegmentEntry,
}

impl Pen {
    fn open(folder: &Path, number: u64) -> Result<Self, StoreError> {
        let path = folder.join(format!("{number:020}.parquet.tmp"));
        let file = File::create(&path).map_err(StoreError::io("create", &path))?;
        let draft = Draft { path, kept: false };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_dictionary_enabled(true)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&SCHEMA), Some(properties))?;
        let (columns, first_us, last_us) = (TODAYS_COLUMNS, i64::MAX, i64::MIN);
        let entry =
            SegmentEntry { number, rows: 0, bytes: 0, first_us, last_us, columns, grain_us: 0 };
        Ok(Self { draft, writer, entry })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        if let Some((first, last)) = span_of(batch) {
            self.entry.first_us = self.entry.first_us.min(first);
            self.entry.last_us = self.entry.last_us.max(last);
            self.entry.rows += batch.num_rows() as u64;
        }
        Ok(self.writer.write(batch)?)
    }

    fn close(mut self) -> Result<Aside, StoreError> {
        let file = self.writer.into_inner()?;
        self.entry.bytes = file
            .sync_all()
            .and_then(|()| file.metadata())
            .map_err(StoreError::io("sync", &self.draft.path))?
            .len();
        Ok(Aside { draft: self.draft, entry: self.entry })
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.parquet"))
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".parquet")?.parse().ok()
}
