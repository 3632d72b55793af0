//! How is a batch durable before it is acknowledged?
//!
//! Frames (length, CRC-32 over length and payload, payload) are appended to numbered files; one
//! fsync makes a whole group durable. A file is written by one process life only and is replaced
//! by the next number when a write fails, so a bad frame can only stand at the end of a file and
//! never in front of an acknowledged one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use prost::Message as _;

use super::error::StoreError;
use super::manifest::sync_folder;
use super::probe::{Probe, Step};
use crate::event::Row;

/// What a log file begins with: its kind and its format.
const MAGIC: &[u8; 8] = b"TPWAL\x00\x00\x01";
const KIND: &[u8] = b"TPWAL";
/// Bytes in front of a payload: its length and its checksum.
const HEAD: usize = 8;
/// A longer frame is damage: a batch is at most 5 MiB on the wire.
const LONGEST: usize = 64 << 20;

/// The payload of a frame: one batch as it was accepted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    /// Name of the source.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Its spool.
    #[prost(string, tag = "2")]
    pub epoch: String,
    /// Its number in the spool.
    #[prost(uint64, tag = "3")]
    pub sequence: u64,
    /// When it was accepted, microseconds since the Unix epoch.
    #[prost(int64, tag = "4")]
    pub at_us: i64,
    /// Its calls.
    #[prost(message, repeated, tag = "5")]
    pub rows: Vec<Row>,
}

impl Record {
    /// The frame of this record.
    pub fn frame(&self) -> Vec<u8> {
        let payload = self.encode_to_vec();
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut frame = Vec::with_capacity(HEAD + payload.len());
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&checksum(length, &payload).to_le_bytes());
        frame.extend_from_slice(&payload);
        frame
    }
}

/// The log that is being written.
#[derive(Debug)]
pub struct Wal {
    folder: PathBuf,
    /// None: it could not be begun, or a write has failed: nobody knows what is behind `durable`, so
    /// nothing more goes there.
    file: Option<File>,
    number: u64,
    /// Everything before this offset is durable.
    durable: u64,
    probe: Probe,
}

impl Wal {
    /// Begins the file `number`, which holds nothing that counts. On a full disk it is begun by the
    /// first append that finds room: until then the log takes nothing.
    pub fn create(folder: &Path, number: u64, probe: Probe) -> Result<Self, StoreError> {
        let file = match begin(folder, number) {
            Ok(file) => Some(file),
            Err(error) if error.is_full_disk() => {
                let error = super::error::chain(&error);
                tracing::error!(error, "the log cannot be begun; batches are refused until it can");
                None
            }
            Err(error) => return Err(error),
        };
        let (folder, durable) = (folder.to_owned(), MAGIC.len() as u64);
        Ok(Self { folder, file, number, durable, probe })
    }

    /// Whether the last write went well.
    pub const fn is_sound(&self) -> bool {
        self.file.is_some()
    }

    /// Makes frames durable, all or none. After an error the log goes on in a new file.
    pub fn append(&mut self, frames: &[u8]) -> Result<(), StoreError> {
        let mut file = match self.file.take() {
            Some(file) => file,
            // A file in which nothing counts is begun again: on a full disk each try would leave one.
            None if self.durable == MAGIC.len() as u64 => begin(&self.folder, self.number)?,
            None => self.begin_next()?,
        };
        if let Err(error) = self.write(&mut file, frames) {
            // What is left of the frames is cut off; where that fails too they may be read at the
            // next start, and then a repeat is recognised by its sequence.
            let _ = file.set_len(self.durable).and_then(|()| file.sync_all());
            return Err(StoreError::io("append to", path(&self.folder, self.number))(error));
        }
        self.file = Some(file);
        self.durable += frames.len() as u64;
        Ok(())
    }

    fn write(&self, file: &mut File, frames: &[u8]) -> io::Result<()> {
        self.probe.pass(Step::WalWriting)?;
        file.write_all(frames)?;
        self.probe.pass(Step::WalWritten)?;
        file.sync_data()?;
        self.probe.pass(Step::WalSynced)
    }

    /// Begins the next file and says its number: what was appended so far lies below it.
    pub fn rotate(&mut self) -> Result<u64, StoreError> {
        self.file = Some(self.begin_next()?);
        Ok(self.number)
    }

    fn begin_next(&mut self) -> Result<File, StoreError> {
        let file = begin(&self.folder, self.number + 1)?;
        (self.number, self.durable) = (self.number + 1, MAGIC.len() as u64);
        Ok(file)
    }
}

/// Begins the file `number`, which holds nothing that counts.
fn begin(folder: &Path, number: u64) -> Result<File, StoreError> {
    let path = path(folder, number);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .map_err(StoreError::io("create", &path))?;
    file.write_all(MAGIC).and_then(|()| file.sync_all()).map_err(StoreError::io("write", path))?;
    sync_folder(folder)?;
    Ok(file)
}

