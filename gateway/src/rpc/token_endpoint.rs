//! How does a token request get from a worker to the key manager and back?
//!
//! The worker puts it on a bounded lane and awaits the answer; the call itself runs on the second
//! runtime. While the key manager is known to be away, requests are refused at once, and it is
//! tried again after a pause that grows from 10 ms to 1 s.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tracing::{Instrument as _, Span};
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::{ForwardRequest, ForwardResponse};

/// Requests that may wait for the second runtime.
const LANE: usize = 256;
/// Requests that may be unanswered at the key manager.
const UNANSWERED: usize = 256;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// The key manager's answers: pages at most, as long as the body of a request may be.
const MESSAGE_BYTES: usize = 2 << 20;

/// Why the key manager did not answer a token request.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// This gateway has no key manager.
    #[error("no key manager is configured")]
    Off,
    /// More requests wait than may wait.
    #[error("too many token requests wait for the key manager")]
    Busy,
    /// It was away a moment ago and is not tried again yet.
    #[error("the key manager is away")]
    Away,
    /// It took too long.
    #[error("the key manager did not answer within {ANSWER_WITHIN:?}")]
    Timeout,
    /// It, or the way to it, failed.
    #[error("the key manager failed")]
    Failed(#[source] Box<Status>),
}

/// The worker's end of the lane.
#[derive(Clone, Debug)]
pub struct Handle {
    lane: Option<mpsc::Sender<Errand>>,
}

#[derive(Debug)]
struct Errand {
    request: ForwardRequest,
    span: Span,
    answer: oneshot::Sender<Result<ForwardResponse, Unavailable>>,
}

impl Handle {
    /// Refuses every request: for a gateway without a key manager.
    pub const fn off() -> Self {
        Self { lane: None }
    }

    /// Hands requests over to `channel`, on the runtime that this is called on.
    pub fn start(channel: Channel, clock: Clock, tasks: &Tasks) -> Self {
        let (lane, errands) = mpsc::channel(LANE);
        let runner = Arc::new(Runner {
            channel,
            clock,
            backoff: Mutex::new(Backoff::between(FIRST_PAUSE, LAST_PAUSE)),
            away_until_us: AtomicI64::new(i64::MIN),
        });
        tasks.spawn("token-endpoint", runner.run(errands, tasks.clone()));
        Self { lane: Some(lane) }
    }

    /// Gets the key manager's answer to `request`; the call is part of `span`'s trace.
    pub async fn forward(
        &self,
        request: ForwardRequest,
        span: Span,
    ) -> Result<ForwardResponse, Unavailable> {
        let lane = self.lane.as_ref().ok_or(Unavailable::Off)?;
        let (answer, answered) = oneshot::channel();
        lane.try_send(Errand { request, span, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Off,
        })?;
        answered.await.unwrap_or(Err(Unavailable::Away))
    }
}

#[derive(Debug)]
struct Runner {
    channel: Channel,
    clock: Clock,
    backoff: Mutex<Backoff>,
    away_until_us: AtomicI64,
}

impl Runner {
    /// Runs until the last worker has dropped its end of the lane.
    async fn run(self: Arc<Self>, mut errands: mpsc::Receiver<Errand>, tasks: Tasks) {
        let room = Arc::new(Semaphore::new(UNANSWERED));
        while let Some(errand) = errands.recv().await {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let runner = Arc::clone(&self);
            tasks.spawn("token-request", async move {
                let Errand { request, span, mut answer } = errand;
                // A client that has left needs no token any more.
                tokio::select! {
                    said = runner.call(request).instrument(span) => { let _ = answer.send(said); }
                    () = answer.closed() => {}
                }
                drop(place);
            });
        }
    }

    async fn call(&self, request: ForwardRequest) -> Result<ForwardResponse, Unavailable> {
        if self.clock.unix_us() < self.away_until_us.load(Ordering::Acquire) {
            return Err(Unavailable::Away);
        }
        let mut client =
            TokenEndpointClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let request = chassis::rpc::traced(Request::new(request));
        match self.clock.timeout(ANSWER_WITHIN, client.forward(request)).await {
            Ok(Ok(response)) => {
                self.back();
                Ok(response.into_inner())
            }
            Ok(Err(status)) => {
                if status.code() == Code::Unavailable {
                    self.away();
                }
                Err(Unavailable::Failed(Box::new(status)))
            }
            Err(_) => Err(Unavailable::Timeout),
        }
    }

    fn away(&self) {
        let pause = self.backoff.lock().unwrap_or_else(PoisonError::into_inner).next();
        let pause_us = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        let until_us = self.clock.unix_us().saturating_add(pause_us);
        self.away_until_us.store(until_us, Ordering::Release);
    }

    fn back(&self) {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner).reset();
        self.away_until_us.store(i64::MIN, Ordering::Release);
    }
}
