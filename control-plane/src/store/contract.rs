//! What does a store promise, whichever engine keeps it?
//!
//! A store is a revisioned map from keys to values. Every change is a transaction that is made
//! as a whole or not at all, is durable when `commit` returns, and gets a revision greater than
//! every one before. Transactions follow each other in one line: each names the one that its
//! writer has seen last, so of two writers who looked at the same state only one can win.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

/// Numbers the transactions of a store; 0 stands before the first. It grows within an epoch and
/// may be smaller in the next.
pub type Revision = u64;

/// Where a watch stands. Not a revision: an engine that is shared with others moves on without
/// us, and a watch that starts too far back would find its history compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// A revisioned map with compare-and-commit transactions and a gap-free watch.
#[async_trait::async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Names the line of revisions. Another one after the store was restored from a backup, since
    /// revisions may then be used a second time.
    async fn epoch(&self) -> Result<String, StoreError>;

    /// The value of `key` as of the last commit.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Everything below `prefix` in the order of the keys, as of one revision. Engines read it
    /// page by page.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// Makes all changes, durably, or none. A repeat after a lost answer is recognised by the
    /// transaction's identifier and commits nothing twice.
    async fn commit(&self, transaction: &Transaction) -> Result<Revision, StoreError>;

    /// Every transaction after `after`, in order and without a gap.
    async fn watch(&self, after: Position) -> Result<Box<dyn Watch>, StoreError>;

    /// Writes beside the line of transactions: all of it or nothing, durably, without a revision.
    /// It conflicts with nobody but by what it expects, and watchers may or may not see it, as a
    /// batch of revision 0. Not for keys that transactions change without expecting their value.
    ///
    /// An answer that is lost on its way to an engine is asked for again, and what stands as it
    /// was wanted then counts as made. A caller that repeats may meet its own values and be told
    /// of a conflict.
    async fn write_beside(&self, beside: &Beside) -> Result<(), StoreError>;

    /// At most `most` entries with `from <= key < to`, in the order of their keys or, `newest_first`,
    /// from the last one backwards.
    async fn scan(&self, range: &Range) -> Result<Vec<Entry>, StoreError>;

    /// Removes every key with `from <= key < to` beside the line of transactions. For what is kept
    /// about the past: nothing that is in force may depend on it.
    async fn erase(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Forgets the history up to and including `upto`; values stay.
    async fn compact(&self, upto: Revision) -> Result<(), StoreError>;

    /// What fits into one transaction.
    fn limits(&self) -> Limits;
}

/// A place in the history of a store.
#[async_trait::async_trait]
pub trait Watch: fmt::Debug + Send {
    /// Waits for the next transaction. After a retryable error the watch still stands where it
    /// stood: ask again, it backs off by itself. After any other error list again and start a
    /// new watch.
    ///
    /// May be dropped at any await without losing a transaction.
    async fn next(&mut self) -> Result<Batch, StoreError>;
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// The transaction that wrote it last.
    pub revision: Revision,
}

/// Everything below a prefix.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The epoch it belongs to.
    pub epoch: String,
    /// The last transaction that it contains.
    pub revision: Revision,
    /// Where a watch continues it.
    pub position: Position,
    /// What is known of that transaction.
    pub note: Note,
    /// In the order of the keys.
    pub entries: Vec<Entry>,
}

/// A change to be made as a whole.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Random; tells a repeat from a second transaction.
    pub id: [u8; 16],
    /// The last transaction that its writer has seen; another one since then is a conflict.
    pub base: Revision,
    /// Keys that must still be as the writer has seen them. `base` already covers all writers
    /// that keep to this contract; guards catch a hand that wrote past it.
    pub guards: Vec<Guard>,
    /// Keys that must hold exactly this, because they are written beside the line, too.
    pub expected: Vec<Expected>,
    /// Each key at most once.
    pub changes: Vec<Change>,
    /// Handed to every watcher.
    pub note: Note,
}

/// A key that must be at a revision; 0: must not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The key.
    pub key: String,
    /// Its revision.
    pub revision: Revision,
}

/// A key that must hold exactly this value; none: must not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Option<Bytes>,
}

/// A write beside the line of transactions.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// What must be there before.
    pub expected: Vec<Expected>,
    /// Each key at most once.
    pub changes: Vec<Change>,
}

