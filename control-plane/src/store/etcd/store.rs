//! How is a store kept in etcd?
//!
//! A transaction is one etcd transaction, so all its changes have one revision; our revisions are
//! those of the key `meta/generation`, because others may write to the same cluster.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{GetOptions, GetResponse, KeyValue, TxnOpResponse};

use super::super::contract::{
    Beside, Entry, Expected, Guard, Limits, Listing, Position, Range, Revision, Store, StoreError,
    Transaction, Watch,
};
use super::super::instance::Witness;
use super::config::Config;
use super::connection::{Connection, LARGEST_ANSWER, unavailable};
use super::generation::Generation;
use super::keys::Keys;
use super::transaction::{LIMITS, txn};
use super::watch::PrefixWatch;

const PAGE: i64 = 1000;
const PAGE_ANSWER: Duration = Duration::from_secs(5);

/// The store of several control planes.
#[derive(Debug)]
pub struct Etcd {
    pub(super) shared: Arc<Shared>,
}

/// What the store and its watches share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) keys: Keys,
    pub(super) witness: Witness,
    /// The generation as last read, so that most commits need not read it first.
    generation: Mutex<Option<(Revision, Generation)>>,
    /// The cluster that was listed last; 0: none yet.
    cluster: AtomicU64,
    /// The epoch of that listing.
    listed: Mutex<Option<String>>,
}

