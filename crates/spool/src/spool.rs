//! Which events are still owed to the collector, and where do they wait?
//!
//! Batches are appended to segment files and numbered 1, 2, 3 …; an acknowledgement up to a number
//! removes the segments that it covers. The whole is bounded: when it is full, the oldest segment
//! that no batch has been sent of goes and its events are counted, and the next batch reports them.
//! What has been sent may be with the collector already, so that dropping it would report events as
//! lost that are not, and twice what its batches reported themselves.
//!
//! Promises: what was appended survives kill -9 (it is in the kernel's hands; no sync is waited
//! for). The position of the last acknowledgement is kept beside the segments; losing it only
//! repeats batches, which the collector recognises. A number is never used twice within an epoch:
//! after a machine went down, which may have lost batches that were sent already, the spool goes on
//! under a new epoch. Gaps in the numbers are legal; they are batches that were dropped.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

use crate::bounds::Bounds;
use crate::segment::{Epoch, Frame, HEAD_BYTES, MAX_EVENTS_BYTES, Segment};

const ENDING: &str = "events";

/// Why the spool could not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory or a file in it.
    #[error("spool file `{path}`")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Two processes on one directory would number their batches alike.
    #[error("the spool `{0}` is in use by another process")]
    InUse(PathBuf),
    /// More than one frame can hold.
    #[error("a batch of {0} bytes is too long for the spool")]
    TooLong(usize),
}

impl SpoolError {
    /// Whether the disk has no room.
    pub(crate) fn is_full(&self) -> bool {
        let Self::File { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The spool; one process has it at a time.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    bounds: Bounds,
    epoch: Epoch,
    /// Oldest first; the last one is appended to, through `active`. Empty only after the disk has
    /// refused to begin one, until it lets.
    segments: VecDeque<Listed>,
    active: File,
    next: u64,
    acknowledged: u64,
    /// The last batch that was handed out to be sent.
    handed_out: u64,
    /// Dropped and not yet reported by a batch.
    unreported: u64,
    /// Dropped by this spool since it was opened.
    dropped: u64,
    position: File,
    reading: Option<Reading>,
    /// Reused for each append, so that a frame is one write.
    scratch: Vec<u8>,
    _lock: File,
}

#[derive(Debug)]
struct Listed {
    path: PathBuf,
    epoch: Epoch,
    first: u64,
    bytes: u64,
}

/// Where the last read ended, so that reading on does not search.
#[derive(Debug)]
struct Reading {
    segment: Segment,
    after: u64,
    offset: u64,
}

impl Spool {
    /// Opens or makes the spool in `directory`. `boot` names this run of the machine; `fresh` is
    /// taken for a new epoch where one is needed.
    pub(crate) fn open(
        directory: &Path,
        bounds: Bounds,
        boot: &str,
        fresh: Epoch,
    ) -> Result<Self, SpoolError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            |source| SpoolError::File { path, source }
        };
        // Events name users: they are their owner's alone.
        let folder = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        folder.map_err(at(directory))?;
        let lock = lock(directory)?;
        let (position, acknowledged) = open_position(&directory.join("acknowledged"))?;
        let Found { mut segments, next, whole } = list(directory)?;
        let known = read_epoch(&directory.join("epoch"), boot);
        // Where numbers that were used may be forgotten, they start again under a new name only.
        let traced = whole && (!segments.is_empty() || acknowledged.is_some());
        let epoch = known.filter(|_| traced).unwrap_or(fresh);
        if known != Some(epoch) {
            write_epoch(&directory.join("epoch"), epoch, boot)?;
        }
        let acknowledged = acknowledged.unwrap_or(0);
        let next = next.max(acknowledged + 1);
        let active = match segments.back() {
            Some(last) if last.epoch == epoch && last.bytes < bounds.segment => {
                OpenOptions::new().append(true).open(&last.path).map_err(at(&last.path))?
            }
            _ => start_segment(directory, epoch, next, &mut segments)?,
        };
        Ok(Self {
            directory: directory.to_owned(),
            bounds,
            epoch,
            segments,
            active,
            next,
            acknowledged,
            handed_out: acknowledged,
            unreported: 0,
            dropped: 0,
            position,
            reading: None,
            scratch: Vec::new(),
            _lock: lock,
        })
    }

