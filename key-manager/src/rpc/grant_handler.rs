//! How is a grant of the operator's asked?
//!
//! Over gRPC with mutual TLS, with a time limit and a bound on how many are asked at once. After a few
//! failures in a row nobody asks for a while: a handler that is down holds up nobody else, and the
//! service stays ready.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::{Backoff, Shutdown};
use tokio::sync::{Notify, Semaphore, watch};
use tonic::Request;
use tonic::transport::Channel;
use turnpike_proto::identity::v1 as proto;
use turnpike_proto::identity::v1::grant_handler_client::GrantHandlerClient;

use super::descriptor::{Descriptor, DescriptorError};
use super::grant_words::{Decision, Question};
use crate::breaker::Breaker;
use crate::meter::Meter;

/// The largest answer, in bytes.
const LARGEST: usize = 64 * 1024;
/// How often a handler is asked for its description while nothing goes wrong.
const DESCRIBE_EVERY: Duration = Duration::from_mins(1);

/// What the configuration says of a handler.
#[derive(Clone, Debug)]
pub struct HandlerRules {
    /// The name in its certificate, and in logs and metrics.
    pub name: String,
    pub timeout: Duration,
    /// Questions at a time.
    pub at_once: usize,
    /// The grant types that it may serve.
    pub types: Vec<String>,
    /// The claims that it may add.
    pub claims: Vec<String>,
    /// Whether its word counts that a person agreed.
    pub consent: bool,
}

/// A handler.
#[derive(Debug)]
pub struct Handler {
    pub rules: HandlerRules,
    channel: Channel,
    issuer: String,
    room: Semaphore,
    breaker: Breaker,
    described: watch::Sender<Option<Arc<Descriptor>>>,
    /// Told when a call failed.
    failed: Notify,
    meter: Meter,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    #[error("the grant handler has not said yet what it serves")]
    Unknown,
    #[error("the grant handler is asked too often at once")]
    Busy,
    #[error("the grant handler has failed a moment ago")]
    Resting,
    #[error("the grant handler did not answer")]
    Away(#[from] Box<tonic::Status>),
    #[error("the answer of the grant handler cannot be used: {0}")]
    Broken(&'static str),
    #[error("the description of the grant handler is refused")]
    Description(#[from] DescriptorError),
}

impl Handler {
    pub fn new(
        rules: HandlerRules,
        channel: Channel,
        issuer: String,
        meter: Meter,
        clock: Clock,
    ) -> Self {
        Self {
            room: Semaphore::new(rules.at_once),
            rules,
            channel,
            issuer,
            breaker: Breaker::default(),
            described: watch::Sender::new(None),
            failed: Notify::new(),
            meter,
            clock,
        }
    }

    /// The last good description; `None`: there was none yet.
    pub fn descriptor(&self) -> Option<Arc<Descriptor>> {
        self.described.borrow().clone()
    }

    /// Keeps the description up to date until shutdown.
    pub async fn follow(&self, shutdown: &Shutdown) {
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.describe().await {
                Ok(()) => {
                    backoff = Backoff::default();
                    DESCRIBE_EVERY
                }
                Err(error) => {
                    let (handler, cause) = (&self.rules.name, &error as &dyn std::error::Error);
                    tracing::warn!(handler, error = cause, "grant handler not described");
                    backoff.next()
                }
            };
            tokio::select! {
                () = shutdown.wait() => return,
                () = self.clock.sleep(pause) => {}
                () = self.failed.notified(), if pause == DESCRIBE_EVERY => {}
            }
        }
    }

    /// Asks for the description. One that is not good leaves the handler without any.
    pub async fn describe(&self) -> Result<(), HandlerError> {
        let asked = proto::DescribeGrantHandlerRequest { issuer: self.issuer.clone() };
        let answer = self.client().describe(self.request(asked)).await;
        let said = answer.map_err(Box::new)?.into_inner();
        let read = Descriptor::read(said, &self.rules.types, &self.rules.claims);
        let read = read.inspect_err(|_| {
            self.described.send_replace(None);
        })?;
        let new = self.descriptor().is_none_or(|known| *known != read);
        if new {
            let (handler, types, version) = (&self.rules.name, read.types.join(" "), &read.version);
            tracing::info!(handler, types, version, "grant handler described");
            self.described.send_replace(Some(Arc::new(read)));
        }
        Ok(())
    }

    pub async fn ask(&self, question: &Question<'_>) -> Result<Decision, HandlerError> {
        let begun = self.clock.instant();
        let answered = self.try_ask(question).await;
        let result = match &answered {
            Ok(Decision::Approve(_)) => "approve",
            Ok(Decision::Deny(_)) => "deny",
            Ok(Decision::Pending(_)) => "pending",
            Err(HandlerError::Busy) => "busy",
            Err(HandlerError::Resting) => "resting",
            Err(HandlerError::Broken(_)) => "broken",
            Err(_) => "away",
        };
        let took = self.clock.instant().saturating_duration_since(begun);
        self.meter.asked_plugin(&self.rules.name, result, took);
        answered
    }

    async fn try_ask(&self, question: &Question<'_>) -> Result<Decision, HandlerError> {
        let _turn = self.room.try_acquire().map_err(|_| HandlerError::Busy)?;
        if !self.breaker.admits(self.clock.instant()) {
            return Err(HandlerError::Resting);
        }
        let asked = self.request(question.to_proto(&self.issuer));
        let answer = self.client().validate(asked).await;
        let read =
            answer.map_err(|status| HandlerError::Away(Box::new(status))).and_then(|answer| {
                Decision::read(answer.into_inner(), question.now).map_err(HandlerError::Broken)
            });
        self.breaker.told(read.is_ok(), self.clock.instant());
        if read.is_err() {
            self.failed.notify_one();
        }
        read
    }

    fn client(&self) -> GrantHandlerClient<Channel> {
        GrantHandlerClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = chassis::rpc::traced(Request::new(message));
        request.set_timeout(self.rules.timeout);
        request
    }
}
