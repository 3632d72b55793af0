//! Is a batch new, and is it durable?
//!
//! A group of batches becomes durable by one fsync, all or none. Only then do its rows count for
//! queries and do the marks move, so that whatever is acknowledged is stored exactly once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::error::StoreError;
use super::open::{Log, Store};
use crate::event::Row;
use crate::guard::lock;

/// Rows in memory beyond which batches have to wait for a flush.
const MOST_ROWS: usize = 3 * super::keep::FLUSH_ROWS;
/// Bytes in memory beyond which batches have to wait for a flush.
const MOST_BYTES: usize = 3 * super::keep::FLUSH_BYTES;

/// A batch that is checked, enriched and laid out.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Name of the source.
    pub source: String,
    /// Its spool.
    pub epoch: String,
    /// Its number in the spool, from 1.
    pub sequence: u64,
    /// The batch that went before it in the same stream. It must be stored, or this one is
    /// refused: otherwise the mark would pass over a batch that the disk has refused.
    pub after: Option<u64>,
    /// Its frame for the log.
    pub frame: Vec<u8>,
    /// Its rows.
    pub rows: RecordBatch,
    /// The same one by one, for whoever looks at calls as they are stored.
    pub calls: Arc<Vec<Row>>,
    /// What is not in its rows.
    pub losses: Losses,
}

/// What of a batch was not stored, or not as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events that the source had to drop before this batch.
    pub dropped_by_source: u64,
    /// Events from too long ago.
    pub too_old: u64,
    /// Events from the future.
    pub in_the_future: u64,
    /// Fields cut to their bound.
    pub cut: u64,
}

/// A batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// It was stored before; nothing of it was stored now.
    pub repeated: bool,
    /// Sequences that the source has left out before it.
    pub left_out: u64,
}

/// A batch is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The batch before it in its stream is not stored.
    #[error("the batch before this one was not stored")]
    OutOfOrder,
    /// Too many rows wait for a flush, or to be handed on.
    #[error("the store has no room until it has flushed, or handed on what it has")]
    NoRoom,
    /// The log could not be written.
    #[error("the store cannot write")]
    Disk,
    /// The collector is going down.
    #[error("the collector is shutting down")]
    Stopping,
}

/// Makes a group durable. An error says that nothing of it was stored.
pub fn append(
    store: &Store,
    batches: &[Batch],
    now_us: i64,
) -> Result<Vec<Result<Receipt, Refusal>>, StoreError> {
    let mut log = lock(&store.log);
    let mut group = Group::default();
    let verdicts: Vec<_> = batches.iter().map(|batch| group.judge(&log, batch)).collect();
    if !group.frames.is_empty() {
        log.wal.append(&group.frames)?;
    }
    for (batch, verdict) in batches.iter().zip(&verdicts) {
        if verdict.is_ok_and(|receipt| !receipt.repeated) {
            log.marks.reach(&batch.source, &batch.epoch, batch.sequence, now_us);
            store.in_force.add(batch.rows.clone(), batch.frame.len(), now_us);
        }
    }
    Ok(verdicts)
}

/// Whether there is room for more rows in memory, and on disk where segments wait to be handed on.
pub fn has_room(store: &Store) -> bool {
    let (rows, bytes) = store.in_force.in_memory();
    let waits = |most: u64| store.in_force.on_disk() >= most;
    rows < MOST_ROWS && bytes < MOST_BYTES && !store.settings.hand_on.is_some_and(waits)
}

/// Whether the log could be written when that was tried last.
pub fn is_writable(store: &Store) -> bool {
    lock(&store.log).wal.is_sound()
}

/// Batches that become durable together.
#[derive(Default)]
struct Group<'a> {
    reached: HashMap<(&'a str, &'a str), u64>,
    frames: Vec<u8>,
}

impl<'a> Group<'a> {
    fn judge(&mut self, log: &Log, batch: &'a Batch) -> Result<Receipt, Refusal> {
        let spool = (batch.source.as_str(), batch.epoch.as_str());
        let mark = self.reached.get(&spool).copied();
        let mark = mark.or_else(|| log.marks.find(spool.0, spool.1));
        let reached = mark.unwrap_or(0);
        if batch.sequence <= reached {
            return Ok(Receipt { repeated: true, left_out: 0 });
        }
        if batch.after.is_some_and(|before| before > reached) {
            return Err(Refusal::OutOfOrder);
        }
        // Of a spool that was never seen nobody knows where it began for this collector.
        let left_out = mark.map_or(0, |mark| batch.sequence - mark - 1);
        self.reached.insert(spool, batch.sequence);
        self.frames.extend_from_slice(&batch.frame);
        Ok(Receipt { repeated: false, left_out })
    }
}
