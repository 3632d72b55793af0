//! Which segments are in force, and from which log file on does the log count?
//!
//! A small JSON file, replaced as a whole: written aside, synced, renamed. Whatever it does not
//! name is not part of the store, so it is the one place where a set of rows changes hands.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::marks::{Mark, Marks};
use super::table::FIRST_COLUMNS;

const NAME: &str = "manifest.json";
const FORMAT: u32 = 1;

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file.
    pub format: u32,
    /// The number that the next segment gets.
    pub next_segment: u64,
    /// Log files below this number are in segments already.
    pub wal_from: u64,
    /// The segments, oldest number first.
    pub segments: Vec<SegmentEntry>,
    /// How far each spool is in segments.
    pub marks: Vec<MarkEntry>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// Its number, which is its file name.
    pub number: u64,
    /// How many rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Its first call, microseconds since the Unix epoch.
    pub first_us: i64,
    /// Its last call.
    pub last_us: i64,
    /// How many of the table's columns it has, from the first.
    #[serde(default = "first_columns")]
    pub columns: usize,
    /// By how many microseconds its calls are counted; 0: it has the calls themselves.
    #[serde(default)]
    pub grain_us: i64,
    /// Beside its counts lie sketches of who made the calls. Never so of calls themselves.
    #[serde(default)]
    pub sketched: bool,
    /// Every row stands for one call. Of earlier versions nobody knows.
    #[serde(default)]
    pub even: bool,
}

impl SegmentEntry {
    /// Whether nobody knows any more how many different users and clients made its calls.
    pub const fn lacks_sketches(&self) -> bool {
        self.grain_us > 0 && !self.sketched
    }
}

const fn first_columns() -> usize {
    FIRST_COLUMNS
}

/// How far one spool is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkEntry {
    source: String,
    epoch: String,
    sequence: u64,
    at_us: i64,
}

impl Manifest {
    /// Nothing stored yet.
    pub const fn empty() -> Self {
        Self {
            format: FORMAT,
            next_segment: 1,
            wal_from: 1,
            segments: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Reads the one of a folder; `None`: there is none.
    pub fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = path(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        // The format is read first, so that a newer file is told from a damaged one.
        let Ok(Format { format }) = serde_json::from_slice(&text) else {
            return Err(StoreError::Manifest { path, state: "damaged" });
        };
        if format > FORMAT {
            return Err(StoreError::Newer { path, found: format, known: FORMAT });
        }
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| StoreError::Manifest { path, state: "damaged" })
    }

    /// Puts this one in force.
    pub fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let (path, aside) = (path(folder), folder.join("manifest.json.tmp"));
        let text = serde_json::to_vec_pretty(self)?;
        File::create(&aside)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .map_err(StoreError::io("write", &aside))?;
        fs::rename(&aside, &path).map_err(StoreError::io("rename", &aside))?;
        sync_folder(folder)
    }

    /// Whether a segment is in force.
    pub fn names(&self, number: u64) -> bool {
        self.segments.iter().any(|entry| entry.number == number)
    }

    /// The marks as a map.
    pub fn marks(&self) -> Marks {
        self.marks
            .iter()
            .map(|entry| {
                let mark = Mark { sequence: entry.sequence, at_us: entry.at_us };
                (entry.source.clone(), entry.epoch.clone(), mark)
            })
            .collect()
    }

    /// Replaces the marks.
    pub fn set_marks(&mut self, marks: &Marks) {
        self.marks = marks
            .iter()
            .map(|(source, epoch, mark)| MarkEntry {
                source: source.to_owned(),
                epoch: epoch.to_owned(),
                sequence: mark.sequence,
                at_us: mark.at_us,
            })
            .collect();
    }
}

/// Makes new names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", folder))
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}
