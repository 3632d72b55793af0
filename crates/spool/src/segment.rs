//! How do batches of events lie in a file, so that a file that ends anywhere is still good?
//!
//! A segment is a head and then frames, each with its length and the CRC32 of its body. A frame
//! that does not fit its checksum ends the segment: what was written before it counts, the rest
//! never happened. Numbers are little-endian.
//!
//! ```text
//! head   "TPSPOOL1" · epoch (16) · first sequence (u64)
//! frame  body length (u32) · CRC32 of the body (u32) · body
//! body   sequence (u64) · events dropped before it (u64) · number of events (u32) · events
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

const MAGIC: &[u8; 8] = b"TPSPOOL1";
/// Where the first frame starts.
pub(crate) const HEAD_BYTES: u64 = 32;
const FRAME_HEAD_BYTES: usize = 8;
const BODY_HEAD_BYTES: usize = 20;
/// No frame is longer; a length above it is damage and is not allocated.
pub(crate) const MAX_EVENTS_BYTES: usize = 4 << 20;

/// The name of a spool: a new spool, and a spool that may have lost its end, has a new one.
pub(crate) type Epoch = [u8; 16];

/// A batch, as it lies in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The epoch of the segment it lies in.
    pub(crate) epoch: Epoch,
    /// Grows by one from frame to frame.
    pub(crate) sequence: u64,
    /// Events that were dropped between the frame before and this one.
    pub(crate) dropped: u64,
    /// How many events it has.
    pub(crate) count: u32,
    /// The events, each as an `events` field of `CollectRequest`.
    pub(crate) events: Bytes,
}

impl Frame {
    /// How much room a frame with that many bytes of events takes in a segment.
    pub(crate) const fn room(events_bytes: usize) -> u64 {
        (FRAME_HEAD_BYTES + BODY_HEAD_BYTES + events_bytes) as u64
    }

    /// Appends the frame as it lies in a file.
    pub(crate) fn write(sequence: u64, dropped: u64, count: u32, events: &[u8], out: &mut Vec<u8>) {
        let mut body_head = [0; BODY_HEAD_BYTES];
        let mut head = body_head.as_mut_slice();
        head.put_u64_le(sequence);
        head.put_u64_le(dropped);
        head.put_u32_le(count);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&body_head);
        crc.update(events);
        let length = u32::try_from(BODY_HEAD_BYTES + events.len()).unwrap_or(u32::MAX);
        out.put_u32_le(length);
        out.put_u32_le(crc.finalize());
        out.extend_from_slice(&body_head);
        out.extend_from_slice(events);
    }
}

/// A segment that can be read.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// The sequence of its first frame.
    pub(crate) first: u64,
}

impl Segment {
    /// Makes an empty segment for appending; its head is written.
    pub(crate) fn create(path: &Path, epoch: Epoch, first: u64) -> io::Result<File> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        let mut head = Vec::with_capacity(32);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&epoch);
        head.put_u64_le(first);
        io::Write::write_all(&mut &file, &head)?;
        Ok(file)
    }

    /// Opens a segment for reading; `None`: the head is not that of a segment.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut head = [0; 32];
        match file.read_exact_at(&mut head, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(mut rest) = head.strip_prefix(MAGIC) else { return Ok(None) };
        let mut epoch = [0; 16];
        rest.copy_to_slice(&mut epoch);
        Ok(Some(Self { file, epoch, first: rest.get_u64_le() }))
    }

    /// The frame at `offset` and where the next one starts; `None`: no whole frame is there.
    pub(crate) fn frame(&self, offset: u64) -> io::Result<Option<(Frame, u64)>> {
        let mut head = [0; FRAME_HEAD_BYTES];
        if !read_whole(&self.file, &mut head, offset)? {
            return Ok(None);
        }
        let mut head = head.as_slice();
        let (length, crc) = (head.get_u32_le() as usize, head.get_u32_le());
        if !(BODY_HEAD_BYTES..=BODY_HEAD_BYTES + MAX_EVENTS_BYTES).contains(&length) {
            return Ok(None);
        }
        let mut body = BytesMut::zeroed(length);
        if !read_whole(&self.file, &mut body, offset + FRAME_HEAD_BYTES as u64)?
            || crc32fast::hash(&body) != crc
        {
            return Ok(None);
        }
        let mut body = body.freeze();
        let frame = Frame {
            epoch: self.epoch,
            sequence: body.get_u64_le(),
            dropped: body.get_u64_le(),
            count: body.get_u32_le(),
            events: body,
        };
        Ok(Some((frame, offset + (FRAME_HEAD_BYTES + length) as u64)))
    }

    /// Reads the whole segment: where its good part ends, and the last sequence in it, if any.
    pub(crate) fn scan(&self) -> io::Result<(u64, Option<u64>)> {
        let (mut end, mut last) = (HEAD_BYTES, None);
        while let Some((frame, next)) = self.frame(end)? {
            (end, last) = (next, Some(frame.sequence));
        }
        Ok((end, last))
    }

    /// How many events are lost with the frames after `sequence`, and how many that were lost before
    /// those frames would have told.
    pub(crate) fn events_after(&self, sequence: u64) -> io::Result<(u64, u64)> {
        let (mut offset, mut events, mut told) = (HEAD_BYTES, 0, 0);
        while let Some((frame, next)) = self.frame(offset)? {
            if frame.sequence > sequence {
                events += u64::from(frame.count);
                told += frame.dropped;
            }
            offset = next;
        }
        Ok((events, told))
    }
}

fn read_whole(file: &File, into: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(into, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
