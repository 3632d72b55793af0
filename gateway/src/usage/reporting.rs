//! Are calls reported, where do their events wait, and what happens to them at the end?

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::clock::Clock;
use chassis::task::Guard;
use tokio::sync::{mpsc, oneshot, watch};

use super::delivery::Delivery;
use super::figures::Figures;
use super::keeper::{Keeper, LANE, Order, Progress};
use super::recorder::Recording;
use super::spool::{Bounds, Spool, SpoolError};
use crate::rpc::collector::Collector;

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
    _delivery: Guard,
}

impl Reporting {
    /// Opens the spool in `directory` and starts delivering what is in it.
    pub fn start(
        directory: &Path,
        bounds: Bounds,
        gateway: &str,
        collector: Collector,
        host: &Host,
    ) -> Result<Self, ReportingError> {
        let spool = Spool::open(directory, bounds, &boot(), chassis::random::bytes())?;
        let figures = Arc::<Figures>::default();
        host.metrics.register(|registry| figures.register(registry));
        let (orders, taken) = mpsc::channel(LANE);
        let (progress, seen) = watch::channel(Progress::default());
        let keeper = Keeper { spool, figures: Arc::clone(&figures), progress };
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
            recording: Recording::to(orders.clone(), figures, Arc::from(gateway), clock.clone()),
            orders,
            progress: seen,
            failing: is_failing,
            clock,
            _delivery: host.tasks.spawn_guarded("usage-delivery", delivery.run()),
        })
    }

    /// Where workers report.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Puts on disk what the workers handed over, and gives a collector that is there at most
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

/// Names this run of the machine. Without a name every start counts as a new one, which costs a new
/// epoch and loses nothing.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| chassis::random::token(16), |name| name.split_whitespace().collect())
}
