//! How far had this process seen the log when it last ran?
//!
//! Kept outside the store. A store that knows less was restored from a backup: readers hold lines
//! that it has lost, and would take its next lines for ones they know.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::reader::Cursor;

#[derive(Clone, Debug)]
pub struct Mark(PathBuf);

impl Mark {
    pub fn in_folder(data: &Path) -> Self {
        Self(data.join("revocations.mark"))
    }

    /// `None`: there is none, or it cannot be read, which is the same as a first start.
    pub fn read(&self) -> Option<Cursor> {
        let text = fs::read_to_string(&self.0).ok()?;
        let (epoch, sequence) = text.trim().split_once(' ')?;
        Some(Cursor { epoch: epoch.to_owned(), sequence: sequence.parse().ok()? })
    }

    /// Replaces the mark whole. It is not forced to the disk: an old mark is a weaker guard, not a
    /// wrong one.
    pub fn write(&self, seen: &Cursor) -> io::Result<()> {
        let draft = self.0.with_extension("draft");
        fs::write(&draft, format!("{} {}\n", seen.epoch, seen.sequence))?;
        fs::rename(&draft, &self.0)
    }
}