/// A stretch of keys.
#[derive(Clone, Debug)]
pub struct Range {
    /// The first key that may be in it.
    pub from: String,
    /// The first key behind it.
    pub to: String,
    /// At most so many entries, as many as the engine gives at once at most.
    pub most: usize,
    /// From the end backwards.
    pub newest_first: bool,
}

/// One key changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gets a value.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
    },
    /// It goes.
    Delete {
        /// The key.
        key: String,
    },
}

impl Change {
    /// The key that changes.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// The bytes it adds to a transaction.
    pub fn size(&self) -> usize {
        match self {
            Self::Put { key, value } => key.len() + value.len() + Limits::PER_CHANGE,
            Self::Delete { key } => key.len() + Limits::PER_CHANGE,
        }
    }
}

/// What travels with a transaction to all who watch.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Note {
    /// When its writer committed it, in microseconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub committed_at_us: i64,
    /// W3C trace context of the call behind it; empty: none.
    #[prost(string, tag = "2")]
    pub traceparent: String,
    /// Who made it; empty: it was made before that was written down.
    #[prost(string, tag = "3")]
    pub by: String,
    /// Why, in the words of who made it; empty: none were given.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// A transaction as a watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its revision; 0: a hand wrote past the contract of the store, and the last transaction is
    /// still the one before.
    pub revision: Revision,
    /// What travelled with it.
    pub note: Note,
    /// What it changed.
    pub events: Vec<Event>,
}

impl Batch {
    /// What belongs to no transaction of ours, as long as none claims it.
    pub(super) fn past_the_contract() -> Self {
        Self { revision: 0, note: Note::default(), events: Vec::new() }
    }
}

/// A key changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: String,
    /// Its value; none: it is gone.
    pub value: Option<Bytes>,
}

/// What fits into one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes.
    pub changes: usize,
    /// The sum of `Change::size`.
    pub bytes: usize,
    /// Guards.
    pub guards: usize,
}

impl Limits {
    /// What a change costs besides its key and value.
    pub const PER_CHANGE: usize = 64;
    /// How many values a transaction may expect besides its guards.
    pub const EXPECTED: usize = 4;

    /// Refuses what would not fit, before it is sent.
    pub fn check(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let guards = transaction.guards.len().saturating_add(transaction.expected.len());
        // What is expected comes on top of the guards of resources: there are few of them.
        if guards > self.guards.saturating_add(Self::EXPECTED) {
            let (what, limit) = ("guards", self.guards);
            return Err(StoreError::TooLarge { what, found: guards, limit });
        }
        self.check_changes(&transaction.changes)
    }

    /// The same for a write beside the line.
    pub fn check_changes(&self, changes: &[Change]) -> Result<(), StoreError> {
        let too_large = |what, found, limit| Err(StoreError::TooLarge { what, found, limit });
        if changes.len() > self.changes {
            return too_large("changes", changes.len(), self.changes);
        }
        let bytes = changes.iter().map(Change::size).sum();
        if bytes > self.bytes {
            return too_large("bytes", bytes, self.bytes);
        }
        Ok(())
    }
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was first.
    #[error("{what} is at revision {found}, and not at {expected} as the writer has seen it")]
    Conflict {
        /// A key, or "the store".
        what: String,
        /// What the transaction asked for.
        expected: Revision,
        /// What is there; 0: nothing.
        found: Revision,
    },
    /// The history that was asked for is gone; list again.
    #[error("the history before {oldest} is compacted")]
    Compacted {
        /// Where the history begins.
        oldest: u64,
    },
    /// The store was restored from a backup; list again.
    #[error("the store was restored from a backup")]
    Restored,
    /// It will never fit.
    #[error("the transaction has {found} {what}; the store takes {limit} at once")]
    TooLarge {
        /// Changes, guards or bytes.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many fit.
        limit: usize,
    },
    /// It does not answer now; whether a commit was made is known when it answers again.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It cannot be used as it is configured.
    #[error("{what}")]
    Misconfigured {
        /// Which key, and why.
        what: String,
    },
    /// It answers, and refuses: credentials, space.
    #[error("the store refuses")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// What it holds cannot be read.
    #[error("the store holds what cannot be read: {what}")]
    Damaged {
        /// Where and what.
        what: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