    /// Appends a batch of `count` encoded events and gives its number. `lost` events were dropped
    /// before they reached the spool. When an error comes back the batch is dropped and counted.
    pub(crate) fn append(
        &mut self,
        events: &[u8],
        count: u32,
        lost: u64,
    ) -> Result<u64, SpoolError> {
        self.unreported += lost;
        let appended = self.try_append(events, count);
        match appended {
            Ok(_) => self.unreported = 0,
            Err(_) => self.lose(count.into()),
        }
        appended
    }

    fn try_append(&mut self, events: &[u8], count: u32) -> Result<u64, SpoolError> {
        if events.len() > MAX_EVENTS_BYTES {
            return Err(SpoolError::TooLong(events.len()));
        }
        let room = Frame::room(events.len());
        let head = if self.begins_segment(room) { HEAD_BYTES } else { 0 };
        while self.bytes() + head + room > self.bounds.total && self.segments.len() > 1 {
            self.drop_oldest()?;
        }
        match self.write(events, count) {
            // The disk is smaller than the bound: what is oldest makes room there too.
            Err(error) if error.is_full() && self.segments.len() > 1 => {
                self.drop_oldest()?;
                self.write(events, count)
            }
            written => written,
        }
    }

    fn write(&mut self, events: &[u8], count: u32) -> Result<u64, SpoolError> {
        let room = Frame::room(events.len());
        if self.begins_segment(room) {
            self.roll()?;
        }
        self.scratch.clear();
        Frame::write(self.next, self.unreported, count, events, &mut self.scratch);
        let Some(last) = self.segments.back_mut() else { return Err(self.gone()) };
        if let Err(source) = (&self.active).write_all(&self.scratch) {
            let path = last.path.clone();
            // Half a frame would end the segment for every reader; without it, it goes on.
            let whole = self.active.set_len(last.bytes).is_ok();
            if !whole {
                self.roll()?;
            }
            return Err(SpoolError::File { path, source });
        }
        last.bytes += room;
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Whether a frame that takes so much room belongs in a new segment.
    fn begins_segment(&self, room: u64) -> bool {
        let full =
            |last: &Listed| last.bytes > HEAD_BYTES && last.bytes + room > self.bounds.segment;
        self.segments.back().is_none_or(full)
    }

    /// The first batch after `sequence`, to be sent; `None`: there is none yet.
    pub(crate) fn after(&mut self, sequence: u64) -> Result<Option<Frame>, SpoolError> {
        let mut at = self
            .segments
            .iter()
            .rposition(|segment| segment.first <= sequence + 1)
            .unwrap_or_default();
        while let Some(listed) = self.segments.get(at) {
            let path = listed.path.clone();
            if let Some(frame) =
                self.read(at, sequence).map_err(|source| SpoolError::File { path, source })?
            {
                self.handed_out = self.handed_out.max(frame.sequence);
                return Ok(Some(frame));
            }
            at += 1;
        }
        Ok(None)
    }

    fn read(&mut self, at: usize, sequence: u64) -> io::Result<Option<Frame>> {
        let Some(listed) = self.segments.get(at) else { return Ok(None) };
        let mut reading = match self.reading.take() {
            Some(r) if r.segment.first == listed.first && r.after <= sequence => r,
            _ => {
                let Some(segment) = Segment::open(&listed.path)? else { return Ok(None) };
                Reading { segment, after: 0, offset: HEAD_BYTES }
            }
        };
        let mut found = None;
        while let Some((frame, next)) = reading.segment.frame(reading.offset)? {
            reading.offset = next;
            reading.after = frame.sequence;
            if frame.sequence > sequence {
                found = Some(frame);
                break;
            }
        }
        self.reading = Some(reading);
        Ok(found)
    }

    /// Everything up to and with `sequence` is with the collector and need not be kept.
    pub(crate) fn acknowledge(&mut self, sequence: u64) -> Result<(), SpoolError> {
        // A collector cannot have what was never appended.
        let sequence = sequence.min(self.next - 1);
        if sequence <= self.acknowledged {
            return Ok(());
        }
        self.acknowledged = sequence;
        let at = self.directory.join("acknowledged");
        let kept = self
            .position
            .write_all_at(&position_record(sequence), 0)
            .map_err(|source| SpoolError::File { path: at, source });
        // On a full disk the position may find no room, and the segments that go are what makes some.
        // The last segment stays, because its name says which number comes next.
        while self.segments.get(1).is_some_and(|second| second.first <= sequence + 1) {
            self.remove(0)?;
        }
        kept
    }

    /// The collector will never take the batch `sequence`: its events are lost, and what comes after
    /// it need not wait for it.
    pub(crate) fn refused(&mut self, sequence: u64) -> Result<(), SpoolError> {
        if let Some(frame) = self.after(sequence.saturating_sub(1))?
            && frame.sequence == sequence
        {
            self.unreported += frame.dropped;
            self.lose(frame.count.into());
        }
        self.acknowledge(sequence)
    }

    /// Hands what was appended to the disk; for a stop in order.
    pub(crate) fn sync(&self) -> Result<(), SpoolError> {
        self.active
            .sync_data()
            .and_then(|()| self.position.sync_data())
            .map_err(|source| SpoolError::File { path: self.directory.clone(), source })
    }

    /// The number of the last batch; 0: none.
    pub(crate) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// Up to which number the collector has everything; 0: nothing.
    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Events that this spool dropped since it was opened.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn roll(&mut self) -> Result<(), SpoolError> {
        self.active = start_segment(&self.directory, self.epoch, self.next, &mut self.segments)?;
        Ok(())
    }

    /// Drops the oldest segment that nothing has been handed out of, or the oldest where all but the
    /// last are on their way: the bound holds, even if the collector hears twice of what is lost.
    fn drop_oldest(&mut self) -> Result<(), SpoolError> {
        let unsent = self.segments.iter().position(|segment| segment.first > self.handed_out);
        let at = unsent.filter(|at| at + 1 < self.segments.len()).unwrap_or(0);
        let Some(oldest) = self.segments.get(at) else { return Ok(()) };
        let lost = match Segment::open(&oldest.path) {
            Ok(Some(segment)) => segment.events_after(self.acknowledged),
            Ok(None) => Ok((0, 0)),
            Err(error) => Err(error),
        };
        let path = oldest.path.clone();
        let (events, told) = lost.map_err(|source| SpoolError::File { path, source })?;
        self.unreported += told;
        self.lose(events);
        self.remove(at)
    }

    const fn lose(&mut self, events: u64) {
        self.unreported += events;
        self.dropped += events;
    }

    fn remove(&mut self, at: usize) -> Result<(), SpoolError> {
        let Some(segment) = self.segments.remove(at) else { return Ok(()) };
        if self.reading.as_ref().is_some_and(|r| r.segment.first == segment.first) {
            self.reading = None;
        }
        fs::remove_file(&segment.path)
            .map_err(|source| SpoolError::File { path: segment.path, source })
    }

    fn gone(&self) -> SpoolError {
        SpoolError::File { path: self.directory.clone(), source: io::ErrorKind::NotFound.into() }
    }
}

fn lock(directory: &Path) -> Result<File, SpoolError> {
    let path = directory.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| SpoolError::File { path: path.clone(), source })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::InUse(directory.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(SpoolError::File { path, source }),
    }
}

