//! What does a worker count with?
//!
//! A number that one thread writes, without a lock and without an atomic read-modify-write, and that
//! others may read at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its worker writes.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Counts `more`. INVARIANT: called by one thread only.
    pub fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes back what was counted before; for numbers of things that are open now.
    pub fn sub(&self, less: u64) {
        self.0.store(self.get().saturating_sub(less), Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
