//! What have the processes on this store written?
//!
//! The ledger is one small row. It is read often and at once after each write of our own; whoever
//! needs more, reads more when it has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use tokio::sync::{Notify, watch};

use super::reader::Cursor;
use crate::store::{Ledger, Store, StoreError};

/// A view of the store that is older says nothing about now.
pub const STALE: Duration = Duration::from_secs(3);

/// Nobody has looked yet, so nobody knows what other processes do.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub struct Follower {
    store: Arc<dyn Store>,
    clock: Clock,
    poll: Duration,
    ledger: watch::Sender<Arc<Ledger>>,
    begun: Instant,
    /// When the ledger was last read, since `begun`: the wall clock may jump.
    read_us: AtomicU64,
    nudged: Notify,
    /// How often this process has written, and how often it had when the ledger was last read.
    wrote: AtomicU64,
    seen: AtomicU64,
}

impl Follower {
    /// Reads the ledger; begins the log when this is the first process on the store.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Clock,
        poll: Duration,
    ) -> Result<Self, StoreError> {
        let mut ledger = store.ledger().await?;
        if ledger.epoch.is_empty() {
            store.begin_epoch("", &chassis::random::token(12)).await?;
            ledger = store.ledger().await?;
        }
        let begun = clock.instant();
        let ledger = watch::Sender::new(Arc::new(ledger));
        let read_us = AtomicU64::new(0);
        Ok(Self {
            store,
            clock,
            poll,
            ledger,
            begun,
            read_us,
            nudged: Notify::new(),
            wrote: AtomicU64::new(0),
            seen: AtomicU64::new(NEVER),
        })
    }

    /// Compares with what this process had seen before.
    pub async fn compare(&self, seen: &Cursor) -> Result<(), StoreError> {
        let ledger = self.ledger();
        if seen.epoch == ledger.epoch && seen.sequence > ledger.head {
            self.renew(&ledger.epoch).await?;
        }
        Ok(())
    }

    /// As last read.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger.borrow())
    }

    /// As last read, and each change.
    pub fn watch(&self) -> watch::Receiver<Arc<Ledger>> {
        self.ledger.subscribe()
    }

    /// How old the view is.
    pub fn age(&self) -> Duration {
        Duration::from_micros(self.now_us().saturating_sub(self.read_us.load(Ordering::Acquire)))
    }

    fn now_us(&self) -> u64 {
        let passed = self.clock.instant().saturating_duration_since(self.begun);
        u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether the ledger as last read is all that there is to know: nothing was written here since,
    /// and other processes were looked at a moment ago.
    pub fn is_current(&self) -> bool {
        let seen = self.seen.load(Ordering::Acquire) == self.wrote.load(Ordering::Acquire);
        seen && self.age() <= STALE
    }

    /// How often clients have changed; `None`: that is not known right now.
    pub fn client_version(&self) -> Option<u64> {
        // In this order: the ledger is read before it is found to be current.
        let version = self.ledger.borrow().client_version;
        self.is_current().then_some(version)
    }

    /// Looks now, for something was written.
    pub fn nudge(&self) {
        self.wrote.fetch_add(1, Ordering::AcqRel);
        self.nudged.notify_one();
    }

    /// Follows until shutdown; `seen` is told after every look.
    pub async fn run(&self, shutdown: &Shutdown, seen: impl Fn(Result<(), &StoreError>)) {
        loop {
            let looked = self.look().await;
            seen(looked.as_ref().copied());
            tokio::select! {
                () = shutdown.wait() => return,
                () = self.nudged.notified() => {}
                () = self.clock.sleep(self.poll) => {}
            }
        }
    }

    /// Reads the ledger once.
    pub async fn look(&self) -> Result<(), StoreError> {
        let asked_us = self.now_us();
        let wrote = self.wrote.load(Ordering::Acquire);
        let ledger = self.store.ledger().await?;
        let before = self.ledger();
        if ledger.epoch == before.epoch && ledger.head < before.head {
            return self.renew(&ledger.epoch).await;
        }
        self.read_us.store(asked_us, Ordering::Release);
        self.ledger.send_if_modified(|known| {
            let changed = **known != ledger;
            if changed {
                *known = Arc::new(ledger);
            }
            changed
        });
        self.seen.store(wrote, Ordering::Release);
        Ok(())
    }

    /// The log went back: its store was restored. Readers know lines that the log does not, so
    /// they have to begin anew.
    pub async fn renew(&self, epoch: &str) -> Result<(), StoreError> {
        tracing::warn!(epoch, "the revocation log went back; a new epoch begins");
        self.store.begin_epoch(epoch, &chassis::random::token(12)).await?;
        let ledger = self.store.ledger().await?;
        self.ledger.send_replace(Arc::new(ledger));
        Ok(())
    }
}