/// What was found in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number for the next file.
    pub next: u64,
    /// Bytes at the ends of files that are no whole frame: batches that were never acknowledged.
    pub torn_bytes: u64,
}

/// Reads every record from the file `from` on, in order, and cuts torn ends off.
pub fn replay(
    folder: &Path,
    from: u64,
    mut each: impl FnMut(Record) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let mut found = Replayed { next: from, torn_bytes: 0 };
    for number in numbers(folder)? {
        found.next = found.next.max(number + 1);
        if number < from {
            continue;
        }
        let path = path(folder, number);
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let (mut good, mut rest) = match bytes.strip_prefix(MAGIC.as_slice()) {
            Some(frames) => (MAGIC.len(), frames),
            None if bytes.starts_with(KIND) && bytes.len() >= MAGIC.len() => {
                let found = bytes.get(MAGIC.len() - 1).copied().map_or(0, u32::from);
                return Err(StoreError::Newer { path, found, known: 1 });
            }
            None => (0, [].as_slice()),
        };
        while let Some((record, length)) = first_record(rest) {
            each(record)?;
            good += length;
            rest = rest.get(length..).unwrap_or_default();
        }
        let torn = (bytes.len() - good) as u64;
        if torn > 0 {
            tracing::warn!(file = %path.display(), bytes = torn, "the log ends in a torn frame, which was never acknowledged");
            OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(good as u64).and_then(|()| file.sync_all()))
                .map_err(StoreError::io("cut", &path))?;
            found.torn_bytes += torn;
        }
    }
    Ok(found)
}

/// Removes the files below a number.
pub fn remove_before(folder: &Path, number: u64) -> Result<(), StoreError> {
    for old in numbers(folder)?.into_iter().take_while(|old| *old < number) {
        let path = path(folder, old);
        fs::remove_file(&path).map_err(StoreError::io("remove", path))?;
    }
    Ok(())
}

/// The first record of some bytes and the length of its frame; nothing if it is not whole.
fn first_record(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let payload_length = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..payload_length).filter(|_| payload_length <= LONGEST)?;
    if checksum(*length, payload) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some((Record::decode(payload).ok()?, HEAD + payload_length))
}

/// Covers the length too, so that a run of zeros is not a whole empty frame.
fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.wal"))
}

fn numbers(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let name = entry.map_err(StoreError::io("list", folder))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".wal")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes two batches, does `harm` to the file and tells which sequences are read again and
    /// how many bytes were torn off.
    #[track_caller]
    fn check(harm: impl FnOnce(&mut Vec<u8>), read: &[u64], torn: bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = Wal::create(folder.path(), 1, Probe::default()).unwrap();
        for sequence in [1, 2] {
            let rows = vec![Row { path: "/x".repeat(40), ..Row::default() }];
            let record = Record { sequence, rows, ..Record::default() };
            wal.append(&record.frame()).unwrap();
        }
        let path = path(folder.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        for expect_torn in [torn, false] {
            let mut seen = Vec::new();
            let found = replay(folder.path(), 1, |record| {
                seen.push(record.sequence);
                Ok(())
            });
            let found = found.unwrap();
            assert_eq!((seen.as_slice(), found.torn_bytes > 0, found.next), (read, expect_torn, 2));
        }
    }

    #[test]
    fn what_was_appended_is_read_again() {
        check(|_| {}, &[1, 2], false);
    }

    #[test]
    fn a_frame_cut_anywhere_is_not_read_and_is_cut_off() {
        let whole = Record {
            sequence: 2,
            rows: vec![Row { path: "/x".repeat(40), ..Row::default() }],
            ..Record::default()
        }
        .frame()
        .len();
        for missing in 1..whole {
            check(|bytes| bytes.truncate(bytes.len() - missing), &[1], true);
        }
    }

    #[test]
    fn a_flipped_bit_in_the_last_frame_is_noticed() {
        check(|bytes| *bytes.last_mut().unwrap() ^= 1, &[1], true);
    }

    #[test]
    fn zeros_behind_the_last_frame_are_no_frame() {
        check(|bytes| bytes.extend([0; 64]), &[1, 2], true);
    }

    #[test]
    fn a_length_beyond_all_bounds_ends_the_file() {
        check(|bytes| bytes.extend([0xff; 64]), &[1, 2], true);
    }

    #[test]
    fn a_file_without_its_first_bytes_holds_nothing() {
        check(|bytes| bytes.truncate(3), &[], true);
    }

    #[test]
    fn a_disk_that_is_full_again_and_again_does_not_fill_with_files() {
        let folder = tempfile::tempdir().unwrap();
        let full = Probe::new(|step| match step {
            Step::WalWritten => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        });
        let mut wal = Wal::create(folder.path(), 1, full).unwrap();
        for _ in 0..5 {
            assert!(wal.append(b"frame").is_err());
            assert!(!wal.is_sound());
        }
        assert_eq!(numbers(folder.path()).unwrap(), [1]);
    }
}
