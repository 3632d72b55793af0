//! Which tokens ended before their time, and how old is that knowledge?
//!
//! The key manager's log is followed with a cursor. What can still matter is kept on disk with the
//! cursor, within a second of a change and at the end, so that a gateway that starts while the key
//! manager is away still refuses what was revoked.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::backoff::Backoff;
use prost::Message as _;
use turnpike_proto::identity::v1::{Revocation, WatchRevocationsResponse};

use crate::credentials::Revocations;
use crate::rpc::{Outage, RpcError};
use crate::rpc::key_manager::KeyManager;
use crate::snapshot::Shelf;

/// A change is on disk after at most this.
const KEEP_WITHIN: Duration = Duration::from_secs(1);
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
#[derive(Debug, Default)]
struct Log {
    epoch: String,
    sequence: u64,
    as_of_us: i64,
    entries: BTreeMap<u64, Revocation>,
}

/// Follows the log for as long as it is run.
#[derive(Debug)]
pub struct RevocationFollower {
    key_manager: KeyManager,
    revocations: Arc<Revocations>,
    shelf: Shelf,
    host: Host,
    log: Log,
    changed: bool,
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
        let pruned_at = host.clock.unix_seconds();
        Self { key_manager, revocations, shelf, host, log, changed: false, pruned_at }
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
        let mut outage = Outage::of("key manager (revocations)", "the view of revocations grows old");
        loop {
            let Err(error) = self.watch(&mut backoff, &mut outage).await;
            outage.failed(&error);
            self.keep_changes();
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    async fn watch(
        &mut self,
        backoff: &mut Backoff,
        outage: &mut Outage,
    ) -> Result<std::convert::Infallible, RpcError> {
        let mut parts = self.key_manager.revocations(&self.log.epoch, self.log.sequence).await?;
        let clock = self.host.clock.clone();
        loop {
            // A message comes every second at least, so the changes of one are written in time.
            if let Ok(part) = clock.timeout(KEEP_WITHIN, parts.next()).await {
                let part = part?;
                backoff.reset();
                outage.over();
                self.take(part);
            } else {
                self.keep_changes();
            }
        }
    }

    fn take(&mut self, part: WatchRevocationsResponse) {
        if part.epoch != self.log.epoch {
            self.revocations.reset();
            self.log = Log { epoch: part.epoch, ..Log::default() };
            self.changed = true;
        }
        self.log.sequence = part.sequence;
        self.log.as_of_us = self.host.clock.unix_us();
        self.revocations.apply(&part.revocations);
        self.revocations.fresh_until(self.log.as_of_us);
        let quiet = part.revocations.is_empty();
        self.changed |= !quiet;
        for revocation in part.revocations {
            self.log.entries.insert(revocation.sequence, revocation);
        }
        if quiet {
            self.keep_changes();
        }
        self.prune();
    }

    fn prune(&mut self) {
        let now = self.host.clock.unix_seconds();
        if now - self.pruned_at >= PRUNE_EVERY_SECONDS {
            self.pruned_at = now;
            self.revocations.prune(now);
            self.log.entries.retain(|_, revocation| {
                revocation.forget_after.as_ref().is_none_or(|after| after.seconds >= now)
            });
        }
    }

    fn keep_changes(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Err(error) = self.shelf.write(|to| self.log.write(to)) {
            tracing::error!(error = &error as &dyn Error, "revocations are not on disk");
            self.changed = true;
        }
    }
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
