//! Who is it that shows this?
//!
//! A bearer token counts before a certificate: whoever sends one wants to be who it says. Only bearer
//! tokens and certificates are credentials here, neither of which a browser adds by itself, so no page
//! can ask in somebody's name (there is nothing for cross-site request forgery to use).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::Clock;
use chassis::pki::Peer;
use chassis::proxies::Proxies;
use chassis::rpc::{Ear, Refused};
use http::HeaderMap;

use super::administrator::AdminToken;
use super::attempts::Attempts;
use super::caller::Caller;
use super::provider::{Provider, SignIn};
use super::token;
use crate::catalog::Catalog;
use crate::history::{Attempt, Journal, Refusal};

const SECONDS_OF_DAY: i64 = 24 * 3600;
const NO_ADMINISTRATOR: &str = "only administrators may do this";

/// What a request shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'c> {
    /// The service that its certificate names.
    pub peer: Option<&'c Peer>,
    /// The field `authorization`.
    pub authorization: Option<&'c [u8]>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

/// Why it is nobody that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It shows nothing.
    #[error("a bearer token is asked for")]
    Nothing,
    /// A service of ours, which administers nothing.
    #[error("only administrators may do this, and {0} is none")]
    Service(String),
    /// What it shows is not good.
    #[error("{0}")]
    Invalid(&'static str),
    /// It cannot be looked at now.
    #[error("the provider at which people sign in does not answer")]
    Away,
    /// The tokens are not loaded yet.
    #[error("the resources are not loaded yet")]
    NotLoaded,
    /// Too many from there were wrong.
    #[error("too many tries were wrong; wait {} s", .0.as_secs().max(1))]
    TooMany(Duration),
}

/// Knows who asks.
#[derive(Debug)]
pub struct People {
    administrator: AdminToken,
    provider: Option<Provider>,
    catalog: Arc<Catalog>,
    journal: Arc<Journal>,
    proxies: Proxies,
    attempts: Attempts,
    clock: Clock,
    /// Tokens that were used, and the day, until it is written down.
    used: Mutex<BTreeMap<String, i64>>,
}

impl People {
    /// `provider`: none: nobody signs in. `proxies` may speak for clients.
    pub fn new(
        administrator: AdminToken,
        provider: Option<Provider>,
        proxies: Proxies,
        catalog: Arc<Catalog>,
        journal: Arc<Journal>,
        clock: Clock,
    ) -> Self {
        let attempts = Attempts::new(clock.clone());
        let used = Mutex::default();
        Self { administrator, provider, catalog, journal, proxies, attempts, clock, used }
    }

    /// Where people sign in; none: nowhere.
    pub fn sign_in(&self) -> Option<SignIn> {
        self.provider.as_ref().map(Provider::sign_in)
    }

    /// From where somebody asks whose connection comes from `peer`: what a proxy says counts where it is
    /// trusted.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer.to_canonical(), headers)
    }

    /// Who shows this.
    pub async fn recognise(&self, shown: Credentials<'_>) -> Result<Caller, Unknown> {
        let Some(field) = shown.authorization else {
            return match shown.peer {
                Some(peer) if peer.name == "admin" => Ok(Caller::of_certificate(peer)),
                Some(peer) => Err(Unknown::Service(peer.to_string())),
                None => Err(Unknown::Nothing),
            };
        };
        let found = match bearer(field) {
            Some(token) if self.administrator.is(token.as_bytes()) => return Ok(Caller::of_token()),
            Some(token) if token::is_token(token) => self.of_token(token),
            Some(token) => self.of_person(token, shown.address).await,
            None => Err(Unknown::Invalid("`authorization` carries no bearer token")),
        };
        if let (Err(Unknown::Invalid(_)), Some(address)) = (&found, shown.address) {
            self.attempts.failed(address);
            if let Some(wait) = self.attempts.wait(address) {
                return Err(Unknown::TooMany(wait));
            }
        }
        found
    }

    fn of_token(&self, text: &str) -> Result<Caller, Unknown> {
        let state = self.catalog.current().ok_or(Unknown::NotLoaded)?;
        let now = self.clock.unix_seconds();
        let (caller, id) = token::find(&state, text, now).map_err(Unknown::Invalid)?;
        let today = now.div_euclid(SECONDS_OF_DAY);
        if token::last_used(&state, &id) != Some(today) {
            // At most as many as there are tokens.
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(id, today);
        }
        Ok(caller)
    }

    async fn of_person(&self, text: &str, address: Option<IpAddr>) -> Result<Caller, Unknown> {
        let provider = self.provider.as_ref().ok_or(Unknown::Invalid("the token is not known"))?;
        // Looking at a signature is work, and asking the provider is more.
        if let Some(wait) = address.and_then(|address| self.attempts.wait(address)) {
            return Err(Unknown::TooMany(wait));
        }
        provider.recognise(text).await
    }

    /// The tokens that were used since somebody asked last, each with the day.
    pub fn take_used(&self) -> BTreeMap<String, i64> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that nobody was recognised, in both logs. What is not their fault is in neither.
    pub fn unknown(&self, unknown: &Unknown, what: &str, address: Option<IpAddr>) {
        let why = match unknown {
            Unknown::Away | Unknown::NotLoaded => return,
            Unknown::Service(name) => {
                return self.refused((name.as_str(), ""), what, NO_ADMINISTRATOR, address);
            }
            // How long to wait is another text each time.
            Unknown::TooMany(_) => "too many tries were wrong".to_owned(),
            Unknown::Nothing | Unknown::Invalid(_) => unknown.to_string(),
        };
        self.refused(("", ""), what, &why, address);
    }

    /// Notes that somebody who is known may not do this, in both logs.
    pub fn forbidden(&self, by: &Caller, what: &str, why: &str, address: Option<IpAddr>) {
        self.refused((by.name(), by.tenant()), what, why, address);
    }

    /// Notes that this is nobody's to do, in both logs.
    pub fn nobodys(&self, what: &str, why: &str, address: Option<IpAddr>) {
        self.refused(("", ""), what, why, address);
    }

    /// `who`: their name, empty: nobody that is known; and their tenant, empty: the operator.
    fn refused(&self, who: (&str, &str), what: &str, why: &str, address: Option<IpAddr>) {
        let (by, tenant) = who;
        let from = address.map(tracing::field::display);
        tracing::warn!(by, what, why, address = from, "refused");
        self.journal.refused(Refusal {
            attempt: if by.is_empty() { Attempt::SignIn } else { Attempt::Access },
            by: by.to_owned(),
            tenant: tenant.to_owned(),
            address,
            what: vec![what.to_owned()],
            why: why.to_owned(),
            reason: String::new(),
        });
    }
}

impl Ear for People {
    fn refused(&self, refused: Refused<'_>) {
        let Refused { peer, address, path, why } = refused;
        let by = peer.map_or_else(String::new, Peer::to_string);
        Self::refused(self, (by.as_str(), ""), path, why, address.map(|address| address.ip()));
    }
}

/// RFC 6750 section 2.1; the scheme without regard to case.
fn bearer(field: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(field).ok()?.split_once(' ')?;
    let token = token.trim();
    let plain = |byte: u8| byte.is_ascii_graphic();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(plain))
        .then_some(token)
}
