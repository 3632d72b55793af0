//! How do batches get from the spool to the collector, each at least once and in order?
//!
//! A few batches are under way unanswered; after a lost stream everything since the last
//! acknowledgement is sent again, and the collector recognises what it has. Nothing on the request
//! path waits for this.

use std::collections::VecDeque;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock::{Clock, Elapsed};
use tokio::sync::{mpsc, oneshot, watch};

use super::keeper::{Order, Progress};
use super::segment::{Epoch, Frame};
use crate::rpc::collector::{Acknowledgements, Batch, Collector};
use crate::rpc::{Outage, RpcError};

/// Batches that may be unanswered.
const WINDOW: usize = 8;
/// A collector that answers nothing for so long is asked anew.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why a stream to the collector ended.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Collector(#[from] RpcError),
    #[error("the collector did not answer")]
    Silent(#[from] Elapsed),
    #[error("the collector ended the stream")]
    Ended,
    #[error("the spool is closed")]
    SpoolClosed,
}

/// Sends what the spool holds, for as long as it is run.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) collector: Collector,
    pub(super) spool: mpsc::Sender<Order>,
    pub(super) progress: watch::Receiver<Progress>,
    /// Whether the last try failed.
    pub(super) failing: watch::Sender<bool>,
    pub(super) clock: Clock,
}

/// What is under way on one stream.
#[derive(Debug)]
struct UnderWay {
    batches: mpsc::Sender<Batch>,
    sequences: VecDeque<u64>,
    epoch: Epoch,
    sent: u64,
}

impl Delivery {
    /// Runs until the spool is closed.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new();
        let mut outage = Outage::of("analytics collector", "usage events wait on disk");
        while self.progress.wait_for(|now| now.written > now.acknowledged).await.is_ok() {
            let Err(error) = self.stream(&mut backoff, &mut outage).await;
            self.failing.send_replace(true);
            outage.failed(&error);
            self.clock.sleep(backoff.next()).await;
        }
    }

    async fn stream(
        &mut self,
        backoff: &mut Backoff,
        outage: &mut Outage,
    ) -> Result<std::convert::Infallible, DeliveryError> {
        // The first batch goes with the call, so that neither side waits for the other to begin.
        let acknowledged = self.progress.borrow().acknowledged;
        let Some(first) = self.next(acknowledged).await? else {
            return Err(DeliveryError::SpoolClosed);
        };
        let (batches, taken) = mpsc::channel(WINDOW);
        let mut way = UnderWay {
            batches,
            sequences: VecDeque::with_capacity(WINDOW),
            epoch: first.epoch,
            sent: first.sequence,
        };
        way.send(first)?;
        let opened = self.clock.timeout(ANSWER_WITHIN, self.collector.open(taken)).await?;
        let mut answers = opened?;
        loop {
            self.fill(&mut way).await?;
            if self.wait(&mut way, &mut answers).await? {
                backoff.reset();
                outage.over();
            }
        }
    }

    /// Sends until the window is full or the spool has no more.
    async fn fill(&mut self, way: &mut UnderWay) -> Result<(), DeliveryError> {
        while way.sequences.len() < WINDOW && self.progress.borrow_and_update().written > way.sent {
            let Some(frame) = self.next(way.sent).await? else { break };
            // An acknowledgement speaks of one epoch, so two are never under way together.
            if frame.epoch != way.epoch && !way.sequences.is_empty() {
                break;
            }
            way.send(frame)?;
        }
        Ok(())
    }

    /// Waits for an answer, which is `true`, or for something more to send.
    async fn wait(
        &mut self,
        way: &mut UnderWay,
        answers: &mut Acknowledgements,
    ) -> Result<bool, DeliveryError> {
        let waiting = way.sequences.len();
        tokio::select! {
            answer = answers.next() => {
                let sequence = answer?.ok_or(DeliveryError::Ended)?.min(way.sent);
                way.sequences.retain(|sent| *sent > sequence);
                self.failing.send_if_modified(std::mem::take);
                self.order(Order::Acknowledged(sequence)).await.map(|()| true)
            }
            changed = self.progress.changed(), if waiting < WINDOW => {
                changed.map(|()| false).map_err(|_| DeliveryError::SpoolClosed)
            }
            () = self.clock.sleep(ANSWER_WITHIN), if waiting > 0 => {
                Err(DeliveryError::Silent(Elapsed(ANSWER_WITHIN)))
            }
        }
    }

    async fn next(&self, after: u64) -> Result<Option<Frame>, DeliveryError> {
        let (answer, frame) = oneshot::channel();
        self.order(Order::Next(after, answer)).await?;
        frame.await.map_err(|_| DeliveryError::SpoolClosed)
    }

    async fn order(&self, order: Order) -> Result<(), DeliveryError> {
        self.spool.send(order).await.map_err(|_| DeliveryError::SpoolClosed)
    }
}

impl UnderWay {
    fn send(&mut self, frame: Frame) -> Result<(), DeliveryError> {
        let Frame { epoch, sequence, dropped, events, .. } = frame;
        let epoch_name = format!("{:032x}", u128::from_be_bytes(epoch));
        let batch = Batch { epoch: epoch_name, sequence, dropped, events };
        // The channel has room for the whole window: it refuses only when the call has ended.
        self.batches.try_send(batch).map_err(|_| DeliveryError::Ended)?;
        self.sequences.push_back(sequence);
        (self.epoch, self.sent) = (epoch, sequence);
        Ok(())
    }
}
