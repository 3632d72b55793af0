//! How is a prefix watched so that nothing is missed?
//!
//! The position advances on events and on progress that etcd reports for this very watch, never
//! because time has passed: a quiet stream and a dead one look alike. Silence is ended by asking
//! for progress; that answer only proves that the stream lives, since etcd before 3.4.25 may send
//! it ahead of events. Each reconnect opens a fresh channel and looks at whose history it sees.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use etcd_client::{EventType, GetOptions, KeyValue, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{sleep, timeout};

use super::super::contract::{Batch, Event, Position, StoreError, Watch};
use super::connection::{LARGEST_ANSWER, classify, unavailable};
use super::generation::Generation;
use super::store::{Shared, header};

/// After so long a silence the stream is asked whether it lives, and must answer as fast.
const SILENCE: Duration = Duration::from_secs(10);
const OPEN: Duration = Duration::from_secs(3);

pub(super) struct PrefixWatch {
    shared: Arc<Shared>,
    /// Everything up to here was seen.
    position: u64,
    /// The latest transaction among it.
    made: u64,
    /// Whose history it is; without a listing, known with the first answer.
    cluster: Option<u64>,
    /// The epoch of the listing that it continues; none: there was no listing.
    epoch: Option<String>,
    stream: Option<WatchStream>,
    /// The member may be behind us, and why is still to be found out.
    behind: bool,
    asked: bool,
    ready: VecDeque<Batch>,
    backoff: Backoff,
    pause: Option<Duration>,
    opened: usize,
}

impl PrefixWatch {
    pub(super) fn new(shared: Arc<Shared>, after: Position) -> Self {
        let (cluster, made) = (shared.listed_cluster(), shared.remembered_revision());
        let epoch = shared.listed_epoch();
        Self {
            shared,
            epoch,
            position: after.0,
            made,
            cluster,
            stream: None,
            behind: false,
            asked: false,
            ready: VecDeque::new(),
            backoff: Backoff::default(),
            pause: None,
            opened: 0,
        }
    }

    async fn open(&mut self) -> Result<WatchStream, StoreError> {
        if let Some(pause) = self.pause {
            sleep(pause).await;
            self.pause = None;
        }
        self.opened = self.opened.wrapping_add(1);
        let etcd = self.shared.connection.open(self.opened).await?;
        let from = i64::try_from(self.position.saturating_add(1)).unwrap_or(i64::MAX);
        let options =
            WatchOptions::new().with_prefix().with_start_revision(from).with_progress_notify();
        let mut etcd = etcd.watch_client().max_decoding_message_size(LARGEST_ANSWER);
        match timeout(OPEN, etcd.watch(self.shared.keys.all(), Some(options))).await {
            Ok(stream) => stream.map_err(classify),
            Err(_) => Err(unavailable("the watch was not opened in time")),
        }
    }

    /// Gives the stream up; the next call opens another one, after a pause.
    fn lost(&mut self, error: StoreError) -> StoreError {
        self.stream = None;
        self.asked = false;
        self.pause = Some(self.backoff.next());
        error
    }

    async fn message(&mut self) -> Result<Option<WatchResponse>, StoreError> {
        let Some(stream) = self.stream.as_mut() else { return Ok(None) };
        match timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(response))) => Ok(Some(response)),
            Ok(Ok(None)) => Err(unavailable("the watch has ended")),
            Ok(Err(error)) => Err(classify(error)),
            Err(_) if self.asked => Err(unavailable("the watch is silent")),
            Err(_) => {
                self.asked = true;
                stream.request_progress().await.map_err(classify)?;
                Ok(None)
            }
        }
    }

    fn take(&mut self, response: &WatchResponse) -> Result<(), StoreError> {
        self.asked = false;
        self.backoff.reset();
        let header = response.header().ok_or_else(|| unavailable("no header"))?;
        let revision = u64::try_from(header.revision()).unwrap_or(0);
        if *self.cluster.get_or_insert(header.cluster_id()) != header.cluster_id() {
            return Err(StoreError::Restored);
        }
        if response.compact_revision() > 0 {
            let oldest = u64::try_from(response.compact_revision()).unwrap_or(0);
            return Err(StoreError::Compacted { oldest });
        }
        if response.canceled() {
            return Err(unavailable(format!(
                "the watch was cancelled: {}",
                response.cancel_reason()
            )));
        }
        if response.created() {
            // Others write to the cluster, too: a history that went back may be ahead of us by now.
            self.behind = revision < self.position || self.opened > 1;
            return Ok(());
        }
        if response.events().is_empty() {
            if response.watch_id() >= 0 {
                self.position = self.position.max(revision);
            }
            return Ok(());
        }
        self.collect(response)
    }

    /// The member may be behind us: late, or restored to an earlier time. A linearizable read knows: the
    /// epoch is still the same, and the latest transaction that was seen is there, or a later one. A history
    /// that went back may have come further than that again; then another control plane has begun an epoch.
    async fn look_back(&mut self) -> Result<(), StoreError> {
        let epoch = self.shared.epoch().await?;
        if self.epoch.as_ref().is_some_and(|known| *known != epoch) {
            return Err(StoreError::Restored);
        }
        let answer = self.shared.get(self.shared.keys.generation(), GetOptions::new()).await?;
        let (_, revision) = header(&answer)?;
        let made = answer.kvs().first().map_or(0, KeyValue::mod_revision);
        if revision >= self.position && u64::try_from(made).unwrap_or(0) >= self.made {
            self.behind = false;
            return Ok(());
        }
        let answer = self.shared.get(self.shared.keys.epoch(), GetOptions::new()).await?;
        let seen = answer.kvs().first().map_or(0, KeyValue::mod_revision);
        self.shared.stamp(seen).await?;
        Err(StoreError::Restored)
    }

    /// Events of one revision are one transaction.
    fn collect(&mut self, response: &WatchResponse) -> Result<(), StoreError> {
        let (generation, epoch) = (self.shared.keys.generation(), self.shared.keys.epoch());
        let mut batches: BTreeMap<u64, Batch> = BTreeMap::new();
        for event in response.events() {
            let Some(kv) = event.kv() else { continue };
            let at = u64::try_from(kv.mod_revision()).unwrap_or(0);
            let batch = batches.entry(at).or_insert_with(Batch::past_the_contract);
            if kv.key() == epoch.as_bytes() {
                return Err(StoreError::Restored);
            }
            let gone = event.event_type() == EventType::Delete;
            if kv.key() == generation.as_bytes() {
                let read = Generation::read(kv.value())?;
                batch.revision = at;
                self.made = self.made.max(at);
                batch.note = read.note();
                self.shared.remember(at, read);
            } else if let Some(key) = self.shared.keys.own(kv) {
                let value = (!gone).then(|| kv.value().to_vec().into());
                batch.events.push(Event { key: key.to_owned(), value });
            }
        }
        if let Some((last, _)) = batches.last_key_value() {
            self.position = self.position.max(*last);
        }
        self.ready.extend(batches.into_values());
        Ok(())
    }
}

#[async_trait::async_trait]
impl Watch for PrefixWatch {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            if self.stream.is_none() {
                match self.open().await {
                    Ok(stream) => self.stream = Some(stream),
                    Err(error) => return Err(self.lost(error)),
                }
            }
            let step = match self.message().await {
                Ok(Some(response)) => self.take(&response),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            let step = match step {
                Ok(()) if self.behind => self.look_back().await,
                other => other,
            };
            step.map_err(|error| self.lost(error))?;
        }
    }
}

impl std::fmt::Debug for PrefixWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrefixWatch").field("position", &self.position).finish_non_exhaustive()
    }
}
