//! Which rows does a query see, at one instant?
//!
//! The segments that the manifest names, the rows that a flush is writing, and the rows that came
//! after. They change hands in one step under a lock, so no row is seen twice or not at all.

use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::segment::Segment;
use super::table::{is_even, span_of};
use crate::question::Window;

/// Batches of fewer rows are joined with others like them.
const SMALL_ROWS: usize = 256;

/// Everything that counts.
#[derive(Debug, Default)]
pub struct InForce(RwLock<Parts>);

#[derive(Debug, Default)]
struct Parts {
    segments: Vec<Arc<Segment>>,
    frozen: Rows,
    active: Rows,
}

/// Rows in memory.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// In the order in which they were stored.
    pub batches: Vec<RecordBatch>,
    /// How many rows.
    pub rows: usize,
    /// How many bytes their log frames had.
    pub bytes: usize,
    /// When the first of them was stored, microseconds since the Unix epoch.
    pub since_us: i64,
}

/// What one query sees. Its files stay until it is dropped.
#[derive(Debug)]
pub struct View {
    /// Segments with calls in the window.
    pub segments: Vec<Arc<Segment>>,
    /// Rows in memory with calls in the window.
    pub newest: Vec<RecordBatch>,
}

impl View {
    /// How many rows there are, those outside the window included.
    pub fn rows(&self) -> u64 {
        let kept = self.segments.iter().map(|segment| segment.entry.rows);
        let newest = self.newest.iter().map(|rows| rows.num_rows() as u64);
        kept.chain(newest).fold(0, u64::saturating_add)
    }

    /// Whether it is known that every row stands for one call.
    pub fn is_even(&self) -> bool {
        self.segments.iter().all(|segment| segment.entry.even) && self.newest.iter().all(is_even)
    }
}

impl Rows {
    /// Joins the last batches while they are small: each takes some twenty KiB, however few its rows
    /// are. Each row is copied a few times at most.
    fn join_small(&mut self) {
        while let [.., before, last] = self.batches.as_slice()
            && last.num_rows() < SMALL_ROWS
            && before.num_rows() <= last.num_rows()
        {
            // Batches of one schema can be joined; if not, they are kept as they are.
            let Ok(joined) = concat_batches(&before.schema(), [before, last]) else { return };
            self.batches.truncate(self.batches.len().saturating_sub(2));
            self.batches.push(joined);
        }
    }
}

impl InForce {
    /// Starts with the segments of the manifest.
    pub fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self(RwLock::new(Parts { segments, ..Parts::default() }))
    }

    /// Rows are durable.
    pub fn add(&self, rows: RecordBatch, bytes: usize, now_us: i64) {
        if rows.num_rows() == 0 {
            return;
        }
        let active = &mut self.0.write().unwrap_or_else(PoisonError::into_inner).active;
        if active.rows == 0 {
            active.since_us = now_us;
        }
        active.rows += rows.num_rows();
        active.bytes += bytes;
        active.batches.push(rows);
        active.join_small();
    }

    /// Sets the rows in memory aside for a flush; new ones gather beside them.
    pub fn freeze(&self) {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let active = std::mem::take(&mut parts.active);
        parts.frozen.rows += active.rows;
        parts.frozen.bytes += active.bytes;
        parts.frozen.batches.extend(active.batches);
    }

    /// The frozen rows.
    pub fn frozen(&self) -> Rows {
        self.0.read().unwrap_or_else(PoisonError::into_inner).frozen.clone()
    }

    /// Rows that no flush has taken yet: how many, how many bytes, since when.
    pub fn active(&self) -> (usize, usize, i64) {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (parts.active.rows, parts.active.bytes, parts.active.since_us)
    }

    /// Everything in memory: rows and bytes.
    pub fn in_memory(&self) -> (usize, usize) {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (parts.active.rows + parts.frozen.rows, parts.active.bytes + parts.frozen.bytes)
    }

    /// The frozen rows are in this segment now.
    pub fn flushed(&self, segment: Arc<Segment>) {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        parts.frozen = Rows::default();
        parts.segments.push(segment);
    }

    /// Segments are replaced by what is made of them, or by nothing; their files go away when
    /// nobody reads them any more. To be said after the manifest has said so.
    pub fn replace(&self, old: &[u64], new: Option<Arc<Segment>>) {
        let mut parts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> =
            parts.segments.extract_if(.., |segment| old.contains(&segment.entry.number)).collect();
        parts.segments.extend(new);
        drop(parts);
        for segment in gone {
            segment.condemn();
        }
    }

    /// The segment that was written first.
    pub fn oldest(&self) -> Option<Arc<Segment>> {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        parts.segments.iter().min_by_key(|segment| segment.entry.number).cloned()
    }

    /// Bytes of all segments.
    pub fn on_disk(&self) -> u64 {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        parts.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.entry.bytes))
    }

    /// The segments with these numbers.
    pub fn segments(&self, numbers: &[u64]) -> Vec<Arc<Segment>> {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = |segment: &&Arc<Segment>| numbers.contains(&segment.entry.number);
        parts.segments.iter().filter(wanted).cloned().collect()
    }

    /// What a query over a window sees.
    pub fn view(&self, window: Window) -> View {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let meets = |first: i64, last: i64| first < window.until_us && last >= window.since_us;
        View {
            segments: parts
                .segments
                .iter()
                .filter(|segment| meets(segment.entry.first_us, segment.entry.last_us))
                .cloned()
                .collect(),
            newest: [&parts.frozen, &parts.active]
                .into_iter()
                .flat_map(|rows| &rows.batches)
                .filter(|rows| span_of(rows).is_some_and(|(first, last)| meets(first, last)))
                .cloned()
                .collect(),
        }
    }
}
