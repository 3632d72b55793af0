//! How are the transactions of the past read, one after the other?

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::HistoryError;
use super::record::{Past, read};
use crate::store::{Entry, HISTORY, Range, Revision, Store, history_base, history_key};

/// So many records are read at a time.
const PAGE: usize = 64;

/// A walk back through the past.
#[derive(Debug)]
pub struct Walk {
    store: Arc<dyn Store>,
    /// Everything before this key is still to be read.
    to: String,
    page: VecDeque<Entry>,
    at_end: bool,
}

impl Walk {
    /// Begins with the latest transaction that changed something before `revision`.
    pub fn back_from(store: &Arc<dyn Store>, revision: Revision) -> Self {
        let (store, to) = (store.clone(), history_key(revision));
        Self { store, to, page: VecDeque::new(), at_end: false }
    }

    /// The one before; none: no more are kept.
    pub async fn next(&mut self) -> Result<Option<Past>, HistoryError> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return read(&*self.store, entry).await.map(Some);
            }
            if self.at_end {
                return Ok(None);
            }
            let (from, to) = (HISTORY.to_owned(), self.to.clone());
            let range = Range { from, to, most: PAGE, newest_first: true };
            self.page = self.store.scan(&range).await?.into();
            match self.page.back() {
                Some(last) => last.key.clone_into(&mut self.to),
                None => self.at_end = true,
            }
        }
    }
}

/// The transaction that made `revision`; none: it is not kept, or another writer of the store made it.
pub async fn at_revision(
    store: &Arc<dyn Store>,
    revision: Revision,
) -> Result<Option<Past>, HistoryError> {
    let (from, to) = (HISTORY.to_owned(), history_key(revision));
    let range = Range { from, to, most: 1, newest_first: true };
    let found = store.scan(&range).await?.pop();
    match found.filter(|entry| entry.revision == revision && history_base(&entry.key).is_some()) {
        Some(entry) => read(&**store, entry).await.map(Some),
        None => Ok(None),
    }
}
