//! Who delivers the events that a process before has left?
//!
//! The place that is not this process's own is opened as soon as nobody works on it, emptied, and
//! let go of again. It is let go of early when another process takes over, which may need it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use tokio::sync::{mpsc, watch};

use crate::bounds::Bounds;
use crate::collector::Collector;
use crate::delivery::Delivery;
use crate::figures::Figures;
use crate::keeper::{Keeper, LANE, Order, Progress, Shelf};
use crate::reporting::open;
use crate::spool::{Spool, SpoolError};

/// How often it is looked whether the place is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What it takes to empty a place.
#[derive(Debug)]
pub(crate) struct Leftovers {
    pub(crate) directory: PathBuf,
    pub(crate) bounds: Bounds,
    pub(crate) collector: Collector,
    /// While it is `true` the place is not touched.
    pub(crate) held_back: watch::Receiver<bool>,
    pub(crate) host: Host,
}

impl Leftovers {
    /// Runs until the place is empty and free, or the process is asked to stop.
    pub(crate) async fn run(mut self) {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            () = shutdown.wait() => {}
            () = self.empty() => {}
        }
    }

    async fn empty(&mut self) {
        while self.directory.exists() {
            // The sender lives as long as the reporting, and this task ends with it.
            let _ = self.held_back.wait_for(|held_back| !held_back).await;
            let (directory, bounds) = (self.directory.clone(), self.bounds);
            match self.host.tasks.blocking(move || open(&directory, bounds)).await {
                Ok(Ok(spool)) => {
                    if self.deliver(spool).await {
                        return;
                    }
                }
                Ok(Err(SpoolError::InUse(_))) => {}
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the events of the process before stay where they are");
                    return;
                }
                // The thread panicked or the runtime is gone.
                Err(_) => return,
            }
            self.host.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Delivers what is in `spool`; whether that is everything.
    async fn deliver(&mut self, spool: Spool) -> bool {
        if spool.last() == spool.acknowledged() {
            return true;
        }
        tracing::info!(directory = %self.directory.display(), "events of the process before are sent");
        let (orders, taken) = mpsc::channel(LANE);
        let (progress, mut seen) =
            watch::channel(Progress { written: spool.last(), acknowledged: spool.acknowledged() });
        let keeper = Keeper {
            shelf: Shelf::Open(spool),
            figures: Arc::<Figures>::default(),
            progress,
            clock: self.host.clock.clone(),
        };
        let started = self.host.tasks.thread("usage-leftovers", move || keeper.run(taken));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for the events of the process before");
            return false;
        }
        let delivery = Delivery {
            collector: self.collector.clone(),
            spool: orders.clone(),
            progress: seen.clone(),
            failing: watch::Sender::new(false),
            clock: self.host.clock.clone(),
        };
        let _delivery = self.host.tasks.spawn_guarded("leftovers-delivery", delivery.run());
        let all = tokio::select! {
            all = seen.wait_for(|now| now.acknowledged >= now.written) => all.is_ok(),
            _ = self.held_back.wait_for(|held_back| *held_back) => false,
        };
        let _ = orders.send(Order::End).await;
        // The thread lets go of the place before its end of the progress is gone.
        while seen.changed().await.is_ok() {}
        all
    }
}
