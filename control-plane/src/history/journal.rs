//! How does a change leave its trace?
//!
//! In the same transaction: a record of what it replaced and a line of the audit log are stored with it or
//! not at all. A record too large to travel with its transaction is stored before it, in parts; when the
//! transaction is not made, they are parts of nothing and go with the rest of that time.

use std::sync::Arc;
use std::time::Duration;

use audit_chain::{Line, Note, Verdict};
use bytes::Bytes;
use chassis::Host;
use tokio::sync::{Mutex, Semaphore};

use super::ledger::{End, Keyed, line};
use super::record::{Draft, Touched};
use super::refusals::{Refusal, Refusals};
use super::told::note_of;
use super::verify::verify;
use crate::store::{
    AUDIT, AUDIT_HEAD, Beside, Change, Keyring, Limits, Range, SealError, Store, StoreError,
    Transaction, audit_key, end_of, history_key,
};

/// A record of at most so many bytes travels with its transaction, where there is room.
const TRAVELS: usize = 256 * 1024;
/// The record without its content, the line and the head.
const RESERVE: usize = 16 * 1024;
/// So many keys are changed besides the resources.
const KEYS: usize = 3;
/// How long refused attempts wait for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often a line is written anew because somebody else has written one.
const ATTEMPTS: usize = 16;
/// So many lines may stand in front of older ones.
const OUT_OF_ORDER: u64 = 100;
/// So many lines are read at a time,
const PAGE: usize = 1000;
/// and so many are looked at for one answer.
const LOOKED_AT: usize = 20_000;

/// Adds to transactions what is kept about them.
#[derive(Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
    keys: Arc<Keyring>,
    /// The end of the audit log as it was seen last.
    end: Mutex<Option<End>>,
    refusals: Refusals,
    /// The whole log is read by one at a time.
    verifying: Semaphore,
}

/// Why a trace could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The keys of the store were not read yet.
    #[error("the change could not be entered into the audit log")]
    Keys(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record could not be packed.
    #[error("the change could not be entered into the history")]
    Packed(#[from] std::io::Error),
    /// Somebody verifies it already.
    #[error("the log is being verified already")]
    Verifying,
}

/// Some lines of the log.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Behind which line there may be more; none: all were looked at.
    pub next: Option<u64>,
}

/// The end of the log once the transaction is made.
#[derive(Debug)]
pub struct Entered(End);

