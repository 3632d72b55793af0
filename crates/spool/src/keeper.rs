//! Who works on the spool's files, so that no worker and no runtime thread waits for a disk?
//!
//! One thread of its own takes orders from a bounded lane: batches from the workers, questions and
//! acknowledgements from the delivery. Batches that wait together are kept as one frame. A spool that
//! the disk has no room for is opened as soon as it has; until then batches are dropped and counted.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chassis::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use crate::figures::Figures;
use crate::recorder::Batch;
use crate::segment::Frame;
use crate::spool::{Spool, SpoolError};

/// Batches that may wait for the thread: what all workers together produce while a disk hiccups.
pub(crate) const LANE: usize = 512;
/// Batches that wait together are joined up to this.
const JOINED_BYTES: usize = 512 << 10;
/// The contract's bound on the events of one frame.
const JOINED_EVENTS: u32 = 10_000;
/// How often a spool that is not open is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What the thread can be asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Append a batch.
    Keep(Batch),
    /// Tell the first frame after this sequence.
    Next(u64, oneshot::Sender<Option<Frame>>),
    /// The collector has everything up to this sequence.
    Acknowledged(u64),
    /// The collector will never have the batch with this sequence.
    Refused(u64),
    /// Answered when everything ordered before is on disk.
    Sync(oneshot::Sender<()>),
    /// The thread ends.
    End,
}

/// How far the spool and the collector are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last sequence in the spool.
    pub(crate) written: u64,
    /// The last sequence that the collector has.
    pub(crate) acknowledged: u64,
}

/// How a spool is opened.
pub(crate) type Opening = dyn Fn() -> Result<Spool, SpoolError> + Send;

/// A spool, or how it is opened once there is room for it.
pub(crate) enum Shelf {
    /// It is open.
    Open(Spool),
    /// It is not, and is tried again at that time.
    Shut(Box<Opening>, Instant),
}

/// The thread's work.
pub(crate) struct Keeper {
    pub(crate) shelf: Shelf,
    pub(crate) figures: Arc<Figures>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) clock: Clock,
}

impl Keeper {
    /// Does what is ordered until the end is ordered or nobody is left to order.
    pub(crate) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        self.publish();
        while let Some(order) = orders.blocking_recv() {
            let mut next = Some(order);
            while let Some(order) = next.take() {
                match self.obey(order, &mut orders) {
                    ControlFlow::Continue(met) => next = met,
                    ControlFlow::Break(()) => return self.sync(),
                }
            }
            self.publish();
        }
        self.sync();
    }

    /// Obeys one order; a batch takes the batches behind it along and gives back what it met.
    fn obey(
        &mut self,
        order: Order,
        orders: &mut mpsc::Receiver<Order>,
    ) -> ControlFlow<(), Option<Order>> {
        match order {
            Order::Keep(batch) => return ControlFlow::Continue(self.keep(batch, orders)),
            Order::Next(after, answer) => {
                let Shelf::Open(spool) = &mut self.shelf else {
                    return ControlFlow::Continue(None);
                };
                let frame = spool.after(after).unwrap_or_else(|error| {
                    tracing::error!(error = &error as &dyn Error, "spool cannot be read");
                    None
                });
                // Nobody waits any more: the delivery starts over and asks again.
                let _ = answer.send(frame);
            }
            Order::Acknowledged(sequence) => {
                if let Shelf::Open(spool) = &mut self.shelf
                    && let Err(error) = spool.acknowledge(sequence)
                {
                    tracing::warn!(error = &error as &dyn Error, "acknowledgement is not kept");
                }
            }
            Order::Refused(sequence) => {
                if let Shelf::Open(spool) = &mut self.shelf {
                    let dropped = spool.dropped();
                    if let Err(error) = spool.refused(sequence) {
                        tracing::warn!(error = &error as &dyn Error, "a refused batch is kept");
                    }
                    self.figures.dropped_by_spool.inc_by(spool.dropped() - dropped);
                }
            }
            Order::Sync(answer) => {
                self.sync();
                self.publish();
                let _ = answer.send(());
            }
            Order::End => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(None)
    }

    fn keep(&mut self, mut batch: Batch, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
        let met = loop {
            match orders.try_recv() {
                Ok(Order::Keep(more)) if fits(&batch, &more) => {
                    batch.events.extend_from_slice(&more.events);
                    batch.count += more.count;
                }
                Ok(other) => break Some(other),
                Err(_) => break None,
            }
        };
        self.try_shelf();
        let Shelf::Open(spool) = &mut self.shelf else {
            // The next batch that is kept reports them.
            let count = u64::from(batch.count);
            self.figures.dropped_by_spool.inc_by(count);
            self.figures.unreported.fetch_add(count, Ordering::Relaxed);
            return met;
        };
        let lost = self.figures.unreported.swap(0, Ordering::Relaxed);
        let dropped = spool.dropped();
        if let Err(error) = spool.append(&batch.events, batch.count, lost) {
            let error = &error as &dyn Error;
            tracing::error!(error, events = batch.count, "usage events dropped");
        }
        self.figures.dropped_by_spool.inc_by(spool.dropped() - dropped);
        met
    }

    /// Opens the spool, if it is shut and its time has come.
    fn try_shelf(&mut self) {
        let Shelf::Shut(open, at) = &mut self.shelf else { return };
        let now = self.clock.instant();
        if now < *at {
            return;
        }
        match open() {
            Ok(spool) => {
                tracing::info!("the usage spool is open");
                self.shelf = Shelf::Open(spool);
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn Error, "the usage spool cannot be opened");
                *at = now + TRY_EVERY;
            }
        }
    }

    fn sync(&self) {
        if let Shelf::Open(spool) = &self.shelf
            && let Err(error) = spool.sync()
        {
            tracing::warn!(error = &error as &dyn Error, "spool is not synced to disk");
        }
    }

    fn publish(&self) {
        let Shelf::Open(spool) = &self.shelf else { return };
        let now = Progress { written: spool.last(), acknowledged: spool.acknowledged() };
        let figure = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.figures.spool_bytes.set(figure(spool.bytes()));
        self.figures.waiting.set(figure(now.written - now.acknowledged));
        self.progress.send_if_modified(|was| std::mem::replace(was, now) != now);
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = matches!(self.shelf, Shelf::Open(_));
        f.debug_struct("Keeper").field("open", &open).finish_non_exhaustive()
    }
}

fn fits(batch: &Batch, more: &Batch) -> bool {
    batch.events.len() + more.events.len() <= JOINED_BYTES
        && batch.count.saturating_add(more.count) <= JOINED_EVENTS
}
