//! What stands in the file, and how does one transaction change it?
//!
//! `values` is the map, `log` holds the latest transactions for watchers, `meta` says how far
//! both are. One redb write transaction changes all three, and redb syncs the file before
//! `commit` returns. The log is bounded in number and in bytes; its oldest end goes first.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};

use super::super::contract::{
    Batch, Change, Entry, Event, Expected, Limits, Listing, Note, Position, Revision, StoreError,
    Transaction,
};
use super::super::instance::{Seen, Witness, inode};

pub(super) const VALUES: TableDefinition<&str, (u64, &[u8])> = TableDefinition::new("values");
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const NAMES: TableDefinition<&str, &str> = TableDefinition::new("names");

/// The last transaction.
const REVISION: &str = "revision";
/// The last transaction that is no longer in the log.
const FORGOTTEN: &str = "forgotten";
/// How many bytes the log holds.
const LOG_BYTES: &str = "log_bytes";
/// The form of the file.
const FORMAT: &str = "format";
const EPOCH: &str = "epoch";

const FORMAT_NOW: u64 = 1;
const CACHE_BYTES: usize = 32 * 1024 * 1024;
const LOG_TRANSACTIONS: u64 = 10_000;
const LOG_LARGEST: u64 = 64 * 1024 * 1024;

pub(super) const LIMITS: Limits =
    Limits { changes: 100_000, bytes: 64 * 1024 * 1024, guards: 100_000 };

/// The open file. Every method blocks on the disk.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) database: Database,
    path: PathBuf,
    witness: Witness,
    epoch: String,
}

/// A transaction in the log.
#[derive(Clone, PartialEq, Message)]
struct Logged {
    #[prost(message, optional, tag = "1")]
    note: Option<Note>,
    #[prost(message, repeated, tag = "2")]
    events: Vec<LoggedEvent>,
    #[prost(bytes = "bytes", tag = "3")]
    id: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct LoggedEvent {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    value: Option<Bytes>,
}

impl Tables {
    /// Opens the file, makes it when it does not exist, and begins a new epoch when it turns out
    /// to be a restored one.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database =
            Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(|e| match e {
                redb::DatabaseError::DatabaseAlreadyOpen => StoreError::Refused(
                    format!("{} is in use by another process", path.display()).into(),
                ),
                other => failed(other),
            })?;
        keep_private(path).map_err(failed)?;
        let witness = Witness::at(path.with_extension("instance"));
        let mut tables = Self { database, path: path.to_owned(), witness, epoch: String::new() };
        tables.epoch = tables.settle_epoch()?;
        tables.testify(tables.revision()?)?;
        Ok(tables)
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(super) fn revision(&self) -> Result<Revision, StoreError> {
        let read = self.database.begin_read().map_err(failed)?;
        let numbers = read.open_table(NUMBERS).map_err(failed)?;
        number(&numbers, REVISION)
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let read = self.database.begin_read().map_err(failed)?;
        let values = read.open_table(VALUES).map_err(failed)?;
        Ok(values.get(key).map_err(failed)?.map(|found| entry(key, found.value())))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let read = self.database.begin_read().map_err(failed)?;
        let values = read.open_table(VALUES).map_err(failed)?;
        let mut entries = Vec::new();
        for row in values.range(prefix..).map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            entries.push(entry(key.value(), value.value()));
        }
        let revision = number(&read.open_table(NUMBERS).map_err(failed)?, REVISION)?;
        let log = read.open_table(LOG).map_err(failed)?;
        let last = log.get(revision).map_err(failed)?;
        let note = match last {
            Some(bytes) => logged(bytes.value())?.note.unwrap_or_default(),
            None => Note::default(),
        };
        let (epoch, position) = (self.epoch.clone(), Position(revision));
        Ok(Listing { epoch, revision, position, note, entries })
    }

    pub(super) fn commit(&self, transaction: &Transaction) -> Result<Revision, StoreError> {
        LIMITS.check(transaction)?;
        let write = self.database.begin_write().map_err(failed)?;
        match make(&write, transaction)? {
            Made::Before(revision) => Ok(revision),
            Made::Now(revision) => {
                write.commit().map_err(failed)?;
                // It is made. What only helps to notice a restore must not say otherwise.
                if let Err(error) = self.testify(revision) {
                    tracing::warn!(%error, "cannot remember how far the store has come");
                }
                Ok(revision)
            }
        }
    }

