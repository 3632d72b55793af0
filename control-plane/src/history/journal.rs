//! How does a change leave its trace?
//!
//! In the same transaction: a record of what it replaced and a line of the audit log are stored with it or
//! not at all. A record too large to travel with its transaction is stored before it, in parts; when the
//! transaction is not made, they are parts of nothing and go with the rest of that time.

use std::sync::Arc;
use std::time::Duration;

use audit_chain::{Note, Verdict};
use bytes::Bytes;
use chassis::{Host, hex};
use tokio::sync::{Mutex, Semaphore};

use super::ledger::{End, Keyed, line};
use super::record::{Action, Draft, Touched};
use super::refusals::{Refusal, Refusals};
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
/// The longest detail, in bytes.
const DETAIL: usize = 1024;
/// So many resources are named in a line.
const NAMED: usize = 20;

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

    /// Adds the record and the line to `transaction`, which touches `touched`.
    pub async fn enter(
        &self,
        transaction: &mut Transaction,
        touched: &[Touched],
    ) -> Result<Entered, JournalError> {
        let known = self.end().await?;
        let mut end = known.clone().unwrap_or_default();
        let draft = Draft::of(&transaction.note, touched)?;
        let note = note_of(transaction, touched, draft.digest());
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

    /// Lines behind `after`, oldest first, at most `most`, written at `since` (Unix seconds) or later.
    pub async fn lines(
        &self,
        after: u64,
        since: i64,
        most: usize,
    ) -> Result<Vec<audit_chain::Line>, StoreError> {
        let first = self.first_since(since).await?.max(after.saturating_add(1));
        let (mut from, to) = (audit_key(first), end_of(AUDIT));
        let mut found = Vec::new();
        while found.len() < most {
            let range = Range { from, to: to.clone(), most: most.min(1000), newest_first: false };
            let page = self.store.scan(&range).await?;
            let Some(last) = page.last() else { break };
            from = format!("{}\0", last.key);
            found.extend(page.iter().map(line).filter(|line| line.note.at >= since));
        }
        found.truncate(most);
        Ok(found)
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

fn note_of(transaction: &Transaction, touched: &[Touched], digest: &[u8]) -> Note {
    let named = touched.iter().take(NAMED).map(|one| {
        let action = match one.action {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
        };
        format!("{} {action}", one.key)
    });
    let mut named = named.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = touched.len().checked_sub(NAMED) {
        named = format!("{} and {more} more", shortened(&named, DETAIL));
    }
    let made = &transaction.note;
    let mut details = serde_json::Map::new();
    let after = transaction.base.to_string();
    for (name, value) in [
        ("resources", named.as_str()),
        ("after", &after),
        ("record", &hex(digest)),
        ("reason", &made.reason),
        ("trace", &made.traceparent),
    ] {
        if !value.is_empty() {
            details.insert(name.to_owned(), shortened(value, DETAIL).into());
        }
    }
    Note {
        at: made.committed_at_us.div_euclid(1_000_000),
        event: "resources.changed".to_owned(),
        who: made.by.clone(),
        outcome: "ok".to_owned(),
        details: serde_json::Value::Object(details).to_string(),
        ..Note::default()
    }
}

/// At most so many bytes of a text, cut between characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}
