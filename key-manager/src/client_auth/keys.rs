//! Which keys does a client have now, where it keeps them itself? (KM-053, KM-094)
//!
//! A set is read again when it is old, and when somebody names a key that is not in it; but of one
//! address never more than once in `PAUSE_SECONDS`, whatever is asked, and by one request at a time.
//! When nobody answers there, the set that was read last is good for another day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chassis::outbound::{self, Client};
use http::{Request, header};
use jose::{KeySet, KeySetError};
use url::Url;

/// A set is not read again before it is so old.
const FRESH_SECONDS: i64 = 300;
/// Nor within so many seconds after it was tried.
const PAUSE_SECONDS: i64 = 30;
/// Without an answer it is used for so long.
const STALE_SECONDS: i64 = 24 * 3600;
/// The most keys of a set.
const MOST_KEYS: usize = 100;
/// The most addresses whose sets are kept.
const MOST_SETS: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the address of the keys is none")]
    Address(#[from] url::ParseError),
    #[error("the keys cannot be read")]
    Outbound(#[from] outbound::Error),
    #[error("the server of the keys answered {0}")]
    Status(u16),
    #[error("what is at the address of the keys is no key set")]
    Form(#[from] KeySetError),
    #[error("there are more than {MOST_KEYS} keys")]
    Many,
    #[error("the keys were not there a moment ago")]
    Paused,
    #[error("the keys of too many clients are read at once")]
    Full,
}

/// Key sets by their address.
#[derive(Debug)]
pub struct RemoteKeys {
    outbound: Client,
    sets: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Kept>>>>,
}

/// What is known of one address. Times are Unix seconds.
#[derive(Debug, Default)]
struct Kept {
    set: Option<Arc<KeySet>>,
    read_at: i64,
    tried_at: i64,
}

impl RemoteKeys {
    pub fn new(outbound: Client) -> Self {
        Self { outbound, sets: Mutex::default() }
    }

    /// The set at `uri`; `anew`: a key was asked for that it does not have.
    pub async fn at(&self, uri: &str, anew: bool, now: i64) -> Result<Arc<KeySet>, KeysError> {
        let entry = self.entry(uri)?;
        // Who waits here finds what the one before has read.
        let mut kept = entry.lock().await;
        let age = now.saturating_sub(kept.read_at);
        let known = kept.set.clone();
        if let Some(set) = &known
            && age < FRESH_SECONDS
            && !anew
        {
            return Ok(Arc::clone(set));
        }
        let stale = known.filter(|_| age < STALE_SECONDS);
        if now.saturating_sub(kept.tried_at) < PAUSE_SECONDS {
            return stale.ok_or(KeysError::Paused);
        }
        kept.tried_at = now;
        match self.read(uri).await {
            Ok(set) => {
                let set = Arc::new(set);
                kept.set = Some(Arc::clone(&set));
                kept.read_at = now;
                Ok(set)
            }
            Err(error) => {
                tracing::warn!(uri, error = &error as &dyn std::error::Error, "keys not read");
                stale.ok_or(error)
            }
        }
    }

    async fn read(&self, uri: &str) -> Result<KeySet, KeysError> {
        let wanted = Request::builder().header(header::ACCEPT, "application/json");
        let answer = self.outbound.send(&Url::parse(uri)?, wanted, Bytes::new()).await?;
        if !answer.status().is_success() {
            return Err(KeysError::Status(answer.status().as_u16()));
        }
        let set = KeySet::parse(&String::from_utf8_lossy(answer.body()))?;
        if set.keys().len() > MOST_KEYS { Err(KeysError::Many) } else { Ok(set) }
    }

    fn entry(&self, uri: &str) -> Result<Arc<tokio::sync::Mutex<Kept>>, KeysError> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(uri) {
            return Ok(Arc::clone(known));
        }
        if sets.len() >= MOST_SETS {
            // All but those that are in use: they are read again when they are needed.
            sets.retain(|_, kept| Arc::strong_count(kept) > 1);
        }
        if sets.len() >= MOST_SETS {
            return Err(KeysError::Full);
        }
        let new = Arc::default();
        sets.insert(uri.to_owned(), Arc::clone(&new));
        Ok(new)
    }
}
