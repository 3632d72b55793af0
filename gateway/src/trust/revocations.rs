//! Which tokens ended before their time, and how old is that knowledge?
//!
//! The key manager's log is followed with a cursor. What can still matter is kept on disk with the
//! cursor, within a second of a change and at the end, so that a gateway that starts while the key
//! manager is away still refuses what was revoked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::backoff::Backoff;
use chassis::readiness::Condition;
use imbl::OrdMap;
use prost::Message as _;
use tokio::sync::watch;
use turnpike_proto::identity::v1::{Revocation, WatchRevocationsResponse};

use crate::credentials::Revocations;
use crate::rpc::key_manager::{self, KeyManager};
use crate::rpc::{Outage, RpcError};
use crate::snapshot::{Keeping, Shelf, ShelfError};

/// The condition of readiness that the log was heard or the key manager is known to be away.
pub const REVOCATIONS: &str = "revocations of the key manager";
/// Between two writings, at least.
const PAUSE: Duration = Duration::from_secs(1);
/// A sign of life comes every second; without one for so long the stream counts as lost.
const SILENCE: Duration = Duration::from_secs(5);
const PRUNE_EVERY_SECONDS: i64 = 60;

/// Why kept bytes are no log.
#[derive(Debug, thiserror::Error)]
enum NoLog {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("no log")]
    Message(#[from] prost::DecodeError),
}

/// The log as far as it can still matter.
#[derive(Clone, Debug, Default)]
struct Log {
    epoch: String,
    sequence: u64,
    as_of_us: i64,
    entries: OrdMap<u64, Revocation>,
}

/// Follows the log for as long as it is run.
#[derive(Debug)]
pub struct RevocationFollower {
    key_manager: KeyManager,
    revocations: Arc<Revocations>,
    kept: watch::Sender<Arc<Log>>,
    host: Host,
    log: Log,
    pruned_at: i64,
}

impl RevocationFollower {
    /// Feeds `revocations`, and starts with what is kept.
    pub fn restore(
        key_manager: KeyManager,
        revocations: Arc<Revocations>,
        shelf: Shelf,
        host: Host,
    ) -> Self {
        let log = shelf.read(Log::read).unwrap_or_default();
        let entries: Vec<Revocation> = log.entries.values().cloned().collect();
        revocations.apply(&entries);
        if log.as_of_us > 0 {
            revocations.fresh_until(log.as_of_us);
            tracing::info!(entries = entries.len(), "revocations from disk are in force");
        }
        let (kept, keep) = watch::channel(Arc::new(log.clone()));
        let keeping = Keeping { shelf, write, pause: PAUSE, name: "revocations" };
        let keeping = keeping.run(keep, host.clock.clone(), host.tasks.clone());
        host.tasks.spawn("revocations-disk", keeping);
        let pruned_at = host.clock.unix_seconds();
        Self { key_manager, revocations, kept, host, log, pruned_at }
    }

    /// Runs until the process is asked to stop, and keeps what is known then.
    pub async fn run(mut self) {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            () = shutdown.wait() => {}
            () = self.follow() => {}
        }
        self.keep();
    }

    async fn follow(&mut self) {
        let mut backoff = Backoff::new();
        let mut outage =
            Outage::of("key manager (revocations)", "the view of revocations grows old");
        let heard = self.host.ready.condition(REVOCATIONS);
        loop {
            let Err(error) = self.watch(&mut backoff, &mut outage, &heard).await;
            outage.failed(&error);
            heard.green();
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    async fn watch(
        &mut self,
        backoff: &mut Backoff,
        outage: &mut Outage,
        heard: &Condition,
    ) -> Result<std::convert::Infallible, RpcError> {
        let mut parts = self.key_manager.revocations(&self.log.epoch, self.log.sequence).await?;
        loop {
            let part = self.host.clock.timeout(SILENCE, parts.next()).await;
            let part = part.map_err(|_| key_manager::silent())??;
            backoff.reset();
            outage.over();
            self.take(part);
            heard.green();
        }
    }

    fn take(&mut self, part: WatchRevocationsResponse) {
        let mut changed = !part.revocations.is_empty();
        if part.epoch != self.log.epoch {
            self.revocations.reset();
            self.log = Log { epoch: part.epoch, ..Log::default() };
            changed = true;
        }
        self.log.sequence = part.sequence;
        self.log.as_of_us = self.host.clock.unix_us();
        self.revocations.apply(&part.revocations);
        self.revocations.fresh_until(self.log.as_of_us);
        for revocation in part.revocations {
            self.log.entries.insert(revocation.sequence, revocation);
        }
        self.prune();
        if changed {
            self.keep();
        }
    }

    fn prune(&mut self) {
        let now = self.host.clock.unix_seconds();
        if now - self.pruned_at >= PRUNE_EVERY_SECONDS {
            self.pruned_at = now;
            self.revocations.prune(now);
            let lives = |(_, one): &(u64, Revocation)| {
                one.forget_after.as_ref().is_none_or(|after| after.seconds >= now)
            };
            self.log.entries = self.log.entries.clone().into_iter().filter(lives).collect();
        }
    }

    fn keep(&self) {
        self.kept.send_replace(Arc::new(self.log.clone()));
    }
}

fn write(shelf: &mut Shelf, log: &Log) -> Result<(), ShelfError> {
    shelf.write(|to| log.write(to))
}

impl Log {
    fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let message = WatchRevocationsResponse {
            epoch: self.epoch.clone(),
            sequence: self.sequence,
            revocations: self.entries.values().cloned().collect(),
        };
        to.write_all(&self.as_of_us.to_le_bytes())?;
        to.write_all(&message.encode_to_vec())
    }

    fn read(from: &mut dyn io::Read) -> Result<Self, NoLog> {
        let (mut as_of, mut message) = ([0; 8], Vec::new());
        from.read_exact(&mut as_of)?;
        from.read_to_end(&mut message)?;
        let message = WatchRevocationsResponse::decode(message.as_slice())?;
        let entries = message.revocations.into_iter().map(|entry| (entry.sequence, entry));
        Ok(Self {
            epoch: message.epoch,
            sequence: message.sequence,
            as_of_us: i64::from_le_bytes(as_of),
            entries: entries.collect(),
        })
    }
}
