//! How is a call reported without waiting for anything?
//!
//! Calls are encoded into a buffer, of which each worker may have its own, and the buffer is handed
//! over when it is full or 10 ms after its first call: what is in a buffer dies with the process. When
//! nobody takes it the batch is dropped and counted; the count reaches the collector with the next
//! batch that is kept.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::clock::Clock;
use tokio::sync::{Notify, mpsc};

use crate::call::{Call, Origin, encode};
use crate::figures::Figures;
use crate::keeper::Order;

/// A batch is handed over when it has grown to this.
const BATCH_BYTES: usize = 64 << 10;
/// An event is shorter than this; so much more room keeps the buffer from growing.
const EVENT_BYTES: usize = 10 << 10;
/// A batch is handed over when its first call is this old.
const BATCH_AGE: Duration = Duration::from_millis(10);

/// Encoded events of one worker.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<u8>,
    pub(crate) count: u32,
}

/// The way to the spool; one per process.
#[derive(Clone, Debug)]
pub struct Recording {
    lane: Option<mpsc::Sender<Order>>,
    figures: Arc<Figures>,
    origin: Arc<Origin>,
    clock: Clock,
}

impl Recording {
    /// Events are not wanted: they are not even encoded.
    pub fn off() -> Self {
        Self { lane: None, figures: Arc::default(), origin: Arc::default(), clock: Clock::system() }
    }

    pub(crate) fn to(
        lane: mpsc::Sender<Order>,
        figures: Arc<Figures>,
        origin: Origin,
        clock: Clock,
    ) -> Self {
        Self { lane: Some(lane), figures, origin: Arc::new(origin), clock }
    }

    /// A recorder with a buffer of its own.
    pub fn recorder(&self) -> Recorder {
        Recorder(Arc::new(Desk {
            recording: self.clone(),
            batch: Mutex::default(),
            begun: Notify::new(),
        }))
    }
}

/// Takes calls; clones share its buffer.
#[derive(Clone)]
pub struct Recorder(Arc<Desk>);

struct Desk {
    recording: Recording,
    batch: Mutex<Batch>,
    /// Told when a batch has its first call.
    begun: Notify,
}

impl Recorder {
    /// Whether anybody wants to know of calls.
    pub fn is_on(&self) -> bool {
        self.0.recording.lane.is_some()
    }

    /// Reports a call. Never waits for anybody but who records into the same buffer, and never fails.
    pub fn record(&self, call: &Call<'_>) {
        let Desk { recording, begun, .. } = self.0.as_ref();
        if recording.lane.is_none() {
            return;
        }
        let mut batch = self.0.batch();
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

    /// Hands batches over in time; to be run beside the calls. Never ends.
    pub async fn flushing(self) {
        loop {
            self.0.begun.notified().await;
            self.0.recording.clock.sleep(BATCH_AGE).await;
            self.flush();
        }
    }
}

impl Desk {
    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        let batch = std::mem::take(&mut *self.batch());
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
        let origin = Origin::default();
        let recording = Recording::to(lane, Arc::clone(&figures), origin, Clock::system());
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
        let recording = Recording::to(lane, Arc::default(), Origin::default(), clock);
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
