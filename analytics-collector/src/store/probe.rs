//! Where can a test look at, or break, the store between two of its steps?
//!
//! Outside tests a probe is empty: no way to make another is compiled.

use std::fmt;
use std::io;
use std::sync::Arc;

/// A step that has just been taken. What is on disk then must be enough to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Frames are about to be written to the log.
    WalWriting,
    /// Frames are in the log, perhaps not on disk.
    WalWritten,
    /// They are on disk.
    WalSynced,
    /// The rows in memory are frozen and a new log file is begun.
    WalRotated,
    /// A segment is written under a name that nobody looks for.
    SegmentWritten,
    /// It has its name.
    SegmentNamed,
    /// The manifest names it.
    ManifestNamed,
    /// The log files that it replaces are gone.
    WalRemoved,
    /// A merged segment is written aside.
    MergeWritten,
    /// It has its name.
    MergeNamed,
    /// The manifest names it instead of its parts.
    MergeInForce,
    /// The manifest no longer names what is too old.
    Forgotten,
    /// A block is about to be sent to another engine.
    BlockSending,
    /// The other engine has it.
    BlockStored,
    /// The manifest no longer names a segment that the other engine has.
    HandedOn,
    /// Another engine knows that we count a day there.
    DayClaimed,
    /// It knows which blocks are counted.
    BlocksNamed,
    /// Their counts are written.
    DayCounted,
    /// Who made the calls is written, too.
    DaySketched,
    /// The counts are in force.
    DayDone,
    /// The calls that they have replaced are gone.
    CallsSwept,
    /// The counts that they have replaced are gone, too.
    DaySwept,
}

type Look = dyn Fn(Step) -> io::Result<()> + Send + Sync;

/// Told of every step; may refuse it as a disk would.
#[derive(Clone, Default)]
pub struct Probe(Option<Arc<Look>>);

impl Probe {
    /// One that looks.
    #[cfg(test)]
    pub fn new(look: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look)))
    }

    pub(crate) fn pass(&self, step: Step) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |look| look(step))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Probe(looking)" } else { "Probe" })
    }
}
