//! What is known of one provider now?

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chassis::causes;
use chassis::clock::Clock;
use chassis::outbound::Client;
use http::{Request, Response, header};
use tokio::sync::Notify;
use url::Url;

use super::error::FederationError;
use super::key_set::PublishedKeys;
use super::metadata::Metadata;
use super::register::Handle;
use crate::domain::Provider;
use crate::meter::Meter;
use crate::rpc::Connector;

/// Keys that were asked for and not there; beyond that all are forgotten, which costs a reading at most.
const MOST_ABSENT: usize = 1_000;
/// Clients that were made a short while ago.
const MOST_HANDLES: usize = 64;

/// One provider.
#[derive(Debug)]
pub struct Member {
    pub provider: Provider,
    pub(super) outbound: Client,
    /// Who speaks for it, if it speaks no standard.
    pub(super) connector: Option<Connector>,
    pub(super) clock: Clock,
    meter: Meter,
    /// Wakes the task that reads keys.
    pub(super) wanted: Notify,
    known: Mutex<Known>,
}

/// Times are Unix seconds.
#[derive(Clone, Debug, Default)]
struct Known {
    metadata: Option<Arc<Metadata>>,
    metadata_at: i64,
    keys: Option<Arc<PublishedKeys>>,
    keys_at: i64,
    /// Which `kid` was asked for and not there, and when.
    absent: HashMap<String, i64>,
    fails: bool,
    error: String,
    error_at: i64,
    /// How clients that were made lately are removed again.
    handles: VecDeque<(String, Handle)>,
}

/// How a provider is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub healthy: bool,
    pub keys: usize,
    /// 0: never.
    pub keys_at: i64,
    /// Empty: nothing went wrong yet.
    pub error: String,
    pub error_at: i64,
}

impl Member {
    pub(super) fn new(
        provider: Provider,
        outbound: Client,
        connector: Option<Connector>,
        clock: Clock,
        meter: Meter,
    ) -> Self {
        let (wanted, known) = (Notify::new(), Mutex::default());
        Self { provider, outbound, connector, clock, meter, wanted, known }
    }

    /// Takes over what was known of the same provider, as it was applied before.
    pub(super) fn inherit(&self, before: &Self) {
        if self.provider.is_there_where(&before.provider) {
            let known = before.lock().clone();
            *self.lock() = known;
        }
    }

    /// What it said of itself last.
    pub fn metadata(&self) -> Option<Arc<Metadata>> {
        self.lock().metadata.clone()
    }

    /// When that was.
    pub(super) fn metadata_at(&self) -> i64 {
        self.lock().metadata_at
    }

    pub(super) fn put_metadata(&self, metadata: Metadata) {
        let mut known = self.lock();
        known.metadata = Some(Arc::new(metadata));
        known.metadata_at = self.clock.unix_seconds();
    }

    /// Its keys, if there are some that are not older than `longest_seconds`, and when they were read.
    pub fn keys(&self, longest_seconds: i64) -> Option<(Arc<PublishedKeys>, i64)> {
        let known = self.lock();
        let age = self.clock.unix_seconds().saturating_sub(known.keys_at);
        let keys = known.keys.clone().filter(|_| age <= longest_seconds);
        keys.map(|keys| (keys, known.keys_at))
    }

    pub(super) fn put_keys(&self, keys: PublishedKeys, at: i64) {
        let mut known = self.lock();
        known.absent.retain(|kid, _| !keys.has(kid));
        known.keys = Some(Arc::new(keys));
        known.keys_at = at;
    }

    /// Takes note that somebody asked for a key. Whether its absence is news: it is not there, and was
    /// not asked for within `remembered`.
    pub(super) fn is_missing(&self, kid: &str, remembered: Duration) -> bool {
        let now = self.clock.unix_seconds();
        let remembered = i64::try_from(remembered.as_secs()).unwrap_or(i64::MAX);
        let mut known = self.lock();
        if known.keys.as_ref().is_some_and(|keys| keys.has(kid)) {
            return false;
        }
        let asked = known.absent.get(kid);
        if asked.is_some_and(|asked| now.saturating_sub(*asked) < remembered) {
            return false;
        }
        if known.absent.len() >= MOST_ABSENT {
            known.absent.clear();
        }
        known.absent.insert(kid.to_owned(), now);
        true
    }

    pub(super) fn keep_handle(&self, client_id: &str, handle: Handle) {
        let mut known = self.lock();
        known.handles.push_back((client_id.to_owned(), handle));
        if known.handles.len() > MOST_HANDLES {
            known.handles.pop_front();
        }
    }

    pub(super) fn take_handle(&self, client_id: &str) -> Option<Handle> {
        let mut known = self.lock();
        let place = known.handles.iter().position(|(id, _)| id == client_id)?;
        known.handles.remove(place).map(|(_, handle)| handle)
    }

    /// Notes how something went that it was asked.
    pub(super) fn went<T>(&self, result: Result<T, FederationError>) -> Result<T, FederationError> {
        let mut known = self.lock();
        let well = result.as_ref().map_or_else(FederationError::is_answer, |_| true);
        self.meter.provider(&self.provider.name, well);
        match &result {
            Ok(_) => {
                if std::mem::take(&mut known.fails) {
                    tracing::info!(provider = self.provider.name, "provider answers again");
                }
            }
            Err(error) => {
                let text = causes(error);
                if !std::mem::replace(&mut known.fails, !well) || well {
                    tracing::warn!(
                        provider = self.provider.name,
                        error = text,
                        "provider does not do it"
                    );
                }
                known.error = text;
                known.error_at = self.clock.unix_seconds();
            }
        }
        result
    }

    /// Notes a failure, and hands it on.
    pub(super) fn failed(&self, error: FederationError) -> FederationError {
        match self.went::<()>(Err(error)) {
            Err(error) => error,
            Ok(()) => FederationError::Unknown,
        }
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let known = self.lock();
        Status {
            healthy: !known.fails,
            keys: known.keys.as_ref().map_or(0, |keys| keys.set.keys().len()),
            keys_at: known.keys_at,
            error: known.error.clone(),
            error_at: known.error_at,
        }
    }

    /// Asks `url`, and expects an answer of the kind 2xx.
    pub(super) async fn get(
        &self,
        what: &'static str,
        url: &Url,
    ) -> Result<Response<Bytes>, FederationError> {
        let request = Request::builder().header(header::ACCEPT, "application/json");
        let answer = self.outbound.send(url, request, Bytes::new()).await;
        let answer = answer.map_err(|source| FederationError::Outbound { what, source })?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(FederationError::Status { what, status: answer.status().as_u16() })
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
