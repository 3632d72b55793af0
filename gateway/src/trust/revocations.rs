//! Which tokens ended before their time, and how old is that knowledge?
//!
//! The key manager's log is followed with a cursor. What can still matter is kept on disk with the
//! cursor, at once after a change, within a second where changes come thick and fast, and at the end,
//! so that a gateway that starts while the key manager is away still refuses what was revoked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::readiness::Condition;
use chassis::{Host, Outage};
use imbl::OrdMap;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use prost::Message as _;
use tokio::sync::watch;
use turnpike_proto::identity::v1::{Revocation, WatchRevocationsResponse};

use crate::credentials::Revocations;
use crate::rpc::RpcError;
use crate::rpc::key_manager::{self, KeyManager};
use crate::snapshot::{Keeping, Shelf, ShelfError};

/// The condition of readiness that the log was heard or the key manager is known to be away.
pub const REVOCATIONS: &str = "revocations of the key manager";
/// Between two writings, at least.
const PAUSE: Duration = Duration::from_millis(50);
/// A sign of life comes every second; without one for so long the stream counts as lost.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two tries to hear it. Whoever can be heard again is heard soon: what was revoked meanwhile is
/// let in until then.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(1_500);
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
    /// `log` is another one than what is in force, and not whole yet.
    begins_anew: bool,
    pruned_at: i64,
    as_of: Gauge,
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
        let as_of = host.metrics.register(figure);
        as_of.set(log.as_of_us.div_euclid(1_000_000));
        Self { key_manager, revocations, kept, host, log, begins_anew: false, pruned_at, as_of }
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
        let mut backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE);
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
            if self.take(part) {
                heard.green();
            }
        }
    }

    /// Whether everything is known with this part.
    fn take(&mut self, part: WatchRevocationsResponse) -> bool {
        let mut changed = !part.revocations.is_empty();
        if part.epoch != self.log.epoch {
            self.log = Log { epoch: part.epoch, ..Log::default() };
            self.begins_anew = true;
        }
        self.log.sequence = part.sequence;
        if !self.begins_anew {
            self.revocations.apply(&part.revocations);
        }
        for revocation in part.revocations {
            self.log.entries.insert(revocation.sequence, revocation);
        }
        if part.more {
            // Nobody knows yet what the rest names, and half of another log is worse than the one before.
            return false;
        }
        if std::mem::take(&mut self.begins_anew) {
            let all: Vec<Revocation> = self.log.entries.values().cloned().collect();
            self.revocations.replace(&all);
            changed = true;
        }
        self.log.as_of_us = self.host.clock.unix_us();
        self.revocations.fresh_until(self.log.as_of_us);
        self.as_of.set(self.log.as_of_us.div_euclid(1_000_000));
        self.prune();
        if changed {
            self.keep();
        }
        true
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
        if self.begins_anew {
            return;
        }
        self.kept.send_replace(Arc::new(self.log.clone()));
    }
}

/// How old the knowledge is, as others see it.
fn figure(registry: &mut Registry) -> Gauge {
    let (as_of, unit) = (Gauge::default(), Unit::Seconds);
    let told = "Until when every revocation is known, Unix time; 0: never was";
    registry.register_with_unit("revocations_known_timestamp", told, unit, as_of.clone());
    as_of
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
            more: false,
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