impl Journal {
    /// The journal of a store.
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keyring>) -> Self {
        let (end, refusals) = (Mutex::default(), Refusals::default());
        Self { store, keys, end, refusals, verifying: Semaphore::new(1) }
    }

    /// The store whose journal it is.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What of a store is left for the resources of one transaction.
    pub fn room(limits: Limits) -> Limits {
        let changes = limits.changes.saturating_sub(KEYS);
        Limits { changes, bytes: limits.bytes.saturating_sub(RESERVE), ..limits }
    }

    /// Adds the record and the line to `transaction`, which touches `touched`. `tenant`: whose it is where it
    /// touches no resources; empty: the operator's.
    pub async fn enter(
        &self,
        transaction: &mut Transaction,
        touched: &[Touched],
        tenant: &str,
    ) -> Result<Entered, JournalError> {
        let known = self.end().await?;
        let mut end = known.clone().unwrap_or_default();
        let draft = Draft::of(&transaction.note, touched)?;
        let note = note_of(transaction, touched, draft.digest(), tenant);
        end.write = transaction.id.to_vec();
        end.records = end.records.saturating_add(1);
        end.bytes = end.bytes.saturating_add(u64::try_from(draft.size()).unwrap_or(u64::MAX));
        let record = self.record(transaction, draft, &end).await?;
        let chain = Keyed(self.keys.audit_key()?);
        let line = end.add(&chain, note);
        transaction.expected.push(End::expected(known.as_ref()));
        let key = history_key(transaction.base);
        transaction.changes.extend([Change::Put { key, value: record }, line, end.change()]);
        Ok(Entered(end))
    }

    /// The value of the record. Its parts are stored when it does not fit.
    async fn record(
        &self,
        transaction: &Transaction,
        draft: Draft,
        end: &End,
    ) -> Result<Bytes, StoreError> {
        let taken: usize = transaction.changes.iter().map(Change::size).sum();
        let room = Self::room(self.store.limits()).bytes.saturating_sub(taken).min(TRAVELS);
        if draft.size() <= room {
            return Ok(draft.whole(end.records, end.bytes));
        }
        let (parts, record) = draft.parted(transaction.base, end.records, end.bytes);
        for (key, value) in parts {
            let changes = vec![Change::Put { key, value }];
            self.store.write_beside(&Beside { expected: Vec::new(), changes }).await?;
        }
        Ok(record)
    }

    /// The transaction was made.
    pub async fn made(&self, entered: Entered) {
        *self.end.lock().await = Some(entered.0);
    }

    /// The transaction was not made, or nobody knows. True: it was because somebody else has written a
    /// line, and the resources are as they were.
    pub async fn missed(&self, error: &StoreError) -> bool {
        *self.end.lock().await = None;
        matches!(error, StoreError::Conflict { what, .. } if what == AUDIT_HEAD)
    }

    async fn end(&self) -> Result<Option<End>, StoreError> {
        let mut known = self.end.lock().await;
        if known.is_none() {
            let stored = self.store.get(AUDIT_HEAD).await?;
            *known = End::read(stored.as_ref())?;
        }
        Ok(known.clone())
    }

    /// Writes lines that belong to no transaction; durable when it answers.
    pub async fn write(&self, notes: Vec<Note>) -> Result<(), JournalError> {
        if notes.is_empty() {
            return Ok(());
        }
        let chain = Keyed(self.keys.audit_key()?);
        let id: [u8; 16] = chassis::random::bytes();
        for attempt in 1.. {
            let known = self.end().await?;
            let mut end = known.clone().unwrap_or_default();
            end.write = id.to_vec();
            let mut changes: Vec<Change> =
                notes.iter().map(|note| end.add(&chain, note.clone())).collect();
            changes.push(end.change());
            let expected = vec![End::expected(known.as_ref())];
            match self.store.write_beside(&Beside { expected, changes }).await {
                Ok(()) => {
                    *self.end.lock().await = Some(end);
                    return Ok(());
                }
                Err(error) => {
                    let again = self.missed(&error).await;
                    // The answer to the attempt before may have been lost, and these lines be there.
                    if again && self.end().await?.is_some_and(|found| found == end) {
                        return Ok(());
                    }
                    if !again || attempt >= ATTEMPTS {
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes down an attempt that was refused; the first one of its kind is written a moment later.
    pub fn refused(&self, refusal: Refusal) {
        self.refusals.add(refusal);
    }

    /// Lines behind `after` as `told` tells them, oldest first, at most `most`, written at `since` (Unix
    /// seconds) or later.
    pub async fn lines(
        &self,
        after: u64,
        since: i64,
        most: usize,
        told: impl Fn(Line) -> Option<Line>,
    ) -> Result<Lines, StoreError> {
        let first = self.first_since(since).await?.max(after.saturating_add(1));
        let (mut from, to) = (audit_key(first), end_of(AUDIT));
        let (mut lines, mut next) = (Vec::new(), None);
        for _ in 0..LOOKED_AT / PAGE {
            let range = Range { from, to: to.clone(), most: PAGE, newest_first: false };
            let page = self.store.scan(&range).await?;
            for entry in &page {
                let line = line(entry);
                next = Some(line.sequence);
                lines.extend(Some(line).filter(|line| line.note.at >= since).and_then(&told));
                if lines.len() >= most {
                    return Ok(Lines { lines, next });
                }
            }
            let Some(last) = page.last().filter(|_| page.len() >= PAGE) else {
                return Ok(Lines { lines, next: None });
            };
            from = format!("{}\0", last.key);
        }
        Ok(Lines { lines, next })
    }

    /// A line before which none was written at `since` or later. Lines stand in the order of time, but for
    /// what clocks of control planes differ by.
    async fn first_since(&self, since: i64) -> Result<u64, StoreError> {
        let end = End::read(self.store.get(AUDIT_HEAD).await?.as_ref())?.unwrap_or_default();
        let (mut low, mut high) = (1, end.sequence.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            // Lines that are gone are older than those that are there.
            let found = self.store.get(&audit_key(middle)).await?;
            match found.filter(|entry| line(entry).note.at >= since) {
                Some(_) => high = middle,
                None => low = middle.saturating_add(1),
            }
        }
        Ok(low.saturating_sub(OUT_OF_ORDER).max(1))
    }

    /// Looks at every line. `anchor` is what an earlier look said, if there was one.
    pub async fn verify(
        &self,
        anchor: Option<&audit_chain::Anchor>,
    ) -> Result<Verdict, JournalError> {
        let _turn = self.verifying.try_acquire().map_err(|_| JournalError::Verifying)?;
        let chain = Keyed(self.keys.audit_key()?);
        Ok(verify(&*self.store, &chain, anchor).await?)
    }

    /// Writes down refused attempts until the process drains, and what is left of them then.
    pub async fn run(self: Arc<Self>, host: Host) {
        let mut draining = false;
        while !draining {
            tokio::select! {
                () = host.clock.sleep(GATHER) => {}
                () = host.shutdown.wait() => draining = true,
            }
            let now = host.clock.unix_seconds();
            let counted = self.refusals.take(now, draining);
            let notes = counted.iter().map(|one| one.note(now)).collect();
            if let Err(error) = self.write(notes).await {
                let reason = chassis::causes(&error);
                tracing::warn!(reason, "refused attempts cannot be written down yet");
                self.refusals.put_back(counted);
            }
        }
    }
}
