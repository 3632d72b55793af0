//! How do many small batches share one fsync?
//!
//! Streams hand their batches in through a bounded queue and wait. One task takes what has
//! gathered within the group time, makes it durable on a blocking thread and answers everybody.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::readiness::Condition;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::append::{self, Batch, Receipt, Refusal};
use super::error::StoreError;
use super::open::Store;
use crate::metrics::Metrics;

/// Batches that may wait for the next group; further streams wait to hand theirs in.
const QUEUE: usize = 256;
/// Bytes on the wire of all batches that are being checked or wait; further streams are not read. In
/// memory an event takes about seven times as much, as a row, in columns and in its frame.
const MOST_KIB: u32 = 8 << 10;
/// A group is closed when its frames have so many bytes.
const GROUP_BYTES: usize = 16 << 20;
/// How long a group waits for a flush to make room, in steps.
const ROOM_STEP: Duration = Duration::from_millis(50);
const ROOM_STEPS: u32 = 100;

/// What readiness says while the log cannot be written.
const UNWRITABLE: &str = "the store cannot write";

/// Where to answer, and the room that the batch takes until then.
struct Answer {
    to: oneshot::Sender<Result<Receipt, Refusal>>,
    _room: Room,
}

/// Room for a batch, given back when it is dropped.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// What came of a group. An error without a cause is a panic, which is logged elsewhere.
type Outcome = Result<Vec<Result<Receipt, Refusal>>, Option<StoreError>>;

/// Told of every batch that was stored, once; it must not wait for anything.
pub type OnStored = dyn Fn(&Batch) + Send + Sync;

/// Where streams hand their batches in; cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<(Batch, Answer)>,
    room: Arc<Semaphore>,
}

/// The task behind an intake.
pub struct Committer {
    /// The store to write to.
    pub store: Arc<Store>,
    /// How long a group gathers.
    pub gather: Duration,
    /// Told of what was stored.
    pub on_stored: Arc<OnStored>,
    /// Woken when there is enough for a flush.
    pub flush: Arc<Notify>,
    /// Red while the log cannot be written.
    pub writable: Condition,
    /// Counts.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("gather", &self.gather).finish_non_exhaustive()
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("room_kib", &self.room.available_permits())
            .finish_non_exhaustive()
    }
}

impl Intake {
    /// Takes room for a batch of so many bytes, waiting until there is some.
    pub async fn room(&self, bytes: usize) -> Result<Room, Refusal> {
        let kib = u32::try_from((bytes >> 10) + 1).unwrap_or(u32::MAX).min(MOST_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        room.map(Room).map_err(|_| Refusal::Stopping)
    }

    /// Hands a batch in, waiting while the queue is full. The answer comes when it is durable.
    pub async fn submit(
        &self,
        batch: Batch,
        room: Room,
    ) -> Result<oneshot::Receiver<Result<Receipt, Refusal>>, Refusal> {
        let (to, answered) = oneshot::channel();
        let answer = Answer { to, _room: room };
        self.queue.send((batch, answer)).await.map_err(|_| Refusal::Stopping)?;
        Ok(answered)
    }
}

impl Committer {
    /// The intake, and the work to be spawned; it ends when every intake is gone.
    pub fn start(self) -> (Intake, impl Future<Output = ()> + Send + 'static) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(MOST_KIB as usize));
        (Intake { queue, room }, self.run(receiver))
    }

    async fn run(self, mut queue: mpsc::Receiver<(Batch, Answer)>) {
        let mut writable = append::is_writable(&self.store);
        if writable {
            self.writable.green();
        } else {
            self.writable.red(UNWRITABLE);
        }
        while let Some(first) = queue.recv().await {
            let (batches, answers) = self.gather(first, &mut queue).await;
            if !self.wait_for_room().await {
                refuse(answers, Refusal::NoRoom);
                continue;
            }
            let outcome = self.commit(batches).await;
            self.tell_of_change(&mut writable, &outcome);
            match outcome {
                Ok(verdicts) => {
                    for (answer, verdict) in answers.into_iter().zip(verdicts) {
                        let _ = answer.to.send(verdict);
                    }
                }
                Err(_) => refuse(answers, Refusal::Disk),
            }
        }
    }

    async fn gather(
        &self,
        first: (Batch, Answer),
        queue: &mut mpsc::Receiver<(Batch, Answer)>,
    ) -> (Vec<Batch>, Vec<Answer>) {
        let mut bytes = first.0.frame.len();
        let (mut batches, mut answers) = (vec![first.0], vec![first.1]);
        let mut over = std::pin::pin!(self.clock.sleep(self.gather));
        while bytes < GROUP_BYTES {
            tokio::select! {
                biased;
                next = queue.recv() => {
                    let Some((batch, answer)) = next else { break };
                    bytes += batch.frame.len();
                    batches.push(batch);
                    answers.push(answer);
                }
                () = &mut over => break,
            }
        }
        (batches, answers)
    }

    async fn wait_for_room(&self) -> bool {
        for _ in 0..ROOM_STEPS {
            if append::has_room(&self.store) {
                return true;
            }
            self.flush.notify_one();
            self.clock.sleep(ROOM_STEP).await;
        }
        append::has_room(&self.store)
    }

    /// Not cancelled half-way: the alerts hear of exactly what was stored.
    async fn commit(&self, batches: Vec<Batch>) -> Outcome {
        let (store, on_stored) = (Arc::clone(&self.store), Arc::clone(&self.on_stored));
        let metrics = self.metrics.clone();
        let now_us = self.clock.unix_us();
        let began = self.clock.instant();
        let work = move || {
            let verdicts = append::append(&store, &batches, now_us)?;
            for (batch, verdict) in batches.iter().zip(&verdicts) {
                match verdict {
                    Ok(receipt) if receipt.repeated => {
                        metrics.repeated.inc();
                    }
                    Ok(receipt) => {
                        metrics.stored(
                            batch.rows.num_rows() as u64,
                            receipt.left_out,
                            batch.losses,
                        );
                        on_stored(batch);
                    }
                    Err(_) => {}
                }
            }
            Ok((verdicts, super::keep::has_enough(&store)))
        };
        let done = tokio::task::spawn_blocking(work).await;
        self.metrics.commit_seconds.observe((self.clock.instant() - began).as_secs_f64());
        let (verdicts, flush_due) = done.map_err(|_| None)?.map_err(Some)?;
        if flush_due {
            self.flush.notify_one();
        }
        Ok(verdicts)
    }

    /// Says once that the log cannot be written, and once that it can again.
    fn tell_of_change(&self, writable: &mut bool, outcome: &Outcome) {
        match outcome {
            Ok(verdicts) => {
                // A group of nothing but repeats and refusals says nothing about the disk.
                let written = |verdict: &Result<Receipt, Refusal>| {
                    verdict.is_ok_and(|receipt| !receipt.repeated)
                };
                if !*writable && verdicts.iter().any(written) {
                    tracing::info!("the store can write again");
                    self.writable.green();
                    *writable = true;
                }
            }
            Err(error) => {
                self.metrics.commit_failures.inc();
                if *writable {
                    let error = error.as_ref().map(crate::store::error::chain);
                    tracing::error!(
                        error,
                        "the store cannot write; batches are refused until it can"
                    );
                    self.writable.red(UNWRITABLE);
                    *writable = false;
                }
            }
        }
    }
}

fn refuse(answers: Vec<Answer>, refusal: Refusal) {
    for answer in answers {
        let _ = answer.to.send(Err(refusal));
    }
}
