//! Is the store the one that this data directory has worked with, or was it put back from a copy?
//!
//! Beside the data lies a small file that says which epoch was in force, how far it had come, and
//! (for a store that is a file) which file it was. A store that is behind that, or that is another
//! file, was restored, and a new epoch begins. The reverse error is harmless: a new epoch without
//! need costs each gateway one small message, because equality of configurations is decided by
//! hash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::contract::Revision;

/// The file beside the data.
#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    /// Writers take turns: the file aside has one name.
    turn: Mutex<()>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) epoch: String,
    pub(super) revision: Revision,
    /// The inode of the store's file; 0 where the store is not a file.
    pub(super) file: u64,
}

impl Witness {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, turn: Mutex::default() }
    }

    /// Replaces what the file says. Not synced: after a power failure it may say less than is
    /// true, which only means that it notices less.
    pub(super) fn write(&self, seen: &Seen) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = self.path.with_extension("new");
        fs::write(&aside, serde_json::to_vec(seen)?)?;
        fs::rename(&aside, &self.path)
    }

    /// What it says; none: there is no such file, or it cannot be read.
    pub(super) fn read(&self) -> Option<Seen> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }
}

/// The inode of a file.
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(path)?.ino())
}
