//! Is this token one of the provider at which people sign in?
//!
//! Its keys are read when they are first needed, anew after ten minutes, and when a token names one that
//! is not known. While the provider is away the keys that are known go on, and a token under another one
//! is refused. It is asked twice a minute at most, whatever is shown to us.

use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::Clock;
use chassis::outbound::{Client, Reach, Rules as OutboundRules};
use jose::{KeySet, Refusal};
use tokio::sync::Mutex;
use url::Url;

use super::caller::Caller;
use super::config::{Config, ConfigError, Rules};
use super::person::{self, Misfit};
use super::{metadata, recognise::Unknown};

/// One document may take so long,
const WITHIN: Duration = Duration::from_secs(5);
/// and be so large.
const LARGEST: usize = 1024 * 1024;
/// Keys are read anew after so long,
const FRESH: Duration = Duration::from_mins(10);
/// and the provider is left alone for so long after it was asked.
const PAUSE: Duration = Duration::from_secs(30);

/// Reads documents of the provider.
#[async_trait::async_trait]
pub trait Documents: fmt::Debug + Send + Sync + 'static {
    /// The document at an address; an error: why there is none.
    async fn read(&self, url: &Url) -> Result<Bytes, String>;
}

/// Where people sign in, for who asks that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The issuer.
    pub issuer: String,
    /// The client of the command line.
    pub client_id: String,
    /// What it asks for.
    pub scopes: Vec<String>,
}

/// The provider.
#[derive(Debug)]
pub struct Provider {
    rules: Rules,
    documents: Arc<dyn Documents>,
    clock: Clock,
    known: StdMutex<Known>,
    /// Whoever holds it asks the provider.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    read_at: Option<Instant>,
    asked_at: Option<Instant>,
}

impl Provider {
    /// `authority` is PEM, of our own authority. None: nobody signs in.
    pub fn open(
        config: &Config,
        clock: &Clock,
        authority: &[u8],
    ) -> Result<Option<Self>, ConfigError> {
        let Some(rules) = config.rules()? else { return Ok(None) };
        let mut authorities = authority.to_vec();
        if !config.ca.is_empty() {
            let failed = |source| ConfigError::Authorities { path: config.ca.clone(), source };
            authorities.push(b'\n');
            authorities.extend(std::fs::read(&config.ca).map_err(failed)?);
        }
        let outbound =
            OutboundRules { reach: Reach::Anywhere, limit: WITHIN, largest: LARGEST, at_once: 2 };
        let client = Client::new(clock.clone(), outbound, &authorities);
        let documents = Arc::new(Web(client.map_err(ConfigError::Outbound)?));
        Ok(Some(Self::over(rules, documents, clock.clone())))
    }

    pub(super) fn over(rules: Rules, documents: Arc<dyn Documents>, clock: Clock) -> Self {
        Self { rules, documents, clock, known: StdMutex::default(), turn: Mutex::default() }
    }

    /// Where people sign in.
    pub fn sign_in(&self) -> SignIn {
        SignIn {
            issuer: self.rules.expectation.issuer.clone(),
            client_id: self.rules.client_id.clone(),
            scopes: self.rules.scopes.clone(),
        }
    }

    /// Who a token says somebody is.
    pub(super) async fn recognise(&self, token: &str) -> Result<Caller, Unknown> {
        // Before anything is asked of the provider for it.
        if jose::issuer_unverified(token).as_deref() != Some(&self.rules.expectation.issuer) {
            return Err(Unknown::Invalid("it is no token of the provider at which people sign in"));
        }
        let mut keys = self.keys(false).await.ok_or(Unknown::Away)?;
        let mut verified = self.verified(token, &keys);
        if matches!(verified, Err(Refusal::UnknownKey { .. })) {
            // Keys rotate.
            keys = self.keys(true).await.ok_or(Unknown::Away)?;
            verified = self.verified(token, &keys);
        }
        let claims = verified.map_err(|refusal| Unknown::Invalid(why(&refusal)))?;
        person::caller(&self.rules, &claims).map_err(|Misfit(why)| Unknown::Invalid(why))
    }

    fn verified(&self, token: &str, keys: &KeySet) -> Result<jose::Claims, Refusal> {
        jose::verify(token, keys, &self.rules.expectation, self.clock.unix_seconds())
    }

    /// The keys that are known, read before where that is due; `anew`: somebody misses one.
    async fn keys(&self, anew: bool) -> Option<Arc<KeySet>> {
        let now = self.clock.instant();
        let is_past = |since: Option<Instant>, span| {
            since.is_none_or(|since| now.saturating_duration_since(since) >= span)
        };
        let (known, due) = {
            let known = self.lock();
            let stale = anew || is_past(known.read_at, FRESH);
            (known.keys.clone(), stale && is_past(known.asked_at, PAUSE))
        };
        if !due {
            return known;
        }
        // Who comes meanwhile goes on with what is known, or waits where nothing is.
        let _turn = match (self.turn.try_lock(), &known) {
            (Ok(turn), _) => turn,
            (Err(_), Some(_)) if !anew => return known,
            (Err(_), _) => self.turn.lock().await,
        };
        if self.lock().asked_at.is_some_and(|asked| asked >= now) {
            return self.lock().keys.clone();
        }
        self.lock().asked_at = Some(self.clock.instant());
        match self.read().await {
            Ok(keys) => {
                let mut known = self.lock();
                known.keys = Some(Arc::new(keys));
                known.read_at = Some(self.clock.instant());
            }
            Err(reason) => {
                let issuer = &self.rules.expectation.issuer;
                tracing::warn!(issuer, reason, "the keys of the provider cannot be read");
            }
        }
        self.lock().keys.clone()
    }

    async fn read(&self) -> Result<KeySet, String> {
        let at = metadata::address(&self.rules.issuer).ok_or("the issuer is no address")?;
        let document = self.documents.read(&at).await?;
        let keys = metadata::keys(&document, &self.rules.expectation.issuer);
        let keys =
            self.documents.read(&keys.ok_or("its metadata is not that of the issuer")?).await?;
        let text = std::str::from_utf8(&keys).map_err(|_| "its key set is no text")?;
        KeySet::parse(text).map_err(|error| format!("its key set: {error}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a token is refused, in words that hold nothing of it.
const fn why(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Expired => "the token has expired",
        Refusal::Audience => "the token is meant for another audience",
        Refusal::Issuer => "the token is of another issuer",
        Refusal::Algorithm => "the token's algorithm is not accepted",
        Refusal::Signature => "the token's signature is wrong",
        Refusal::UnknownKey { .. } => "no key of the issuer fits the token",
        Refusal::Type => "the token is of another type",
        Refusal::NotYetValid => "the token is not valid yet",
        _ => "the token is not well-formed",
    }
}

/// The provider itself.
#[derive(Debug)]
struct Web(Client);

#[async_trait::async_trait]
impl Documents for Web {
    async fn read(&self, url: &Url) -> Result<Bytes, String> {
        let answer = self.0.send(url, http::Request::builder(), Bytes::new()).await;
        let answer = answer.map_err(|error| chassis::causes(&error))?;
        match answer.status().as_u16() {
            200 => Ok(answer.into_body()),
            status => Err(format!("{url} answers {status}")),
        }
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
