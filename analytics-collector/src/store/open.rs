//! What does the store hold when it starts?
//!
//! What the manifest names, and behind it what the log holds and the manifest does not cover.
//! Everything else in the folder was left half-way by a stop and is removed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::error::StoreError;
use super::in_force::{InForce, View};
use super::levels::Levels;
use super::manifest::{self, Manifest};
use super::marks::Marks;
use super::probe::Probe;
use super::segment::{self, Segment};
use super::table::batch_of;
use super::wal::{self, Record, Wal};
use crate::guard::lock;
use crate::question::Window;

/// Rows are laid out in batches of about so many when the log is read again.
const REPLAY_ROWS: usize = 8192;

/// Where the store is and how it behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder.
    pub folder: PathBuf,
    /// How long calls, and counts of them, are kept.
    pub levels: Levels,
    /// Rows in memory are flushed at the latest after so long, microseconds.
    pub flush_after_us: i64,
    /// Rows in memory are flushed when there are so many.
    pub flush_rows: usize,
    /// Segments are handed on to another engine, and batches are refused when segments of so many
    /// bytes wait for that; absent: they stay here.
    pub hand_on: Option<u64>,
}

/// The events of all gateways.
#[derive(Debug)]
pub struct Store {
    pub(super) settings: Settings,
    pub(super) probe: Probe,
    /// Taken first when several are: catalog, then log, then (inside) what is in force.
    pub(super) catalog: Mutex<Catalog>,
    pub(super) log: Mutex<Log>,
    pub(super) in_force: InForce,
    /// Held while the store is open.
    _lock: File,
}

/// What is on disk besides the log.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) manifest: Manifest,
    /// A flush has begun and has not ended.
    pub(super) frozen: Option<Frozen>,
}

/// Rows that a flush has set aside in memory.
#[derive(Debug)]
pub(super) struct Frozen {
    /// The log files below this number hold them.
    pub(super) wal_from: u64,
    /// How far every spool was stored then.
    pub(super) marks: Marks,
    /// Their segment, once it is written. It is not written again if only the manifest fails.
    pub(super) segment: Option<Arc<Segment>>,
}

/// The log and how far it reaches.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) wal: Wal,
    pub(super) marks: Marks,
}

impl Store {
    /// Opens the store of a folder, or begins one.
    pub fn open(settings: Settings, probe: Probe, now_us: i64) -> Result<Self, StoreError> {
        let folder = &settings.folder;
        for folder in [folder, &segments(folder), &logs(folder)] {
            fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        }
        let lock = take(folder)?;
        let manifest = read_or_begin(folder)?;
        segment::remove_strangers(&segments(folder), &manifest.segments)?;
        wal::remove_before(&logs(folder), manifest.wal_from)?;

        let in_force = InForce::new(present(folder, &manifest));
        let mut marks = manifest.marks();
        let replayed = replay(folder, &manifest, &mut marks, &in_force, now_us)?;
        let wal = Wal::create(&logs(folder), replayed, probe.clone())?;
        let catalog = Mutex::new(Catalog { manifest, frozen: None });
        let log = Mutex::new(Log { wal, marks });
        Ok(Self { settings, probe, catalog, log, in_force, _lock: lock })
    }

    /// What a query over a window sees.
    pub fn view(&self, window: Window) -> View {
        self.in_force.view(window)
    }

    /// The folder of the segments.
    pub fn segments(&self) -> PathBuf {
        segments(&self.settings.folder)
    }

    /// How long calls, and counts of them, are kept.
    pub const fn levels(&self) -> &Levels {
        &self.settings.levels
    }

    /// The number that the next segment gets.
    pub(super) fn next_segment(&self) -> u64 {
        lock(&self.catalog).manifest.next_segment
    }

    /// Whether segments are handed on to another engine.
    pub fn hands_on(&self) -> bool {
        self.settings.hand_on.is_some()
    }

    /// The segment that was written first.
    pub(super) fn oldest(&self) -> Option<Arc<Segment>> {
        self.in_force.oldest()
    }

    /// Whether there are counts of old calls, which are not handed on to other engines.
    pub fn has_counts(&self) -> bool {
        lock(&self.catalog).manifest.segments.iter().any(|entry| entry.grain_us > 0)
    }

    /// Rows in memory, segments, and rows in them.
    pub fn sizes(&self) -> (usize, usize, u64) {
        let (rows, _) = self.in_force.in_memory();
        let catalog = lock(&self.catalog);
        let entries = &catalog.manifest.segments;
        (rows, entries.len(), entries.iter().map(|entry| entry.rows).sum())
    }
}

pub(super) fn segments(folder: &Path) -> PathBuf {
    folder.join("segments")
}

pub(super) fn logs(folder: &Path) -> PathBuf {
    folder.join("wal")
}

fn take(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("store.lock");
    let file = File::create(&path).map_err(StoreError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

/// A new store gets its manifest before anything else, so segments without one are damage.
fn read_or_begin(folder: &Path) -> Result<Manifest, StoreError> {
    if let Some(manifest) = Manifest::read(folder)? {
        return Ok(manifest);
    }
    if segment::any(&segments(folder))? {
        return Err(StoreError::Manifest { path: manifest::path(folder), state: "gone" });
    }
    let manifest = Manifest::empty();
    manifest.write(folder)?;
    Ok(manifest)
}

/// The segments whose files are there. One that somebody removed must not stop the others.
fn present(folder: &Path, manifest: &Manifest) -> Vec<Arc<Segment>> {
    let named =
        manifest.segments.iter().map(|entry| Segment::new(&segments(folder), entry.clone()));
    let (there, gone): (Vec<_>, Vec<_>) = named.partition(|segment| segment.path.is_file());
    for segment in gone {
        tracing::error!(file = %segment.path.display(), rows = segment.entry.rows, "a segment of the manifest is gone; its rows are lost");
    }
    there
}

/// Reads the log again and says which number its next file has.
fn replay(
    folder: &Path,
    manifest: &Manifest,
    marks: &mut Marks,
    in_force: &InForce,
    now_us: i64,
) -> Result<u64, StoreError> {
    let (mut rows, mut bytes, mut batches) = (Vec::new(), 0, 0_u64);
    let replayed = wal::replay(&logs(folder), manifest.wal_from, |record: Record| {
        // A frame that a failed write left behind may be there again, written by its repeat.
        if marks.find(&record.source, &record.epoch).is_some_and(|mark| record.sequence <= mark) {
            return Ok(());
        }
        marks.reach(&record.source, &record.epoch, record.sequence, record.at_us);
        batches += 1;
        bytes += prost::Message::encoded_len(&record);
        rows.extend(record.rows);
        if rows.len() >= REPLAY_ROWS {
            in_force.add(batch_of(&rows)?, bytes, now_us);
            (rows, bytes) = (Vec::new(), 0);
        }
        Ok(())
    })?;
    in_force.add(batch_of(&rows)?, bytes, now_us);
    let (rows, _) = in_force.in_memory();
    tracing::info!(
        segments = manifest.segments.len(),
        batches,
        rows,
        torn_bytes = replayed.torn_bytes,
        "store is open"
    );
    Ok(replayed.next)
}
