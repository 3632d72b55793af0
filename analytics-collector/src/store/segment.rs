//! What does an immutable file of rows look like?
//!
//! Parquet, zstd level 1, dictionaries, rows by time. Written under a name that nobody looks for,
//! synced, then renamed; never changed after that. Beside a segment of counts lies a second file with
//! the sketches of who made the calls. A file that is no longer in force goes away when the last query
//! that reads it has ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::error::StoreError;
use super::manifest::{SegmentEntry, sync_folder};
use super::rollup::{self, Rollup};
use super::sketches::{self, Sketches};
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
    /// Where its sketches are, if it has any.
    pub sketches: Option<PathBuf>,
    condemned: AtomicBool,
}

impl Segment {
    /// One that the manifest names.
    pub fn new(folder: &Path, entry: SegmentEntry) -> Arc<Self> {
        let path = path(folder, entry.number);
        let sketches = entry.sketched.then(|| sketches_path(folder, entry.number));
        // One that somebody removed must not stop the counts.
        let sketches = sketches.filter(|path| {
            let there = path.is_file();
            if !there {
                tracing::error!(file = %path.display(), "sketches of the manifest are gone; different users and clients of their time are not known");
            }
            there
        });
        Arc::new(Self { entry, path, sketches, condemned: AtomicBool::new(false) })
    }

    /// The file goes away when nobody reads it any more. To be said after the manifest has
    /// stopped naming it.
    pub fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !self.condemned.load(Ordering::Relaxed) {
            return;
        }
        for path in std::iter::once(&self.path).chain(&self.sketches) {
            if let Err(error) = fs::remove_file(path) {
                // The next start removes it: the manifest does not name it.
                tracing::warn!(file = %path.display(), %error, "cannot remove a segment that is no longer in force");
            }
        }
    }
}

/// A segment that is written, but has no name yet. Dropped without one it goes away.
#[derive(Debug)]
pub struct Aside {
    draft: Draft,
    sketches: Option<Draft>,
    entry: SegmentEntry,
}

impl Aside {
    /// Gives the files their names.
    pub fn name(mut self, folder: &Path) -> Result<SegmentEntry, StoreError> {
        if let Some(sketches) = &mut self.sketches {
            sketches.rename(sketches_path(folder, self.entry.number))?;
        }
        self.draft.rename(path(folder, self.entry.number))?;
        sync_folder(folder)?;
        self.draft.kept = true;
        if let Some(sketches) = &mut self.sketches {
            sketches.kept = true;
        }
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

impl Draft {
    fn rename(&mut self, to: PathBuf) -> Result<(), StoreError> {
        fs::rename(&self.path, &to).map_err(StoreError::io("rename", &to))?;
        self.path = to;
        Ok(())
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
/// also that of the counts and sketches.
pub fn merge(
    folder: &Path,
    number: u64,
    parts: &[Arc<Segment>],
    grain_us: i64,
) -> Result<Aside, StoreError> {
    let mut pen = Pen::open(folder, number)?;
    if grain_us > 0 {
        return roll_up(folder, pen, parts, grain_us);
    }
    for part in parts {
        for batch in batches(&part.path)? {
            pen.write(&completed(&batch?)?)?;
        }
    }
    pen.close()
}

fn roll_up(
    folder: &Path,
    mut pen: Pen,
    parts: &[Arc<Segment>],
    grain_us: i64,
) -> Result<Aside, StoreError> {
    let known = |part: &Arc<Segment>| part.entry.grain_us == 0 || part.sketches.is_some();
    pen.entry.grain_us = grain_us;
    pen.entry.sketched = parts.iter().all(known);
    let path = sketches_path(folder, pen.entry.number).with_extension("parquet.tmp");
    let mut beside =
        pen.entry.sketched.then(|| Sheet::open(path, &sketches::SCHEMA)).transpose()?;
    let (mut rollup, mut sketches) = (Rollup::new(grain_us), Sketches::new(grain_us));
    for part in parts {
        for batch in batches(&part.path)? {
            let calls = rollup::rows_of(&batch?)?;
            if let Some(sheet) = &mut beside {
                sketches.see(&calls)?;
                if sketches.is_full() {
                    sketches.take(|batch| sheet.write(batch))?;
                }
            }
            rollup.add(calls)?;
            if rollup.is_full() {
                rollup.take(|batch| pen.write(batch))?;
            }
        }
        let Some((sheet, path)) = beside.as_mut().zip(part.sketches.as_deref()) else { continue };
        for batch in batches(path)? {
            sketches.add(&batch?)?;
            if sketches.is_full() {
                sketches.take(|batch| sheet.write(batch))?;
            }
        }
    }
    rollup.take(|batch| pen.write(batch))?;
    if let Some(sheet) = &mut beside {
        sketches.take(|batch| sheet.write(batch))?;
    }
    let beside = beside.map(Sheet::close).transpose()?;
    Ok(Aside { sketches: beside.map(|(draft, _)| draft), ..pen.close()? })
}

fn batches(path: &Path) -> Result<ParquetRecordBatchReader, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    Ok(ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192).build()?)
}

/// Removes the files that the manifest does not name: left by a stop half-way.
pub fn remove_strangers(folder: &Path, in_force: &[SegmentEntry]) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let names = |number| in_force.iter().find(|named| named.number == number);
        let sketched = |named: &SegmentEntry| named.sketched;
        let known = number_of(&name).and_then(names).is_some()
            || number_of_sketches(&name).and_then(names).is_some_and(sketched);
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

/// A file of rows that is being written.
struct Sheet {
    draft: Draft,
    writer: ArrowWriter<File>,
}

impl Sheet {
    fn open(path: PathBuf, schema: &SchemaRef) -> Result<Self, StoreError> {
        let file = File::create(&path).map_err(StoreError::io("create", &path))?;
        let draft = Draft { path, kept: false };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_dictionary_enabled(true)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))?;
        Ok(Self { draft, writer })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        Ok(self.writer.write(batch)?)
    }

    /// The file and its size in bytes.
    fn close(self) -> Result<(Draft, u64), StoreError> {
        let file = self.writer.into_inner()?;
        let bytes = file
            .sync_all()
            .and_then(|()| file.metadata())
            .map_err(StoreError::io("sync", &self.draft.path))?
            .len();
        Ok((self.draft, bytes))
    }
}

/// A segment that is being written.
struct Pen {
    sheet: Sheet,
    entry: SegmentEntry,
}

impl Pen {
    fn open(folder: &Path, number: u64) -> Result<Self, StoreError> {
        let sheet = Sheet::open(path(folder, number).with_extension("parquet.tmp"), &SCHEMA)?;
        let entry = SegmentEntry {
            number,
            rows: 0,
            bytes: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            columns: TODAYS_COLUMNS,
            grain_us: 0,
            sketched: false,
        };
        Ok(Self { sheet, entry })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        if let Some((first, last)) = span_of(batch) {
            self.entry.first_us = self.entry.first_us.min(first);
            self.entry.last_us = self.entry.last_us.max(last);
            self.entry.rows += batch.num_rows() as u64;
        }
        self.sheet.write(batch)
    }

    fn close(mut self) -> Result<Aside, StoreError> {
        let (draft, bytes) = self.sheet.close()?;
        self.entry.bytes = bytes;
        Ok(Aside { draft, sketches: None, entry: self.entry })
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.parquet"))
}

fn sketches_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.sketches.parquet"))
}

fn number_of_sketches(name: &str) -> Option<u64> {
    name.strip_suffix(".sketches.parquet")?.parse().ok()
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".parquet")?.parse().ok()
}