/// What lies in a directory.
struct Found {
    /// Oldest first.
    segments: VecDeque<Listed>,
    /// The number that follows what is in them.
    next: u64,
    /// Nothing was torn or damaged.
    whole: bool,
}

/// Lists the segments of a directory and cuts the torn end of the last one.
fn list(directory: &Path) -> Result<Found, SpoolError> {
    let failed = |path: &Path, source| SpoolError::File { path: path.to_owned(), source };
    let (mut found, mut whole) = (Vec::new(), true);
    for entry in fs::read_dir(directory).map_err(|error| failed(directory, error))? {
        let path = entry.map_err(|error| failed(directory, error))?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        if let Some(segment) = Segment::open(&path).map_err(|error| failed(&path, error))? {
            found.push((path, segment));
        } else {
            // It was being made when the process ended, or is damaged from its head on.
            whole = false;
            set_aside(&path).map_err(|error| failed(&path, error))?;
        }
    }
    found.sort_by_key(|(_, segment)| segment.first);
    let mut next = 1;
    if let Some((path, segment)) = found.last() {
        let (end, last) = segment.scan().map_err(|error| failed(path, error))?;
        next = last.map_or(segment.first, |last| last + 1);
        if fs::metadata(path).map_err(|error| failed(path, error))?.len() != end {
            whole = false;
            let file = OpenOptions::new().write(true).open(path);
            file.and_then(|file| file.set_len(end)).map_err(|error| failed(path, error))?;
        }
    }
    let mut segments = VecDeque::with_capacity(found.len());
    for (path, segment) in found {
        let bytes = fs::metadata(&path).map_err(|error| failed(&path, error))?.len();
        segments.push_back(Listed { path, epoch: segment.epoch, first: segment.first, bytes });
    }
    Ok(Found { segments, next, whole })
}

