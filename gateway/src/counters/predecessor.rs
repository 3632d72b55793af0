//! What does a gateway still count that is being taken over from?
//!
//! It goes on writing to its own file until its last call has ended. What it adds there is added here, once,
//! so that a quota is neither filled up by an upgrade nor used twice.

use std::collections::HashMap;
use std::path::PathBuf;

use throttle::{Past, Subject};

use super::journal::Journal;
use super::log::{Batch, Damage, Reader};

/// The file of a gateway that still runs.
#[derive(Debug)]
pub(super) struct Predecessor {
    pub(super) path: PathBuf,
    pub(super) reader: Reader,
    /// What it had used when it was last looked at.
    pub(super) seen: HashMap<Subject, Past>,
}

impl Predecessor {
    /// Takes over what it has counted since the last look, and whether it has ended. What is for nobody
    /// yet goes into `batch`.
    pub(super) fn follow(&mut self, journal: &Journal, batch: &mut Batch) -> Result<bool, Damage> {
        // Asked first: what it wrote last is read after its end.
        let ended = self.reader.is_abandoned();
        let seen = &mut self.seen;
        self.reader.read_on(|subject, bytes| {
            let Some(now) = Past::read(bytes) else { return };
            if journal.count_on(subject, seen.get(&subject), &now) {
                batch.put(subject, bytes);
            }
            seen.insert(subject, now);
        })?;
        Ok(ended)
    }
}
