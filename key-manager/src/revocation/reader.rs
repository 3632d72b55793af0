//! What does one watcher of the log hear next?
//!
//! Everything after its cursor, in order; then new lines as they come; and a sign of life when
//! nothing comes. A sign of life promises a fresh view, so there is none while the store cannot be
//! read (KM-112).

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use tokio::sync::watch;

use super::follower::{Follower, STALE};
use crate::domain::Revocation;
use crate::store::{Ledger, Store, StoreError};

/// How often a watcher hears from us at least.
pub const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// The most lines of one message.
const BATCH: u32 = 1_000;

/// How far a watcher has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: String,
    pub sequence: u64,
}

/// The watcher now knows everything up to and with `sequence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub epoch: String,
    pub sequence: u64,
    pub revocations: Vec<Revocation>,
    /// The log goes on after it.
    pub more: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the revocation log cannot be read")]
    Store(#[from] StoreError),
    #[error("the revocation log was last seen {0:?} ago")]
    Stale(Duration),
    #[error("the key manager ends")]
    Ended,
}

#[derive(Debug)]
pub struct Reader {
    store: Arc<dyn Store>,
    follower: Arc<Follower>,
    changes: watch::Receiver<Arc<Ledger>>,
    clock: Clock,
    cursor: Cursor,
    greeted: bool,
}

impl Reader {
    pub fn new(
        store: Arc<dyn Store>,
        follower: Arc<Follower>,
        clock: Clock,
        cursor: Cursor,
    ) -> Self {
        let changes = follower.watch();
        Self { store, follower, changes, clock, cursor, greeted: false }
    }

    /// The next message; takes `SIGN_OF_LIFE` at most while the store can be read.
    pub async fn next(&mut self) -> Result<Batch, ReadError> {
        loop {
            let ledger = Arc::clone(&self.changes.borrow_and_update());
            if let Some(batch) = self.read(&ledger).await? {
                return Ok(batch);
            }
            tokio::select! {
                changed = self.changes.changed() => changed.map_err(|_| ReadError::Ended)?,
                () = self.clock.sleep(SIGN_OF_LIFE) => {
                    let age = self.follower.age();
                    if age > STALE {
                        return Err(ReadError::Stale(age));
                    }
                    if age <= 2 * SIGN_OF_LIFE {
                        return Ok(self.sign_of_life());
                    }
                }
            }
        }
    }

    async fn read(&mut self, ledger: &Ledger) -> Result<Option<Batch>, ReadError> {
        if self.cursor.epoch != ledger.epoch {
            self.cursor = Cursor { epoch: ledger.epoch.clone(), sequence: 0 };
            self.greeted = false;
        }
        if self.cursor.sequence > ledger.head {
            self.doubt(ledger).await?;
            return Ok(None);
        }
        if self.cursor.sequence == ledger.head {
            let first = !std::mem::replace(&mut self.greeted, true);
            return Ok(first.then(|| self.sign_of_life()));
        }
        let after = self.cursor.sequence;
        let revocations = self.store.revocations(after, ledger.head, BATCH).await?;
        let full = u32::try_from(revocations.len()).is_ok_and(|read| read >= BATCH);
        let last = revocations.last().map(|revocation| revocation.sequence);
        // Forgotten lines leave holes: what is not full reaches to the head.
        self.cursor.sequence = last.filter(|_| full).unwrap_or(ledger.head);
        self.greeted = true;
        let Cursor { epoch, sequence } = self.cursor.clone();
        let more = sequence < ledger.head;
        Ok(Some(Batch { epoch, sequence, revocations, more }))
    }

    /// The watcher says it knows more than the log. Either our view is old, or the store was
    /// restored and the log has to begin anew.
    async fn doubt(&mut self, seen: &Ledger) -> Result<(), ReadError> {
        let ledger = self.store.ledger().await?;
        if ledger.epoch == seen.epoch && ledger.head < self.cursor.sequence {
            self.follower.renew(&ledger.epoch).await?;
        } else {
            self.follower.look().await?;
        }
        Ok(())
    }

    fn sign_of_life(&self) -> Batch {
        let Cursor { epoch, sequence } = self.cursor.clone();
        Batch { epoch, sequence, revocations: Vec::new(), more: false }
    }
}