fn set_aside(path: &Path) -> io::Result<()> {
    tracing::warn!(path = %path.display(), "a spool segment without a good head is set aside");
    fs::rename(path, path.with_extension("damaged"))
}

fn start_segment(
    directory: &Path,
    epoch: Epoch,
    first: u64,
    segments: &mut VecDeque<Listed>,
) -> Result<File, SpoolError> {
    // Two segments start at one number only when the earlier one has no frame.
    if segments.back().is_some_and(|last| last.first == first)
        && let Some(empty) = segments.pop_back()
    {
        fs::remove_file(&empty.path)
            .map_err(|source| SpoolError::File { path: empty.path, source })?;
    }
    let path = directory.join(format!("{first:020}.{ENDING}"));
    let file = Segment::create(&path, epoch, first).map_err(|source| {
        // What there is of it would be in the way of the next try.
        let _ = fs::remove_file(&path);
        SpoolError::File { path: path.clone(), source }
    })?;
    segments.push_back(Listed { path, epoch, first, bytes: HEAD_BYTES });
    Ok(file)
}

/// The kept position; `None`: none is kept, or it cannot be trusted.
fn open_position(path: &Path) -> Result<(File, Option<u64>), SpoolError> {
    let failed = |source| SpoolError::File { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    let mut record = [0; 12];
    let read = file.read_at(&mut record, 0).map_err(failed)?;
    let sequence = record.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    Ok((file, sequence.filter(|s| read == record.len() && position_record(*s) == record)))
}

fn position_record(sequence: u64) -> [u8; 12] {
    let mut record = [0; 12];
    let bytes = sequence.to_le_bytes();
    let crc = crc32fast::hash(&bytes).to_le_bytes();
    for (place, byte) in record.iter_mut().zip(bytes.into_iter().chain(crc)) {
        *place = byte;
    }
    record
}

/// The epoch that is kept, if the machine has not gone down since it was.
fn read_epoch(path: &Path, boot: &str) -> Option<Epoch> {
    let text = fs::read_to_string(path).ok()?;
    let (epoch, kept_boot) = text.trim_end().split_once(' ')?;
    let epoch = u128::from_str_radix(epoch, 16).ok()?;
    (kept_boot == boot).then(|| epoch.to_be_bytes())
}

fn write_epoch(path: &Path, epoch: Epoch, boot: &str) -> Result<(), SpoolError> {
    let failed = |source| SpoolError::File { path: path.to_owned(), source };
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside).map_err(failed)?;
    writeln!(file, "{:032x} {boot}", u128::from_be_bytes(epoch)).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
