//! How does a worker ask somebody who may be slow, or away?
//!
//! The worker puts the question on a bounded lane and awaits the answer. The same question is asked
//! once, whoever else waits for it; its answer is kept for as long as it says. Who cannot be asked is
//! left alone for a moment: what depends on them is refused then.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tonic::{Code, Status};

use crate::digest::sha256;

/// Questions that may wait for the second runtime.
const LANE: usize = 256;
/// Questions that may be unanswered at the key manager.
const UNANSWERED: usize = 64;
/// Answers that are kept.
const MOST_KEPT: usize = 16_384;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Who did not answer is left alone for so long.
const PAUSE_US: i64 = 500_000;

/// Names a question without holding what it is about.
pub(super) type Digest = [u8; 32];

/// A kind of question.
pub trait Inquiry: fmt::Debug + Send + Sync + 'static {
    /// What is asked.
    type Question: Send + Sync + 'static;
    /// What is answered.
    type Word: Clone + fmt::Debug + Send + Sync + 'static;
    /// The name of its tasks.
    const NAME: &'static str;

    /// The same for questions that have the same answer.
    fn digest(question: &Self::Question) -> [u8; 32];
    /// Who is left alone when there is no answer.
    fn whom(question: &Self::Question) -> Arc<str>;
    /// Until when an answer counts, in microseconds since the Unix epoch, as it is known now.
    fn until_us(&self, word: &Self::Word) -> i64;
    /// Asks; `asked_us` is when.
    fn ask(
        &self,
        question: &Self::Question,
        asked_us: i64,
    ) -> impl Future<Output = Result<Self::Word, Status>> + Send;
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// This gateway has no key manager.
    #[error("no key manager is configured")]
    Off,
    /// More questions wait than may wait.
    #[error("too many callers wait to be asked about")]
    Busy,
    /// It failed a moment ago and is not asked again yet.
    #[error("there was no answer a moment ago")]
    Paused,
    /// It took too long.
    #[error("there was no answer within {ANSWER_WITHIN:?}")]
    Timeout,
    /// The key manager, or the provider behind it, failed.
    #[error("nobody can be asked")]
    Failed(#[source] Arc<Status>),
}

type Answer<I> = Result<<I as Inquiry>::Word, Unanswered>;

/// The worker's end of the lane.
#[derive(Debug)]
pub struct Handle<I: Inquiry> {
    lane: Option<mpsc::Sender<Errand<I>>>,
}

impl<I: Inquiry> Clone for Handle<I> {
    fn clone(&self) -> Self {
        Self { lane: self.lane.clone() }
    }
}

struct Errand<I: Inquiry> {
    question: I::Question,
    answer: oneshot::Sender<Answer<I>>,
}

impl<I: Inquiry> Handle<I> {
    /// Answers nothing: for a gateway without a key manager.
    pub const fn off() -> Self {
        Self { lane: None }
    }

    /// Asks, on the runtime that this is called on.
    pub(super) fn run(inquiry: I, clock: Clock, tasks: &Tasks) -> Self {
        let (lane, errands) = mpsc::channel(LANE);
        let asker = Arc::new(Asker { inquiry, clock, state: Mutex::default() });
        tasks.spawn(I::NAME, asker.run(errands, tasks.clone()));
        Self { lane: Some(lane) }
    }

    /// What is answered.
    pub(super) async fn put(&self, question: I::Question) -> Answer<I> {
        let lane = self.lane.as_ref().ok_or(Unanswered::Off)?;
        let (answer, answered) = oneshot::channel();
        lane.try_send(Errand { question, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
            mpsc::error::TrySendError::Closed(_) => Unanswered::Off,
        })?;
        answered.await.unwrap_or(Err(Unanswered::Off))
    }
}

#[derive(Debug)]
struct Asker<I: Inquiry> {
    inquiry: I,
    clock: Clock,
    state: Mutex<State<I>>,
}

