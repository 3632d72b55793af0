//! What does an immutable file of rows look like?
//!
//! A Parquet file (`sheet`) of rows by time. Written under a name that nobody looks for, synced, then
//! renamed; never changed after that. Beside a segment of counts lies a second file with
//! the sketches of who made the calls. A file that is no longer in force goes away when the last query
//! that reads it has ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::interleave_record_batch;

use super::error::StoreError;
use super::manifest::{SegmentEntry, sync_folder};
use super::rollup::{self, Rollup};
use super::rows;
use super::sheet::{Draft, Sheet, read};
use super::sketches::{self, Sketches};
use super::table::{AT, SCHEMA, TODAYS_COLUMNS, completed, is_even, span_of};

/// Rows that are put in order and written at a time.
const BATCH_ROWS: usize = 8192;

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
        self.draft.keep();
        if let Some(sketches) = &mut self.sketches {
            sketches.keep();
        }
        Ok(self.entry)
    }
}

/// Writes rows, by time, as segment `number`. Beside them it takes the memory of a few rows.
pub fn write(folder: &Path, number: u64, batches: &[RecordBatch]) -> Result<Aside, StoreError> {
    let parts: Vec<&RecordBatch> = batches.iter().collect();
    let mut pen = Pen::open(folder, number)?;
    for places in by_time(batches)?.chunks(BATCH_ROWS) {
        pen.write(&interleave_record_batch(&parts, places)?)?;
    }
    pen.close()
}

/// The places of rows, as batch and row, in the order of their times.
fn by_time(batches: &[RecordBatch]) -> Result<Vec<(usize, usize)>, StoreError> {
    let mut order = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (batch, rows) in batches.iter().enumerate() {
        let times = rows::column::<Int64Array>(rows, AT)?.values();
        order.extend(times.iter().enumerate().map(|(row, at_us)| (*at_us, batch, row)));
    }
    order.sort_unstable();
    Ok(order.into_iter().map(|(_, batch, row)| (batch, row)).collect())
}

/// Writes the rows of several segments, in the order given, as segment `number`. Memory is that
/// of a group of rows, however long the segments are; with `grain_us`, by which calls are counted then,
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
        pen.copy(part)?;
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
        pen.entry.sketched.then(|| Sheet::of_sketches(path, &sketches::SCHEMA)).transpose()?;
    let (mut rollup, mut sketches) = (Rollup::new(grain_us), Sketches::new(grain_us));
    for part in parts {
        for batch in read(&part.path, None)? {
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
        for batch in read(path, None)? {
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

/// A segment that is being written.
struct Pen {
    sheet: Sheet,
    entry: SegmentEntry,
}

impl Pen {
    fn open(folder: &Path, number: u64) -> Result<Self, StoreError> {
        let sheet = Sheet::of_calls(path(folder, number).with_extension("parquet.tmp"), &SCHEMA)?;
        let entry = SegmentEntry {
            number,
            rows: 0,
            bytes: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            columns: TODAYS_COLUMNS,
            grain_us: 0,
            sketched: false,
            even: true,
        };
        Ok(Self { sheet, entry })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        if let Some(span) = span_of(batch) {
            self.count(batch.num_rows() as u64, span, is_even(batch));
        }
        self.sheet.write(batch)
    }

    /// All rows of a segment.
    fn copy(&mut self, part: &Segment) -> Result<(), StoreError> {
        let SegmentEntry { rows, first_us, last_us, even, .. } = part.entry;
        self.count(rows, (first_us, last_us), even);
        self.sheet.copy(&part.path, |batch| Ok(completed(batch)?))
    }

    fn count(&mut self, rows: u64, (first_us, last_us): (i64, i64), even: bool) {
        self.entry.first_us = self.entry.first_us.min(first_us);
        self.entry.last_us = self.entry.last_us.max(last_us);
        self.entry.rows += rows;
        self.entry.even &= even;
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