impl Etcd {
    /// Reads the files that the configuration names; speaks to nobody yet. `beside` is a file of
    /// this control plane's own, in which it remembers how far it has seen the cluster.
    pub fn new(config: &Config, beside: &Path) -> Result<Self, StoreError> {
        let shared = Shared {
            connection: Connection::new(config)?,
            keys: Keys::below(&config.prefix),
            witness: Witness::at(beside.to_owned()),
            generation: Mutex::default(),
            cluster: AtomicU64::new(0),
            listed: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait::async_trait]
impl Store for Etcd {
    async fn epoch(&self) -> Result<String, StoreError> {
        self.shared.epoch().await
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let mut answer = self.shared.get(self.shared.keys.whole(key), GetOptions::new()).await?;
        let found = answer.take_kvs().pop();
        Ok(found.and_then(|found| self.shared.entry(found)))
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let mut last = StoreError::Compacted { oldest: 0 };
        // A compaction between two pages takes the ground away; a handful in a row is no accident.
        for _ in 0..5 {
            last = match self.shared.list(prefix).await {
                Err(error @ StoreError::Compacted { .. }) => error,
                done => return done,
            };
        }
        Err(last)
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Revision, StoreError> {
        LIMITS.check(transaction)?;
        self.shared.commit(transaction).await
    }

    async fn watch(&self, after: Position) -> Result<Box<dyn Watch>, StoreError> {
        Ok(Box::new(PrefixWatch::new(self.shared.clone(), after)))
    }

    async fn write_beside(&self, beside: &Beside) -> Result<(), StoreError> {
        LIMITS.check_changes(&beside.changes)?;
        self.shared.write_beside(beside).await
    }

    async fn scan(&self, range: &Range) -> Result<Vec<Entry>, StoreError> {
        self.shared.scan(range).await
    }

    async fn erase(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.shared.erase(from, to).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        let upto = i64::try_from(upto).unwrap_or(i64::MAX);
        let done =
            self.shared.connection.call(|mut etcd| async move { etcd.compact(upto, None).await });
        match done.await {
            // It is compacted further already.
            Ok(_) | Err(StoreError::Compacted { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}

impl Shared {
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let epoch = self.epoch().await?;
        let below = self.keys.whole(prefix);
        let end = range_end(&below);
        let mut from = below;
        let (mut entries, mut position) = (Vec::new(), None);
        loop {
            let mut page = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
            if let Some(position) = position {
                page = page.with_revision(position);
            }
            let mut answer = self.get(from, page).await?;
            let (cluster, revision) = header(&answer)?;
            self.cluster.store(cluster, Ordering::Release);
            position.get_or_insert(i64::try_from(revision).unwrap_or(i64::MAX));
            let more = answer.more();
            let found = answer.take_kvs();
            from = match found.last().and_then(|last| last.key_str().ok()) {
                // The smallest key after the last one.
                Some(last) if more => format!("{last}\0"),
                _ => String::new(),
            };
            entries.extend(found.into_iter().filter_map(|found| self.entry(found)));
            if from.is_empty() {
                break;
            }
        }
        let at = position.unwrap_or(0);
        let then = GetOptions::new().with_revision(at);
        let (revision, generation) = self.read_generation(then).await?;
        let position = u64::try_from(at).unwrap_or(0);
        self.testify(&epoch, position);
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch.clone());
        let note = generation.note();
        Ok(Listing { epoch, revision, position: Position(position), note, entries })
    }

    async fn commit(&self, transaction: &Transaction) -> Result<Revision, StoreError> {
        let before = if let Some(before) = self.remembered(transaction.base) {
            before
        } else {
            let (revision, generation) = self.read_generation(GetOptions::new()).await?;
            if revision != transaction.base {
                return settle(transaction, revision, &generation);
            }
            generation
        };
        let after = before.followed_by(transaction);
        let txn = txn(&self.keys, transaction, &after);
        let answer = self.connection.transact(&txn).await?.answer;
        if answer.succeeded() {
            let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            let revision = u64::try_from(revision).unwrap_or(0);
            self.remember(revision, after);
            self.testify_revision(revision);
            return Ok(revision);
        }
        // Not ours to make any more, unless it is ours already: the first attempt's answer may
        // have been lost on its way.
        let found = answer.op_responses().into_iter().find_map(|response| match response {
            TxnOpResponse::Get(mut found) => found.take_kvs().pop(),
            _ => None,
        });
        let (revision, generation) = generation_of(found.as_ref())?;
        self.remember(revision, generation.clone());
        if revision == transaction.base {
            return Err(self.broken(&transaction.guards, &transaction.expected).await?);
        }
        settle(transaction, revision, &generation)
    }

    /// The first guard or expectation that does not hold.
    pub(super) async fn broken(
        &self,
        guards: &[Guard],
        expected: &[Expected],
    ) -> Result<StoreError, StoreError> {
        for Guard { key, revision } in guards {
            let answer = self.get(self.keys.whole(key), GetOptions::new().with_keys_only()).await?;
            let found = answer.kvs().first().map_or(0, KeyValue::mod_revision);
            let found = u64::try_from(found).unwrap_or(0);
            if found != *revision {
                return Ok(StoreError::Conflict { what: key.clone(), expected: *revision, found });
            }
        }
        for Expected { key, value } in expected {
            let answer = self.get(self.keys.whole(key), GetOptions::new()).await?;
            let found = answer.kvs().first();
            if found.map(KeyValue::value) != value.as_deref() {
                let found = found.map_or(0, KeyValue::mod_revision);
                let found = u64::try_from(found).unwrap_or(0);
                return Ok(StoreError::Conflict { what: key.clone(), expected: 0, found });
            }
        }
        Ok(unavailable("a guard did not hold, and holds now"))
    }

    pub(super) async fn get(
        &self,
        key: String,
        options: GetOptions,
    ) -> Result<GetResponse, StoreError> {
        self.connection
            .call_within(PAGE_ANSWER, |etcd| {
                let (key, options) = (key.clone(), options.clone());
                let mut etcd = etcd.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                async move { etcd.get(key, Some(options)).await }
            })
            .await
    }

    async fn read_generation(
        &self,
        options: GetOptions,
    ) -> Result<(Revision, Generation), StoreError> {
        let answer = self.get(self.keys.generation(), options).await?;
        let (revision, generation) = generation_of(answer.kvs().first())?;
        self.remember(revision, generation.clone());
        Ok((revision, generation))
    }

    fn remembered(&self, base: Revision) -> Option<Generation> {
        let known = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(revision, _)| *revision == base).map(|(_, known)| known.clone())
    }

    /// The revision of the generation that was read last; 0: none was.
    pub(super) fn remembered_revision(&self) -> Revision {
        let known = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map_or(0, |(revision, _)| *revision)
    }

    pub(super) fn remember(&self, revision: Revision, generation: Generation) {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((revision, generation));
    }

    pub(super) fn listed_cluster(&self) -> Option<u64> {
        Some(self.cluster.load(Ordering::Acquire)).filter(|cluster| *cluster != 0)
    }

    pub(super) fn listed_epoch(&self) -> Option<String> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn entry(&self, found: KeyValue) -> Option<Entry> {
        let key = self.keys.own(&found)?.to_owned();
        let revision = u64::try_from(found.mod_revision()).unwrap_or(0);
        let (_, value) = found.into_key_value();
        Some(Entry { key, value: value.into(), revision })
    }
}

/// A transaction whose base is no longer the last one was made already, or lost the race.
fn settle(
    transaction: &Transaction,
    found: Revision,
    generation: &Generation,
) -> Result<Revision, StoreError> {
    generation.revision_of(transaction.id, found).ok_or_else(|| StoreError::Conflict {
        what: "the store".to_owned(),
        expected: transaction.base,
        found,
    })
}

fn generation_of(found: Option<&KeyValue>) -> Result<(Revision, Generation), StoreError> {
    match found {
        Some(found) => {
            let revision = u64::try_from(found.mod_revision()).unwrap_or(0);
            Ok((revision, Generation::read(found.value())?))
        }
        None => Ok((0, Generation::default())),
    }
}

/// Cluster and revision that an answer speaks of.
pub(super) fn header(answer: &GetResponse) -> Result<(u64, Revision), StoreError> {
    let header = answer.header().ok_or_else(|| unavailable("an answer without a header"))?;
    Ok((header.cluster_id(), u64::try_from(header.revision()).unwrap_or(0)))
}

/// The first key behind all that begin with `prefix`, which ends in an ASCII character.
fn range_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}
