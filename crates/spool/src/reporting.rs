//! Are calls reported, where do their events wait, and what happens to them at the end?

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::clock::Clock;
use chassis::task::Guard;
use tokio::sync::{mpsc, oneshot, watch};

use crate::bounds::Bounds;
use crate::call::Origin;
use crate::collector::Collector;
use crate::delivery::Delivery;
use crate::figures::Figures;
use crate::keeper::{Keeper, LANE, Order, Progress, Shelf};
use crate::leftovers::Leftovers;
use crate::recorder::Recording;
use crate::spool::{Spool, SpoolError};

/// Where events wait. Two places, so that a process that takes over from another has one of its own
/// while the other one still empties, or fills, its own.
const PLACES: [&str; 2] = ["usage", "usage-next"];
/// How long a process that takes over waits for the one before to let go of a place.
const LET_GO: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why reporting could not start.
#[derive(Debug, thiserror::Error)]
pub enum ReportingError {
    /// The spool.
    #[error("usage spool")]
    Spool(#[from] SpoolError),
    /// The thread that keeps it.
    #[error("usage spool thread")]
    Thread(#[from] io::Error),
}

/// The spool, the thread that keeps it and the delivery that empties it.
#[derive(Debug)]
pub struct Reporting {
    recording: Recording,
    orders: mpsc::Sender<Order>,
    progress: watch::Receiver<Progress>,
    failing: watch::Receiver<bool>,
    clock: Clock,
    held_back: watch::Sender<bool>,
    _delivery: Guard,
    _leftovers: Guard,
}

/// The place of this process, and the other one.
struct Found {
    spool: Spool,
    other: PathBuf,
}

impl Reporting {
    /// Opens a spool in `data` and starts delivering what is in it, and in the other one. The
    /// process that this one `follows`, if any, has one of them for a while.
    pub async fn start(
        data: &Path,
        follows: bool,
        bounds: Bounds,
        origin: Origin,
        collector: Collector,
        host: &Host,
    ) -> Result<Self, ReportingError> {
        let found = if follows {
            let clock = &host.clock;
            let begun = clock.instant();
            loop {
                match find(data, true, bounds) {
                    Err(SpoolError::InUse(_)) if clock.instant().duration_since(begun) < LET_GO => {
                        clock.sleep(LOOK_EVERY).await;
                    }
                    found => break found,
                }
            }
        } else {
            find(data, false, bounds)
        };
        let (shelf, other) = match found {
            Ok(Found { spool, other }) => (Shelf::Open(spool), other),
            // Calls are served all the same.
            Err(error) if error.is_full() => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "no room for the usage spool; events are dropped until there is"
                );
                let [own, other] = PLACES.map(|place| data.join(place));
                (Shelf::Shut(Box::new(move || open(&own, bounds)), host.clock.instant()), other)
            }
            Err(error) => return Err(error.into()),
        };
        let (held_back, holds_back) = watch::channel(false);
        let leftovers = Leftovers {
            directory: other,
            bounds,
            collector: collector.clone(),
            held_back: holds_back,
            host: host.clone(),
        };
        let figures = Arc::<Figures>::default();
        host.metrics.register(|registry| figures.register(registry));
        let (orders, taken) = mpsc::channel(LANE);
        let (progress, seen) = watch::channel(Progress::default());
        let (kept, clock) = (Arc::clone(&figures), host.clock.clone());
        let keeper = Keeper { shelf, figures: kept, progress, clock };
        host.tasks.thread("usage-spool", move || keeper.run(taken))?;
        let (failing, is_failing) = watch::channel(false);
        let clock = host.clock.clone();
        let delivery = Delivery {
            collector,
            spool: orders.clone(),
            progress: seen.clone(),
            failing,
            clock: clock.clone(),
        };
        Ok(Self {
            recording: Recording::to(orders.clone(), figures, origin, clock.clone()),
            orders,
            progress: seen,
            failing: is_failing,
            clock,
            held_back,
            _leftovers: host.tasks.spawn_guarded("usage-leftovers", leftovers.run()),
            _delivery: host.tasks.spawn_guarded("usage-delivery", delivery.run()),
        })
    }

    /// Where calls are reported.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Told `true`, only the own place is held, so that a process that takes over finds another.
    pub fn held_back(&self) -> watch::Sender<bool> {
        self.held_back.clone()
    }

    /// Puts on disk what was handed over, and gives a collector that is there at most
    /// `limit` to take it. What it does not take is sent after the next start.
    pub async fn finish(self, limit: Duration) {
        let (answer, synced) = oneshot::channel();
        // A thread that is gone has synced on its way out.
        if self.orders.send(Order::Sync(answer)).await.is_ok() && synced.await.is_ok() {
            let mut progress = self.progress.clone();
            let delivered = progress.wait_for(|now| now.acknowledged >= now.written);
            let mut failing = self.failing.clone();
            let _ = self
                .clock
                .timeout(limit, async {
                    tokio::select! {
                        _ = delivered => {}
                        _ = failing.wait_for(|failing| *failing) => {}
                    }
                })
                .await;
        }
        let _ = self.orders.send(Order::End).await;
    }
}

/// Opens the first place that is free. Who follows nobody has to find both free: otherwise another
/// process works on the same data.
fn find(data: &Path, follows: bool, bounds: Bounds) -> Result<Found, SpoolError> {
    let [first, second] = PLACES.map(|place| data.join(place));
    match open(&first, bounds) {
        Ok(spool) if follows || !second.exists() => Ok(Found { spool, other: second }),
        Ok(spool) => open(&second, bounds).map(|_free| Found { spool, other: second }),
        Err(SpoolError::InUse(_)) if follows => {
            open(&second, bounds).map(|spool| Found { spool, other: first })
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn open(directory: &Path, bounds: Bounds) -> Result<Spool, SpoolError> {
    Spool::open(directory, bounds, &boot(), chassis::random::bytes())
}

/// Names this run of the machine. Without a name every start counts as a new one, which costs a new
/// epoch and loses nothing.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| chassis::random::token(16), |name| name.split_whitespace().collect())
}
