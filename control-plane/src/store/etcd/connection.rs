//! Which member answers, and what happens when it stops?
//!
//! One member at a time: a channel over all members keeps offering the dead one. A call that
//! fails for a reason that may pass gives the channel up, and the next attempt opens a fresh one
//! to the next member. Every attempt has a short deadline, and what is repeated is idempotent.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, Txn, TxnResponse};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::super::contract::StoreError;
use super::config::Config;

/// Answers carry up to a thousand values or revisions at once.
pub(super) const LARGEST_ANSWER: usize = 512 * 1024 * 1024;

const CALL: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Connection {
    endpoints: Vec<String>,
    options: ConnectOptions,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// How many channels were opened; also says which member is next.
    opened: usize,
}

/// How a transaction of etcd ended.
pub(super) struct Ended {
    pub(super) answer: TxnResponse,
    /// Whether it was tried before, with an answer that was lost: it may have been made then.
    pub(super) repeated: bool,
}

impl Connection {
    pub(super) fn new(config: &Config) -> Result<Self, StoreError> {
        let endpoints = config.endpoints.clone();
        Ok(Self { endpoints, options: config.options()?, current: Mutex::default() })
    }

    /// Asks until there is an answer, at most a few times.
    pub(super) async fn call<T, F, A>(&self, ask: F) -> Result<T, StoreError>
    where
        F: Fn(Client) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        self.call_within(CALL, ask).await
    }

    /// The same with another deadline per attempt.
    pub(super) async fn call_within<T, F, A>(&self, each: Duration, ask: F) -> Result<T, StoreError>
    where
        F: Fn(Client) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        let attempts = ATTEMPTS.max(self.endpoints.len().saturating_add(1));
        let mut last = unavailable("never asked");
        for attempt in 0..attempts {
            if attempt > 0 {
                sleep(PAUSE).await;
            }
            last = match self.attempt(each, &ask).await {
                Err(error) if error.is_retryable() => error,
                done => return done,
            };
        }
        Err(last)
    }

    /// Makes `txn`, whichever way it ends; a try whose answer was lost is made again.
    pub(super) async fn transact(&self, txn: &Txn) -> Result<Ended, StoreError> {
        let tries = AtomicUsize::new(0);
        let answer = self.call(|mut etcd| {
            tries.fetch_add(1, Ordering::Relaxed);
            let txn = txn.clone();
            async move { etcd.txn(txn).await }
        });
        let answer = answer.await?;
        Ok(Ended { answer, repeated: tries.into_inner() > 1 })
    }

    async fn attempt<T, F, A>(&self, each: Duration, ask: &F) -> Result<T, StoreError>
    where
        F: Fn(Client) -> A,
        A: Future<Output = Result<T, Error>>,
    {
        let (client, opened) = self.client().await?;
        let answer = match timeout(each, ask(client)).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(unavailable("no answer in time")),
        };
        if answer.as_ref().is_err_and(StoreError::is_retryable) {
            let mut current = self.current.lock().await;
            if current.opened == opened {
                current.client = None;
            }
        }
        answer
    }

    async fn client(&self) -> Result<(Client, usize), StoreError> {
        let mut current = self.current.lock().await;
        if let Some(client) = &current.client {
            return Ok((client.clone(), current.opened));
        }
        current.opened = current.opened.wrapping_add(1);
        let client = self.open(current.opened).await?;
        current.client = Some(client.clone());
        Ok((client, current.opened))
    }

    /// A channel of its own, to member `nth` modulo their number.
    pub(super) async fn open(&self, nth: usize) -> Result<Client, StoreError> {
        let at = nth.checked_rem(self.endpoints.len()).unwrap_or(0);
        let endpoint = self.endpoints.get(at).map_or("", String::as_str);
        match timeout(CALL, Client::connect([endpoint], Some(self.options.clone()))).await {
            Ok(connected) => connected.map_err(classify),
            Err(_) => Err(unavailable("no connection in time")),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

pub(super) fn unavailable(why: impl Into<Box<dyn StdError + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// What an error of the client means for the caller.
pub(super) fn classify(error: Error) -> StoreError {
    let Error::GRpcStatus(status) = &error else {
        return match error {
            Error::TransportError(_) | Error::IoError(_) | Error::WatchError(_) => {
                unavailable(error)
            }
            other => StoreError::Refused(Box::new(other)),
        };
    };
    match status.code() {
        Code::OutOfRange if status.message().contains("compacted") => {
            StoreError::Compacted { oldest: 0 }
        }
        // Two users of one word: a full database stays full, a busy server does not stay busy.
        Code::ResourceExhausted if status.message().contains("too many requests") => {
            unavailable(error)
        }
        // After a change of users etcd refuses the old token this way; a fresh channel logs in.
        Code::InvalidArgument if status.message().contains("auth store is old") => {
            unavailable(error)
        }
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::Internal
        | Code::Unknown
        | Code::Unauthenticated => unavailable(error),
        _ => StoreError::Refused(Box::new(error)),
    }
}
