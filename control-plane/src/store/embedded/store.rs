//! How does a file that blocks become a store that is awaited?
//!
//! Each request runs on the pool for blocking work. A commit then wakes the watchers; what they
//! get they read from the log themselves, so a slow watcher costs the writer nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch::{self, Sender};
use tokio::task::spawn_blocking;

use super::super::contract::{
    Beside, Entry, Limits, Listing, Position, Range, Revision, Store, StoreError, Transaction,
    Watch,
};
use super::tables::{LIMITS, Tables};
use super::watch::LogWatch;

/// The store of one control plane, in a file of its own.
#[derive(Debug)]
pub struct Embedded {
    tables: Arc<Tables>,
    last: Sender<Revision>,
}

impl Embedded {
    /// Opens the file, or makes it. Only one process can have it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let tables = Tables::open(path)?;
        let last = Sender::new(tables.revision()?);
        Ok(Self { tables: Arc::new(tables), last })
    }

    /// Writes a copy of the store as it is now. Opened, the copy begins a new epoch.
    pub async fn backup(&self, to: PathBuf) -> Result<(), StoreError> {
        self.blocking(move |tables| tables.backup(&to)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        blocking(&self.tables, work).await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    tables: &Arc<Tables>,
    work: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let tables = tables.clone();
    let done = spawn_blocking(move || work(&tables)).await;
    done.unwrap_or_else(|error| Err(StoreError::Refused(Box::new(error))))
}

#[async_trait::async_trait]
impl Store for Embedded {
    async fn epoch(&self) -> Result<String, StoreError> {
        Ok(self.tables.epoch().to_owned())
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let key = key.to_owned();
        self.blocking(move |tables| tables.get(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let prefix = prefix.to_owned();
        self.blocking(move |tables| tables.list(&prefix)).await
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Revision, StoreError> {
        let transaction = transaction.clone();
        let last = self.last.clone();
        // The announcement belongs to the blocking part: it is made even when the caller is gone.
        self.blocking(move |tables| {
            let revision = tables.commit(&transaction)?;
            last.send_if_modified(|last| std::mem::replace(last, revision.max(*last)) < revision);
            Ok(revision)
        })
        .await
    }

    async fn watch(&self, after: Position) -> Result<Box<dyn Watch>, StoreError> {
        let last: watch::Receiver<Revision> = self.last.subscribe();
        Ok(Box::new(LogWatch::new(self.tables.clone(), last, after.0)))
    }

    async fn write_beside(&self, beside: &Beside) -> Result<(), StoreError> {
        let beside = beside.clone();
        self.blocking(move |tables| tables.write_beside(&beside)).await
    }

    async fn scan(&self, range: &Range) -> Result<Vec<Entry>, StoreError> {
        let range = range.clone();
        self.blocking(move |tables| tables.scan(&range)).await
    }

    async fn erase(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.blocking(move |tables| tables.erase(&from, &to)).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.blocking(move |tables| tables.compact(upto)).await
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}
