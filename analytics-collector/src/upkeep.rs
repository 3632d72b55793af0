//! What happens in the collector without being asked for?
//!
//! Rows are flushed when it is time; small segments are merged and old ones forgotten; country
//! databases are read again when they change. All of it on blocking threads, one of a kind at a
//! time; what fails is tried again.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use tokio::sync::Notify;

use crate::edge::from_event::Desk;
use crate::metrics::{Chore, Metrics};
use crate::store::clickhouse::{Roller, Shipper};
use crate::store::error::chain;
use crate::store::{Store, StoreError, keep};

/// How often somebody looks whether a flush is due, and whether something is to be handed on.
const FLUSH_LOOK: Duration = Duration::from_secs(1);
/// The same where rows are handed on, so that answers lag by little.
const SHIP_LOOK: Duration = Duration::from_millis(200);
/// How long nobody tries after so many failures in a row, seconds.
const SHIP_PAUSE_S: [u64; 5] = [1, 2, 5, 10, 15];
/// How often somebody looks whether a day is to be counted where rows are handed on to.
const ROLL_LOOK: Duration = Duration::from_mins(1);
/// How long nobody tries after so many failures in a row.
const ROLL_PAUSE: [Duration; 4] =
    [ROLL_LOOK, Duration::from_mins(5), Duration::from_mins(15), Duration::from_hours(1)];
/// How often somebody looks whether there is something to merge or to forget.
const TIDY_LOOK: Duration = Duration::from_secs(15);

/// What all of the upkeep needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// What is kept up.
    pub store: Arc<Store>,
    /// Counts.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Ends it.
    pub shutdown: Shutdown,
}

impl Upkeep {
    /// Flushes when it is due. Woken by `due`, or by the time.
    pub async fn flush(self, due: Arc<Notify>) {
        let mut failing = false;
        let look = if self.store.hands_on() { SHIP_LOOK } else { FLUSH_LOOK };
        // On a broken disk trying at every batch would only cost.
        while self.again(look, Some(due.as_ref()).filter(|_| !failing)).await {
            let now_us = self.clock.unix_us();
            let began = self.clock.instant();
            let flushed = self.work(move |store| {
                if keep::is_flush_due(store, now_us) { keep::flush(store) } else { Ok(0) }
            });
            match flushed.await {
                Ok(rows) => {
                    if rows > 0 {
                        let took = self.clock.instant() - began;
                        self.metrics.flush_seconds.observe(took.as_secs_f64());
                        tracing::debug!(rows, ?took, "flushed");
                    }
                    failing = false;
                }
                Err(error) => {
                    self.metrics.flush_failures.inc();
                    if !failing {
                        tracing::error!(
                            error,
                            "cannot flush; the rows stay in memory and in the log"
                        );
                    }
                    failing = true;
                }
            }
            self.show_sizes();
        }
    }

    /// Hands segments on to another engine, as they come. While that is away they gather on disk.
    pub async fn ship(self, mut shipper: Shipper) {
        let (mut failures, mut pause) = (0, SHIP_LOOK);
        while self.again(pause, None).await {
            let shipped = tokio::select! {
                biased;
                () = self.shutdown.wait() => return,
                shipped = shipper.ship_once() => shipped,
            };
            pause = match shipped {
                Ok(rows) => {
                    if failures > 0 {
                        tracing::info!("ClickHouse takes calls again");
                    }
                    failures = 0;
                    self.metrics.shipped.inc_by(rows);
                    // More may wait.
                    if rows > 0 { Duration::ZERO } else { SHIP_LOOK }
                }
                Err(error) => {
                    self.metrics.ship_failures.inc();
                    if failures == 0 {
                        let error = format!("{:#}", anyhow::Error::new(error));
                        tracing::error!(error, "cannot hand calls on; they wait on disk");
                    }
                    let pause = SHIP_PAUSE_S.get(failures).or(SHIP_PAUSE_S.last());
                    failures = failures.saturating_add(1);
                    Duration::from_secs(pause.copied().unwrap_or(1))
                }
            };
            self.show_sizes();
        }
    }

