//! How do counters lie in a file, so that a file that ends anywhere is still good?
//!
//! A file is a head and then batches, each with its length and the CRC32 of its entries. What is said last
//! of a counter counts. A batch that is not there whole at the end of the file never happened. Each
//! process has a file of its own and holds a lock on it; numbers are little-endian.
//!
//! ```text
//! head   "TPCOUNT1"
//! batch  length of the entries (u32) · their CRC32 (u32) · entries
//! entry  subject (16) · length of the rest (u16) · what was used (see `throttle::Past`)
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::{Buf as _, BufMut as _};
use throttle::Subject;

const MAGIC: &[u8; 8] = b"TPCOUNT1";
const NAME: &str = "counters.";
const BATCH_HEAD_BYTES: usize = 8;
/// No batch is longer; more is damage and is not allocated.
const LONGEST: usize = 64 << 20;

/// A file that this process writes.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// A place in a file up to which it has been read.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    at: u64,
}

/// Entries on their way into a file.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<u8>);

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("unreadable")]
    Unreadable(#[from] io::Error),
    #[error("not a file of this program")]
    Foreign,
    #[error("altered at byte {0}")]
    Altered(u64),
}

impl Batch {
    /// Adds what was used of a counter.
    pub(super) fn put(&mut self, subject: Subject, used: &[u8]) {
        let Ok(length) = u16::try_from(used.len()) else { return };
        self.0.extend_from_slice(&subject.0);
        self.0.put_u16_le(length);
        self.0.extend_from_slice(used);
    }

    /// Whether it is time to write it.
    pub(super) const fn is_full(&self) -> bool {
        self.0.len() >= LONGEST / 2
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Log {
    /// Begins the file of this number in `directory` with what `fill` writes: it is there whole or not at
    /// all, and locked.
    pub(super) fn begin(
        directory: &Path,
        number: u64,
        fill: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = path(directory, number);
        let aside = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.lock()?;
        file.write_all_at(MAGIC, 0)?;
        let mut log = Self { file, path, bytes: MAGIC.len() as u64 };
        fill(&mut log)?;
        log.file.sync_all()?;
        fs::rename(&aside, &log.path)?;
        File::open(directory)?.sync_all()?;
        Ok(log)
    }

    /// Writes entries behind those that are there; not synced yet.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut head = Vec::with_capacity(BATCH_HEAD_BYTES);
        head.put_u32_le(u32::try_from(batch.0.len()).map_err(io::Error::other)?);
        head.put_u32_le(crc32fast::hash(&batch.0));
        self.file.write_all_at(&head, self.bytes)?;
        self.file.write_all_at(&batch.0, self.bytes + BATCH_HEAD_BYTES as u64)?;
        self.bytes += (BATCH_HEAD_BYTES + batch.0.len()) as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// How long it is.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Reader {
    /// Opens a file at its beginning.
    pub(super) fn open(path: &Path) -> Result<Self, Damage> {
        let file = File::open(path)?;
        let mut magic = [0; MAGIC.len()];
        match file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == *MAGIC => Ok(Self { file, at: MAGIC.len() as u64 }),
            Ok(()) => Err(Damage::Foreign),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Damage::Foreign),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the process that writes it is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.file.try_lock_shared().is_ok()
    }

    /// Tells `each` what was written since it was read last. With an error, what stands before the damage
    /// was told.
    pub(super) fn read_on(&mut self, mut each: impl FnMut(Subject, &[u8])) -> Result<(), Damage> {
        loop {
            let end = self.file.metadata()?.len();
            let left = end.saturating_sub(self.at);
            if left < BATCH_HEAD_BYTES as u64 {
                return Ok(());
            }
            let mut head = [0; BATCH_HEAD_BYTES];
            self.file.read_exact_at(&mut head, self.at)?;
            let mut head = head.as_slice();
            let (length, crc) = (head.get_u32_le() as usize, head.get_u32_le());
            let whole = (BATCH_HEAD_BYTES as u64).saturating_add(length as u64);
            if length > LONGEST {
                return Err(Damage::Altered(self.at));
            }
            if whole > left {
                // Its writer was stopped within it, or is writing it now.
                return Ok(());
            }
            let mut entries = vec![0; length];
            self.file.read_exact_at(&mut entries, self.at + BATCH_HEAD_BYTES as u64)?;
            if crc32fast::hash(&entries) != crc {
                // The last one may not have reached the disk whole.
                return if whole == left { Ok(()) } else { Err(Damage::Altered(self.at)) };
            }
            told(&entries, &mut each).ok_or(Damage::Altered(self.at))?;
            self.at += whole;
        }
    }
}

fn told(mut entries: &[u8], each: &mut impl FnMut(Subject, &[u8])) -> Option<()> {
    while !entries.is_empty() {
        let (subject, rest) = entries.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (used, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        each(Subject(*subject), used);
        entries = rest;
    }
    Some(())
}

/// The files in a directory, in the order in which they were begun.
pub(super) fn files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        found.extend(number.map(|number| (number, path(directory, number))));
    }
    found.sort_unstable();
    Ok(found)
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{NAME}{number:012}"))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
