//! How does a watcher follow the log?
//!
//! It keeps its own cursor and reads from the file what comes after it. Nothing is queued for it
//! but one page, so it can be as slow as it likes; a cursor below the oldest transaction is told
//! `Compacted`.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::super::contract::{Batch, Revision, StoreError, Watch};
use super::store::blocking;
use super::tables::Tables;

/// How many transactions are read at once.
const PAGE: usize = 256;

#[derive(Debug)]
pub(super) struct LogWatch {
    tables: Arc<Tables>,
    last: Receiver<Revision>,
    cursor: Revision,
    page: VecDeque<Batch>,
}

impl LogWatch {
    pub(super) fn new(tables: Arc<Tables>, last: Receiver<Revision>, cursor: Revision) -> Self {
        Self { tables, last, cursor, page: VecDeque::new() }
    }
}

#[async_trait::async_trait]
impl Watch for LogWatch {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        loop {
            if let Some(batch) = self.page.pop_front() {
                self.cursor = batch.revision;
                return Ok(batch);
            }
            let cursor = self.cursor;
            self.page =
                blocking(&self.tables, move |tables| tables.after(cursor, PAGE)).await?.into();
            if self.page.is_empty() && self.last.wait_for(|last| *last > cursor).await.is_err() {
                return Err(StoreError::Refused("the store was closed".into()));
            }
        }
    }
}