    /// Has calls that were handed on counted when they are too old to be kept call by call.
    pub async fn roll_up_elsewhere(self, mut roller: Roller) {
        let (mut failures, mut pause) = (0, Duration::ZERO);
        while self.again(pause, None).await {
            let rolled = tokio::select! {
                biased;
                () = self.shutdown.wait() => return,
                rolled = self.roll_up_once(&mut roller) => rolled,
            };
            if rolled {
                (failures, pause) = (0, ROLL_LOOK);
            } else {
                pause =
                    ROLL_PAUSE.get(failures).or(ROLL_PAUSE.last()).copied().unwrap_or(ROLL_LOOK);
                failures = failures.saturating_add(1);
            }
        }
    }

    /// Whether what is due was counted.
    async fn roll_up_once(&self, roller: &mut Roller) -> bool {
        let rolled = roller.roll_up(self.clock.unix_us()).await;
        self.metrics.tried(Chore::ROLLUP, rolled.is_err());
        if let Err(error) = rolled {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(error, "cannot roll up old rows in ClickHouse");
            return false;
        }
        true
    }

    /// Rolls up, merges and forgets.
    pub async fn tidy(self) {
        while self.again(TIDY_LOOK, None).await {
            self.tidy_once().await;
        }
    }

    async fn tidy_once(&self) {
        let now_us = self.clock.unix_us();
        // What is handed on is counted where it goes, which says itself how that goes.
        if !self.store.hands_on() {
            self.roll_up(now_us).await;
        }
        let forget = move |store: &Store| keep::forget(store, now_us);
        if let Some(rows @ 1..) =
            self.chore(Chore::RETENTION, "cannot forget old rows", forget).await
        {
            self.metrics.forgotten.inc_by(rows);
            tracing::info!(rows, "forgot rows that are older than the retention");
        }
        self.merge(now_us).await;
        self.show_sizes();
    }

    /// Counts what is too old to be kept call by call.
    async fn roll_up(&self, now_us: i64) {
        let once = move |store: &Store| keep::roll_up_once(store, now_us);
        while !self.shutdown.requested() {
            let rolled = self.chore(Chore::ROLLUP, "cannot roll up old rows", once).await;
            let Some(rows @ 1..) = rolled else { return };
            tracing::info!(rows, "rolled up rows that are older than their level");
        }
    }

    /// Makes large segments of small ones.
    async fn merge(&self, now_us: i64) {
        let once = move |store: &Store| keep::merge_once(store, now_us);
        while !self.shutdown.requested() {
            let merged = self.chore(Chore::MERGE, "cannot merge segments", once).await;
            let Some(segments @ 1..) = merged else { return };
            self.metrics.merged.inc_by(segments as u64);
            tracing::debug!(segments, "merged");
        }
    }

    /// Tries a chore. `None`: it failed, which is told.
    async fn chore<T: Send + 'static>(
        &self,
        chore: Chore,
        complaint: &str,
        once: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        let tried = self.work(once).await;
        self.metrics.tried(chore, tried.is_err());
        tried.map_err(|error| tracing::error!(error, "{complaint}")).ok()
    }

    /// Reads country databases again.
    pub async fn geo(self, desk: Arc<Desk>, every: Duration) {
        while self.again(every, None).await {
            let desk = Arc::clone(&desk);
            // A panic while reading a file was logged by the panic hook; the next round tries again.
            let _ = tokio::task::spawn_blocking(move || desk.geo.reload_if_changed()).await;
        }
    }

    /// Waits; false: the process stops.
    async fn again(&self, span: Duration, due: Option<&Notify>) -> bool {
        let due = async {
            match due {
                Some(due) => due.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.shutdown.wait() => false,
            () = due => true,
            () = self.clock.sleep(span) => true,
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, String> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done.map_err(|error| chain(&error)),
            Err(panic) => Err(panic.to_string()),
        }
    }

    fn show_sizes(&self) {
        let sizes = self.store.sizes();
        let show = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.rows_in_memory.set(show(sizes.0 as u64));
        self.metrics.segments.set(show(sizes.1 as u64));
        self.metrics.rows_in_segments.set(show(sizes.2));
    }
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