#[derive(Debug)]
struct State<I: Inquiry> {
    kept: HashMap<Digest, I::Word>,
    /// Who waits for an answer that is under way.
    waiting: HashMap<Digest, Vec<oneshot::Sender<Answer<I>>>>,
    /// Until when somebody is left alone.
    paused: HashMap<Arc<str>, i64>,
}

impl<I: Inquiry> Default for State<I> {
    fn default() -> Self {
        Self { kept: HashMap::new(), waiting: HashMap::new(), paused: HashMap::new() }
    }
}

impl<I: Inquiry> Asker<I> {
    /// Runs until the last worker has dropped its end of the lane.
    async fn run(self: Arc<Self>, mut errands: mpsc::Receiver<Errand<I>>, tasks: Tasks) {
        let room = Arc::new(Semaphore::new(UNANSWERED));
        while let Some(errand) = errands.recv().await {
            let digest = I::digest(&errand.question);
            let Some(question) = self.answered_here(digest, errand) else { continue };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                self.answer(digest, &Err(Unanswered::Busy));
                continue;
            };
            let asker = Arc::clone(&self);
            tasks.spawn(I::NAME, async move {
                let said = asker.call(&question).await;
                asker.take(digest, I::whom(&question), &said);
                drop(place);
            });
        }
    }

    /// Answers what is known, and joins what is under way. What has to be asked comes back.
    fn answered_here(&self, digest: Digest, errand: Errand<I>) -> Option<I::Question> {
        let now_us = self.clock.unix_us();
        let mut state = self.lock();
        let Errand { question, answer } = errand;
        let counts = |word: &&I::Word| self.inquiry.until_us(word) > now_us;
        if let Some(word) = state.kept.get(&digest).filter(counts) {
            let _ = answer.send(Ok(word.clone()));
            return None;
        }
        if let Some(waiting) = state.waiting.get_mut(&digest) {
            waiting.push(answer);
            return None;
        }
        if state.paused.get(&I::whom(&question)).is_some_and(|until| *until > now_us) {
            let _ = answer.send(Err(Unanswered::Paused));
            return None;
        }
        state.waiting.insert(digest, vec![answer]);
        Some(question)
    }

    async fn call(&self, question: &I::Question) -> Answer<I> {
        // What is said counts from when it was asked for.
        let asked_us = self.clock.unix_us();
        match self.clock.timeout(ANSWER_WITHIN, self.inquiry.ask(question, asked_us)).await {
            Ok(said) => said.map_err(|status| Unanswered::Failed(Arc::new(status))),
            Err(_) => Err(Unanswered::Timeout),
        }
    }

    /// Keeps an answer and passes it on.
    fn take(&self, digest: Digest, whom: Arc<str>, said: &Answer<I>) {
        let now_us = self.clock.unix_us();
        {
            let mut state = self.lock();
            match said {
                Ok(word) if self.inquiry.until_us(word) > now_us => {
                    if state.kept.len() >= MOST_KEPT {
                        state.kept.retain(|_, word| self.inquiry.until_us(word) > now_us);
                    }
                    if state.kept.len() < MOST_KEPT {
                        state.kept.insert(digest, word.clone());
                    }
                }
                Err(error) if error.is_outage() => {
                    state.paused.insert(whom, now_us.saturating_add(PAUSE_US));
                }
                Ok(_) | Err(_) => {}
            }
        }
        self.answer(digest, said);
    }

    fn answer(&self, digest: Digest, said: &Answer<I>) {
        let waiting = self.lock().waiting.remove(&digest);
        for answer in waiting.into_iter().flatten() {
            let _ = answer.send(said.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unanswered {
    /// Whether the next question would not be answered either.
    fn is_outage(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Failed(status) => {
                matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
            }
            Self::Off | Self::Busy | Self::Paused => false,
        }
    }
}

/// The digest of several texts, told apart by their lengths.
pub(super) fn digest_of<const N: usize>(texts: [&str; N]) -> Digest {
    let lengths = texts.map(|text| (text.len() as u64).to_be_bytes());
    let each = lengths.iter().zip(&texts);
    sha256(each.flat_map(|(length, text)| [length.as_slice(), text.as_bytes()]))
}