    /// The transactions after `after`, oldest first, at most `most` and about 4 MiB of them.
    pub(super) fn after(&self, after: Revision, most: usize) -> Result<Vec<Batch>, StoreError> {
        const ENOUGH: usize = 4 * 1024 * 1024;
        let read = self.database.begin_read().map_err(failed)?;
        let numbers = read.open_table(NUMBERS).map_err(failed)?;
        let forgotten = number(&numbers, FORGOTTEN)?;
        if after < forgotten {
            return Err(StoreError::Compacted { oldest: forgotten });
        }
        let log = read.open_table(LOG).map_err(failed)?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        for row in log.range(after.saturating_add(1)..).map_err(failed)? {
            let (revision, content) = row.map_err(failed)?;
            bytes += content.value().len();
            batches.push(batch(revision.value(), logged(content.value())?));
            if batches.len() >= most || bytes >= ENOUGH {
                break;
            }
        }
        Ok(batches)
    }

    pub(super) fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(failed)?;
        let revision = number(&write.open_table(NUMBERS).map_err(failed)?, REVISION)?;
        forget(&write, upto.min(revision))?;
        write.commit().map_err(failed)
    }

    /// Writes a copy that, when it is opened, begins a new epoch.
    pub(super) fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let read = self.database.begin_read().map_err(failed)?;
        let copy = Database::create(to).map_err(failed)?;
        let write = copy.begin_write().map_err(failed)?;
        {
            let mut values = write.open_table(VALUES).map_err(failed)?;
            for row in read.open_table(VALUES).map_err(failed)?.iter().map_err(failed)? {
                let (key, value) = row.map_err(failed)?;
                values.insert(key.value(), value.value()).map_err(failed)?;
            }
            let revision = number(&read.open_table(NUMBERS).map_err(failed)?, REVISION)?;
            let mut numbers = write.open_table(NUMBERS).map_err(failed)?;
            // The copy has no log: whoever continues it lists first.
            for (name, value) in [(REVISION, revision), (FORGOTTEN, revision), (FORMAT, FORMAT_NOW)]
            {
                numbers.insert(name, value).map_err(failed)?;
            }
        }
        write.commit().map_err(failed)
    }

    /// The epoch in force: the stored one, or a new one for a new or a restored file.
    fn settle_epoch(&self) -> Result<String, StoreError> {
        let write = self.database.begin_write().map_err(failed)?;
        let epoch = {
            let mut numbers = write.open_table(NUMBERS).map_err(failed)?;
            write.open_table(VALUES).map_err(failed)?;
            write.open_table(LOG).map_err(failed)?;
            let mut names = write.open_table(NAMES).map_err(failed)?;
            let fresh = numbers.is_empty().map_err(failed)?;
            let format = if fresh { FORMAT_NOW } else { number(&numbers, FORMAT)? };
            if format != FORMAT_NOW {
                let what = format!("{} has the form {format}", self.path.display());
                return Err(StoreError::Damaged { what });
            }
            numbers.insert(FORMAT, FORMAT_NOW).map_err(failed)?;
            let stored = names.get(EPOCH).map_err(failed)?.map(|epoch| epoch.value().to_owned());
            let revision = number(&numbers, REVISION)?;
            match stored {
                Some(epoch) if self.is_ours(&epoch, revision)? => epoch,
                _ => {
                    let epoch = chassis::random::token(12);
                    names.insert(EPOCH, epoch.as_str()).map_err(failed)?;
                    epoch
                }
            }
        };
        write.commit().map_err(failed)?;
        Ok(epoch)
    }

    fn is_ours(&self, epoch: &str, revision: Revision) -> Result<bool, StoreError> {
        let file = inode(&self.path).map_err(failed)?;
        Ok(self.witness.read().is_some_and(|seen| {
            seen.epoch == epoch && seen.file == file && seen.revision <= revision
        }))
    }

    fn testify(&self, revision: Revision) -> Result<(), StoreError> {
        let file = inode(&self.path).map_err(failed)?;
        let seen = Seen { epoch: self.epoch.clone(), revision, file };
        self.witness.write(&seen).map_err(failed)
    }
}

/// Consumer keys, owners and addresses of backends are nobody else's business.
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    // A new file must still be found after a power failure.
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

enum Made {
    /// By an earlier attempt.
    Before(Revision),
    /// And still to be committed.
    Now(Revision),
}

