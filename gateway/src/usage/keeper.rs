//! Who works on the spool's files, so that no worker and no runtime thread waits for a disk?
//!
//! One thread of its own takes orders from a bounded lane: batches from the workers, questions and
//! acknowledgements from the delivery. Batches that wait together are kept as one frame.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot, watch};

use super::figures::Figures;
use super::recorder::Batch;
use super::segment::Frame;
use super::spool::Spool;

/// Batches that may wait for the thread: what all workers together produce while a disk hiccups.
pub(super) const LANE: usize = 512;
/// Batches that wait together are joined up to this.
const JOINED_BYTES: usize = 512 << 10;
/// The contract's bound on the events of one frame.
const JOINED_EVENTS: u32 = 10_000;

/// What the thread can be asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Append a batch.
    Keep(Batch),
    /// Tell the first frame after this sequence.
    Next(u64, oneshot::Sender<Option<Frame>>),
    /// The collector has everything up to this sequence.
    Acknowledged(u64),
    /// Answered when everything ordered before is on disk.
    Sync(oneshot::Sender<()>),
    /// The thread ends.
    End,
}

/// How far the spool and the collector are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last sequence in the spool.
    pub(super) written: u64,
    /// The last sequence that the collector has.
    pub(super) acknowledged: u64,
}

/// The thread's work;
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) spool: Spool,
    pub(super) figures: Arc<Figures>,
    pub(super) progress: watch::Sender<Progress>,
}

impl Keeper {
    /// Does what is ordered until the end is ordered or nobody is left to order.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
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
                let frame = self.spool.after(after).unwrap_or_else(|error| {
                    tracing::error!(error = &error as &dyn Error, "spool cannot be read");
                    None
                });
                // Nobody waits any more: the delivery starts over and asks again.
                let _ = answer.send(frame);
            }
            Order::Acknowledged(sequence) => {
                if let Err(error) = self.spool.acknowledge(sequence) {
                    tracing::warn!(error = &error as &dyn Error, "acknowledgement is not kept");
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
        let lost = self.figures.unreported.swap(0, Ordering::Relaxed);
        let dropped = self.spool.dropped();
        if let Err(error) = self.spool.append(&batch.events, batch.count, lost) {
            let error = &error as &dyn Error;
            tracing::error!(error, events = batch.count, "usage events dropped");
        }
        self.figures.dropped_by_spool.inc_by(self.spool.dropped() - dropped);
        met
    }

    fn sync(&self) {
        if let Err(error) = self.spool.sync() {
            tracing::warn!(error = &error as &dyn Error, "spool is not synced to disk");
        }
    }

    fn publish(&self) {
        let now = Progress { written: self.spool.last(), acknowledged: self.spool.acknowledged() };
        let figure = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.figures.spool_bytes.set(figure(self.spool.bytes()));
        self.figures.waiting.set(figure(now.written - now.acknowledged));
        self.progress.send_if_modified(|was| std::mem::replace(was, now) != now);
    }
}

fn fits(batch: &Batch, more: &Batch) -> bool {
    batch.events.len() + more.events.len() <= JOINED_BYTES
        && batch.count.saturating_add(more.count) <= JOINED_EVENTS
}
