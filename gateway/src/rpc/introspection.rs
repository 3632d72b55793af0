//! How does a worker learn what a provider says of a token?
//!
//! The worker puts the question on a bounded lane and awaits the answer. The same question is asked
//! once, whoever else waits for it; its answer is kept for as long as the key manager's resource
//! says. A provider that cannot be asked is left alone for a moment: its tokens are refused then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use turnpike_proto::identity::v1::IntrospectRequest;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;

/// Questions that may wait for the second runtime.
const LANE: usize = 256;
/// Questions that may be unanswered at the key manager.
const UNANSWERED: usize = 64;
/// Answers that are kept.
const MOST_KEPT: usize = 16_384;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A provider that did not answer is left alone for so long.
const PAUSE_US: i64 = 500_000;

type Digest = [u8; 32];

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// This gateway has no key manager.
    #[error("no key manager is configured")]
    Off,
    /// More questions wait than may wait.
    #[error("too many tokens wait to be asked about")]
    Busy,
    /// It failed a moment ago and is not asked again yet.
    #[error("the provider did not answer a moment ago")]
    Paused,
    /// It took too long.
    #[error("there was no answer within {ANSWER_WITHIN:?}")]
    Timeout,
    /// The key manager, or the provider behind it, failed.
    #[error("the provider cannot be asked")]
    Failed(#[source] Arc<Status>),
}

/// What a provider says of a token.
#[derive(Clone, Debug)]
pub struct Word {
    /// A JSON object; `None`: the token is not good.
    pub claims: Option<Arc<str>>,
    /// Until when it counts, in microseconds since the Unix epoch.
    pub until_us: i64,
}

/// The worker's end of the lane.
#[derive(Clone, Debug)]
pub struct Handle {
    lane: Option<mpsc::Sender<Errand>>,
}

type Answer = Result<Word, Unanswered>;

struct Errand {
    key_manager: Arc<str>,
    token: String,
    cache_seconds: u32,
    answer: oneshot::Sender<Answer>,
}

impl Handle {
    /// Answers nothing: for a gateway without a key manager.
    pub const fn off() -> Self {
        Self { lane: None }
    }

    /// Asks over `channel`, on the runtime that this is called on.
    pub fn start(channel: Channel, clock: Clock, tasks: &Tasks) -> Self {
        let (lane, errands) = mpsc::channel(LANE);
        let asker = Arc::new(Asker { channel, clock, state: Mutex::default() });
        tasks.spawn("introspection", asker.run(errands, tasks.clone()));
        Self { lane: Some(lane) }
    }

    /// What the provider `key_manager` says of `token`.
    pub async fn ask(&self, key_manager: Arc<str>, token: String, cache_seconds: u32) -> Answer {
        let lane = self.lane.as_ref().ok_or(Unanswered::Off)?;
        let (answer, answered) = oneshot::channel();
        lane.try_send(Errand { key_manager, token, cache_seconds, answer }).map_err(|refused| {
            match refused {
                mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
                mpsc::error::TrySendError::Closed(_) => Unanswered::Off,
            }
        })?;
        answered.await.unwrap_or(Err(Unanswered::Off))
    }
}

#[derive(Debug)]
struct Asker {
    channel: Channel,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Digest, Word>,
    /// Who waits for an answer that is under way.
    waiting: HashMap<Digest, Vec<oneshot::Sender<Answer>>>,
    /// Until when a provider is left alone.
    paused: HashMap<Arc<str>, i64>,
}

impl Asker {
    /// Runs until the last worker has dropped its end of the lane.
    async fn run(self: Arc<Self>, mut errands: mpsc::Receiver<Errand>, tasks: Tasks) {
        let room = Arc::new(Semaphore::new(UNANSWERED));
        while let Some(errand) = errands.recv().await {
            let digest = digest(&errand.key_manager, &errand.token);
            let Some(errand) = self.answered_here(digest, errand) else { continue };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                self.answer(digest, &Err(Unanswered::Busy));
                continue;
            };
            let asker = Arc::clone(&self);
            tasks.spawn("introspection-request", async move {
                let said = asker.call(&errand).await;
                asker.take(digest, &errand.key_manager, &said);
                drop(place);
            });
        }
    }

    /// Answers what is known, and joins what is under way. What has to be asked comes back.
    fn answered_here(&self, digest: Digest, errand: Errand) -> Option<Question> {
        let now_us = self.clock.unix_us();
        let mut state = self.lock();
        let Errand { key_manager, token, cache_seconds, answer } = errand;
        if let Some(word) = state.kept.get(&digest).filter(|word| word.until_us > now_us) {
            let _ = answer.send(Ok(word.clone()));
            return None;
        }
        if let Some(waiting) = state.waiting.get_mut(&digest) {
            waiting.push(answer);
            return None;
        }
        if state.paused.get(&key_manager).is_some_and(|until| *until > now_us) {
            let _ = answer.send(Err(Unanswered::Paused));
            return None;
        }
        state.waiting.insert(digest, vec![answer]);
        Some(Question { key_manager, token, cache_seconds })
    }

    async fn call(&self, question: &Question) -> Answer {
        // What is said counts from when it was asked for.
        let asked_us = self.clock.unix_us();
        let request = IntrospectRequest {
            token: question.token.clone(),
            key_manager: question.key_manager.to_string(),
        };
        let mut client = IntrospectionClient::new(self.channel.clone());
        let request = chassis::rpc::traced(Request::new(request));
        let said = match self.clock.timeout(ANSWER_WITHIN, client.introspect(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return Err(Unanswered::Failed(Arc::new(status))),
            Err(_) => return Err(Unanswered::Timeout),
        };
        let seconds = i64::from(question.cache_seconds);
        Ok(Word {
            claims: said.active.then(|| said.claims.into()),
            until_us: asked_us.saturating_add(seconds.saturating_mul(1_000_000)),
        })
    }

    /// Keeps an answer and passes it on.
    fn take(&self, digest: Digest, key_manager: &Arc<str>, said: &Answer) {
        let now_us = self.clock.unix_us();
        {
            let mut state = self.lock();
            match said {
                Ok(word) => {
                    if state.kept.len() >= MOST_KEPT {
                        state.kept.retain(|_, word| word.until_us > now_us);
                    }
                    if state.kept.len() < MOST_KEPT {
                        state.kept.insert(digest, word.clone());
                    }
                }
                Err(error) if error.is_outage() => {
                    state.paused.insert(Arc::clone(key_manager), now_us.saturating_add(PAUSE_US));
                }
                Err(_) => {}
            }
        }
        self.answer(digest, said);
    }

    fn answer(&self, digest: Digest, said: &Answer) {
        let waiting = self.lock().waiting.remove(&digest);
        for answer in waiting.into_iter().flatten() {
            let _ = answer.send(said.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be asked.
struct Question {
    key_manager: Arc<str>,
    token: String,
    cache_seconds: u32,
}

impl Unanswered {
    /// Whether the next token would not be answered either.
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

/// Names a question without holding the token.
fn digest(key_manager: &str, token: &str) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(key_manager.as_bytes());
    context.update(&[0]);
    context.update(token.as_bytes());
    let mut digest = Digest::default();
    // SHA-256 has as many bytes.
    for (to, from) in digest.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    digest
}