fn make(write: &WriteTransaction, transaction: &Transaction) -> Result<Made, StoreError> {
    let mut numbers = write.open_table(NUMBERS).map_err(failed)?;
    let mut values = write.open_table(VALUES).map_err(failed)?;
    let mut log = write.open_table(LOG).map_err(failed)?;
    let last = number(&numbers, REVISION)?;
    if last != transaction.base {
        // The repeat of a commit whose answer was lost is the transaction right after its base.
        if let Some(next) = log.get(transaction.base.saturating_add(1)).map_err(failed)?
            && logged(next.value())?.id.as_ref() == transaction.id.as_slice()
        {
            return Ok(Made::Before(transaction.base.saturating_add(1)));
        }
        return Err(conflict("the store", transaction.base, last));
    }
    for guard in &transaction.guards {
        let found =
            values.get(guard.key.as_str()).map_err(failed)?.map_or(0, |entry| entry.value().0);
        if found != guard.revision {
            return Err(conflict(&guard.key, guard.revision, found));
        }
    }
    check_expected(&values, &transaction.expected)?;
    let revision = last.saturating_add(1);
    put_all(&mut values, &transaction.changes, revision)?;
    let content = log_of(transaction).encode_to_vec();
    log.insert(revision, content.as_slice()).map_err(failed)?;
    let bytes = number(&numbers, LOG_BYTES)?.saturating_add(content.len() as u64);
    numbers.insert(LOG_BYTES, bytes).map_err(failed)?;
    numbers.insert(REVISION, revision).map_err(failed)?;
    drop((numbers, values, log));
    forget(write, revision.saturating_sub(LOG_TRANSACTIONS))?;
    Ok(Made::Now(revision))
}

/// What must be there before.
pub(super) fn check_expected(
    values: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    expected: &[Expected],
) -> Result<(), StoreError> {
    for Expected { key, value } in expected {
        let found = values.get(key.as_str()).map_err(failed)?;
        let found = found.as_ref().map(redb::AccessGuard::value);
        if found.map(|(_, bytes)| bytes) != value.as_deref() {
            return Err(conflict(key, 0, found.map_or(0, |(revision, _)| revision)));
        }
    }
    Ok(())
}

/// Makes the changes; what is put gets this revision.
pub(super) fn put_all(
    values: &mut Table<'_, &'static str, (u64, &'static [u8])>,
    changes: &[Change],
    revision: Revision,
) -> Result<(), StoreError> {
    for change in changes {
        match change {
            Change::Put { key, value } => {
                values.insert(key.as_str(), (revision, value.as_ref())).map_err(failed)?;
            }
            Change::Delete { key } => {
                values.remove(key.as_str()).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Drops the log up to `upto`, and further while it holds more bytes than it may.
fn forget(write: &WriteTransaction, upto: Revision) -> Result<(), StoreError> {
    let mut numbers = write.open_table(NUMBERS).map_err(failed)?;
    let mut log = write.open_table(LOG).map_err(failed)?;
    let mut bytes = number(&numbers, LOG_BYTES)?;
    let mut forgotten = number(&numbers, FORGOTTEN)?;
    loop {
        let first = log.first().map_err(failed)?;
        let first = first.map(|(revision, content)| (revision.value(), content.value().len()));
        let Some((revision, size)) = first else { break };
        if revision > upto && bytes <= LOG_LARGEST {
            break;
        }
        log.remove(revision).map_err(failed)?;
        bytes = bytes.saturating_sub(size as u64);
        forgotten = revision;
    }
    numbers.insert(FORGOTTEN, forgotten.max(upto)).map_err(failed)?;
    numbers.insert(LOG_BYTES, bytes).map_err(failed)?;
    Ok(())
}

fn log_of(transaction: &Transaction) -> Logged {
    let events = transaction.changes.iter().map(|change| match change {
        Change::Put { key, value } => LoggedEvent { key: key.clone(), value: Some(value.clone()) },
        Change::Delete { key } => LoggedEvent { key: key.clone(), value: None },
    });
    Logged {
        note: Some(transaction.note.clone()),
        events: events.collect(),
        id: Bytes::copy_from_slice(&transaction.id),
    }
}

fn logged(content: &[u8]) -> Result<Logged, StoreError> {
    Logged::decode(content).map_err(|e| StoreError::Damaged { what: format!("the log: {e}") })
}

fn batch(revision: Revision, logged: Logged) -> Batch {
    let events =
        logged.events.into_iter().map(|LoggedEvent { key, value }| Event { key, value }).collect();
    Batch { revision, note: logged.note.unwrap_or_default(), events }
}

pub(super) fn entry(key: &str, (revision, value): (u64, &[u8])) -> Entry {
    Entry { key: key.to_owned(), value: Bytes::copy_from_slice(value), revision }
}

fn number(numbers: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, StoreError> {
    Ok(numbers.get(name).map_err(failed)?.map_or(0, |found| found.value()))
}

fn conflict(what: &str, expected: Revision, found: Revision) -> StoreError {
    StoreError::Conflict { what: what.to_owned(), expected, found }
}

/// A file that cannot be read or written is not mended by asking again.
pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Refused(Box::new(error))
}
