//! How do batches get from the spool to the collector, each at least once and in order?
//!
//! A few batches are under way unanswered; after a lost stream everything since the last
//! acknowledgement is sent again, and the collector recognises what it has. A batch that it says it
//! will never take is dropped and counted, so that those behind it get there. Nothing on the request
//! path waits for this.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use chassis::Outage;
use chassis::backoff::Backoff;
use chassis::clock::{Clock, Elapsed};
use tokio::sync::{mpsc, oneshot, watch};

use crate::collector::{Acknowledgements, Batch, Collector, CollectorError};
use crate::keeper::{Order, Progress};
use crate::segment::{Epoch, Frame};

/// Batches that may be unanswered. A batch is what workers have handed over within some milliseconds;
/// one answer of the collector covers many, and a few would make what has piled up wait for it.
const WINDOW: usize = 64;
/// Bytes of events that may be unanswered; beyond them one batch at a time.
const WINDOW_BYTES: usize = 4 << 20;
/// A collector that answers nothing for so long is asked anew.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why a stream to the collector ended.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Collector(#[from] CollectorError),
    #[error("the collector did not answer")]
    Silent(#[from] Elapsed),
    #[error("the collector ended the stream")]
    Ended,
    #[error("the spool is closed")]
    SpoolClosed,
}

/// Sends what the spool holds, for as long as it is run.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) collector: Collector,
    pub(crate) spool: mpsc::Sender<Order>,
    pub(crate) progress: watch::Receiver<Progress>,
    /// Whether the last try failed.
    pub(crate) failing: watch::Sender<bool>,
    pub(crate) clock: Clock,
}

/// What is under way on one stream.
#[derive(Debug)]
struct UnderWay {
    /// `None`: the call takes no more. Why is in its answers, which are still to be read.
    batches: Option<mpsc::Sender<Batch>>,
    /// Number and length of each.
    unanswered: VecDeque<(u64, usize)>,
    epoch: Epoch,
    sent: u64,
}

impl Delivery {
    /// Runs until the spool is closed.
    pub(crate) async fn run(mut self) {
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
            batches: Some(batches),
            unanswered: VecDeque::with_capacity(WINDOW),
            epoch: first.epoch,
            sent: first.sequence,
        };
        way.send(first);
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
        while way.has_room() && self.progress.borrow_and_update().written > way.sent {
            let Some(frame) = self.next(way.sent).await? else { break };
            // An acknowledgement speaks of one epoch, so two are never under way together.
            if frame.epoch != way.epoch && !way.unanswered.is_empty() {
                break;
            }
            way.send(frame);
        }
        Ok(())
    }

    /// Waits for an answer, which is `true`, or for something more to send.
    async fn wait(
        &mut self,
        way: &mut UnderWay,
        answers: &mut Acknowledgements,
    ) -> Result<bool, DeliveryError> {
        let waiting = !way.unanswered.is_empty() || way.batches.is_none();
        tokio::select! {
            answer = answers.next() => {
                if let Err(error) = &answer
                    && error.is_final()
                    && let Some((sequence, _)) = way.unanswered.front()
                {
                    // Answers come in the order of the batches, so this is the one that is refused.
                    tracing::error!(sequence, error = error as &dyn Error, "a batch of usage events is refused and dropped");
                    self.order(Order::Refused(*sequence)).await?;
                }
                let sequence = answer?.ok_or(DeliveryError::Ended)?.min(way.sent);
                way.unanswered.retain(|(sent, _)| *sent > sequence);
                self.failing.send_if_modified(std::mem::take);
                self.order(Order::Acknowledged(sequence)).await.map(|()| true)
            }
            changed = self.progress.changed(), if way.has_room() => {
                changed.map(|()| false).map_err(|_| DeliveryError::SpoolClosed)
            }
            () = self.clock.sleep(ANSWER_WITHIN), if waiting => {
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
    fn has_room(&self) -> bool {
        let bytes: usize = self.unanswered.iter().map(|(_, bytes)| bytes).sum();
        self.batches.is_some()
            && self.unanswered.len() < WINDOW
            && (self.unanswered.is_empty() || bytes < WINDOW_BYTES)
    }

    /// A call that has ended does not get `frame`; its last answers say what becomes of those before.
    fn send(&mut self, frame: Frame) {
        let Frame { epoch, sequence, dropped, events, .. } = frame;
        let epoch_name = format!("{:032x}", u128::from_be_bytes(epoch));
        let bytes = events.len();
        let batch = Batch { epoch: epoch_name, sequence, dropped, events };
        // The channel has room for the whole window: it refuses only when the call has ended.
        if self.batches.as_ref().is_none_or(|batches| batches.try_send(batch).is_err()) {
            self.batches = None;
            return;
        }
        self.unanswered.push_back((sequence, bytes));
        (self.epoch, self.sent) = (epoch, sequence);
    }
}
