//! How does a worker report a call without waiting for anything?
//!
//! Each worker encodes its calls into a buffer of its own and hands the buffer over when it is
//! full or 10 ms after its first call: what is in a buffer dies with the process. When nobody takes
//! it the batch is dropped and counted; the count reaches the collector with the next batch that is
//! kept.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chassis::clock::Clock;
use plan::AnalyticsPlan;
use tokio::sync::{Notify, mpsc};

use super::event::{Call, Origin, encode};
use super::figures::Figures;
use super::keeper::Order;
use super::mask::{Digests, masked};

/// A batch is handed over when it has grown to this.
const BATCH_BYTES: usize = 64 << 10;
/// An event is shorter than this; so much more room keeps the buffer from growing.
const EVENT_BYTES: usize = 10 << 10;
/// A batch is handed over when its first call is this old.
const BATCH_AGE: Duration = Duration::from_millis(10);

/// Encoded events of one worker.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<u8>,
    pub(super) count: u32,
}

/// The way from the workers to the spool; one per gateway.
#[derive(Clone, Debug)]
pub struct Recording {
    lane: Option<mpsc::Sender<Order>>,
    figures: Arc<Figures>,
    origin: Arc<Origin>,
    digests: Digests,
    clock: Clock,
}

impl Recording {
    /// Events are not wanted: they are not even encoded.
    pub fn off() -> Self {
        Self {
            lane: None,
            figures: Arc::default(),
            origin: Arc::default(),
            digests: Digests::of(""),
            clock: Clock::system(),
        }
    }

    pub(super) fn to(
        lane: mpsc::Sender<Order>,
        figures: Arc<Figures>,
        origin: Origin,
        digests: Digests,
        clock: Clock,
    ) -> Self {
        Self { lane: Some(lane), figures, origin: Arc::new(origin), digests, clock }
    }

    /// The recorder of one worker, made on that worker.
    pub fn recorder(&self) -> Recorder {
        Recorder(Rc::new(Desk {
            recording: self.clone(),
            batch: RefCell::default(),
            begun: Notify::new(),
        }))
    }
}

/// Takes the calls of one worker; clones share its buffer.
#[derive(Clone)]
pub struct Recorder(Rc<Desk>);

struct Desk {
    recording: Recording,
    batch: RefCell<Batch>,
    /// Told when a batch has its first call.
    begun: Notify,
}

impl Recorder {
    /// Whether anybody wants to know of calls.
    pub fn is_on(&self) -> bool {
        self.0.recording.lane.is_some()
    }

    /// Reports of a call what its API lets be known. Never waits and never fails.
    pub fn record_as(&self, call: &Call<'_>, plan: Option<&AnalyticsPlan>) {
        match plan {
            None => self.record(call),
            Some(plan) if self.is_on() => {
                masked(call, plan, &self.0.recording.digests, |call| self.record(call));
            }
            Some(_) => {}
        }
    }

    /// Reports all of a call. Never waits and never fails.
    pub fn record(&self, call: &Call<'_>) {
        let Desk { recording, batch, begun } = self.0.as_ref();
        if recording.lane.is_none() {
            return;
        }
        let mut batch = batch.borrow_mut();
        if batch.count == 0 {
            batch.events.reserve(BATCH_BYTES + EVENT_BYTES);
            begun.notify_one();
        }
        encode(call, &recording.origin, &mut batch.events);
        batch.count += 1;
        if batch.events.len() >= BATCH_BYTES {
            recording.hand_over(std::mem::take(&mut *batch));
        }
    }

    /// Hands over what is buffered now.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// Hands batches over in time; to be run beside the calls on the same worker. Never ends.
    pub async fn flushing(self) {
        loop {
            self.0.begun.notified().await;
            self.0.recording.clock.sleep(BATCH_AGE).await;
            self.flush();
        }
    }
}

impl Desk {
    fn flush(&self) {
        let batch = self.batch.take();
        if batch.count > 0 {
            self.recording.hand_over(batch);
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("recording", &self.0.recording).finish_non_exhaustive()
    }
}

impl Recording {
    fn hand_over(&self, batch: Batch) {
        let count = u64::from(batch.count);
        let taken =
            self.lane.as_ref().is_some_and(|lane| lane.try_send(Order::Keep(batch)).is_ok());
        if taken {
            self.figures.recorded.inc_by(count);
        } else {
            self.figures.dropped_by_workers.inc_by(count);
            self.figures.unreported.fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use prost::Message as _;
    use turnpike_proto::usage::v1::CollectRequest;

    use super::*;

    /// Records `calls` calls before anybody takes a batch, where `room` batches fit; says how many
    /// events are in each batch that arrives and how many were dropped.
    #[track_caller]
    fn check(room: usize, calls: usize, batches: &str, dropped: u64) {
        let (lane, mut taken) = mpsc::channel(room);
        let figures = Arc::<Figures>::default();
        let (origin, digests) = (Origin::default(), Digests::of(""));
        let recording = Recording::to(lane, Arc::clone(&figures), origin, digests, Clock::system());
        let recorder = recording.recorder();
        let path = format!("/{:01000}", 0);
        for _ in 0..calls {
            recorder.record(&Call { path: &path, ..Call::default() });
        }
        drop((recorder, recording));
        let mut said = Vec::new();
        while let Some(Order::Keep(batch)) = taken.blocking_recv() {
            let request = CollectRequest::decode(batch.events.as_slice()).expect("a batch");
            assert_eq!(request.events.len(), batch.count as usize);
            said.push(batch.count.to_string());
        }
        assert_eq!(said.join(" "), batches);
        assert_eq!(figures.unreported.load(Ordering::Relaxed), dropped);
    }

    #[test]
    fn a_full_buffer_is_handed_over_and_the_rest_goes_with_the_recorder() {
        check(9, 100, "64 36", 0);
    }

    #[test]
    fn a_batch_that_nobody_takes_is_dropped_and_counted() {
        check(1, 130, "64", 66);
    }

    #[tokio::test]
    async fn a_lonely_call_is_handed_over_after_its_time() {
        let (lane, mut taken) = mpsc::channel(1);
        let (clock, hands) = Clock::manual(std::time::UNIX_EPOCH);
        let (origin, digests) = (Origin::default(), Digests::of(""));
        let recording = Recording::to(lane, Arc::default(), origin, digests, clock);
        let recorder = recording.recorder();
        recorder.record(&Call::default());
        let flushing = recorder.flushing();
        tokio::pin!(flushing);
        assert!(flushing.as_mut().now_or_never().is_none());
        assert!(taken.try_recv().is_err(), "not before its time");
        hands.advance(BATCH_AGE);
        assert!(flushing.as_mut().now_or_never().is_none());
        assert!(taken.try_recv().is_ok(), "in time");
    }
}
