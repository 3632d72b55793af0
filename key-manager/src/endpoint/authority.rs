//! What do the endpoints work with?

use std::sync::Arc;

use chassis::clock::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spool::Recorder;

use super::farewell::Farewells;
use super::request_uri::RemoteObjects;
use super::{DetailTypes, Issuer, LoginRules, Peer, Refusal, Theme};
use crate::audit::{Audit, Event};
use crate::binding::ProofRules;
use crate::client_auth::Authenticator;
use crate::directory::Directory;
use crate::domain::{LiveToken, ScopeRegistry};
use crate::federation::Federation;
use crate::fraud::Fraud;
use crate::grant::{Grants, Means, RefreshRules, Trust};
use crate::issue::{Keeper, Origin, Ring, TokenRules, recognise, recognise_test_key};
use crate::lockout::{Lockout, LockoutRules};
use crate::meter::Meter;
use crate::registration::Policy;
use crate::revocation::RevocationLog;
use crate::store::Store;
use crate::vault::{OpaqueTokens, Passwords, Pepper, Sealer};

/// The parts, as `bootstrap` put them together; cheap to clone.
#[derive(Clone, Debug)]
pub struct Authority {
    pub issuer: Arc<Issuer>,
    pub rules: Arc<TokenRules>,
    pub store: Arc<dyn Store>,
    pub pepper: Arc<Pepper>,
    /// Seals what a browser or the store keeps for a while.
    pub sealer: Arc<Sealer>,
    /// Makes access tokens that say nothing.
    pub opaque: Arc<OpaqueTokens>,
    pub passwords: Passwords,
    /// Who else has passwords of people; `None`: nobody.
    pub directory: Option<Directory>,
    pub refresh: RefreshRules,
    pub login: LoginRules,
    /// Where passkeys are for; `None`: there are none.
    pub passkeys: Option<Arc<webauthn::Site>>,
    pub keeper: Arc<Keeper>,
    pub log: Arc<RevocationLog>,
    /// What pages wear.
    pub theme: Arc<Theme>,
    /// What happened, opened for whoever asks.
    pub audit: Audit,
    /// What looks as if somebody uses what is not theirs.
    pub fraud: Fraud,
    /// Whether every client hands its requests over first.
    pub require_pushed: bool,
    /// Whether tokens may travel through the browser (KM-035).
    pub legacy_response_types: bool,
    /// What clients may have that register themselves.
    pub registration: Arc<Policy>,
    /// Who tells clients that a login has ended.
    pub farewells: Farewells,
    /// Who reads requests where clients keep them.
    pub objects: RemoteObjects,
    /// For which reasons clients get tokens.
    pub grants: Grants,
    /// Whose assertions about people are taken.
    pub trust: Arc<Trust>,
    /// Third-party providers.
    pub federation: Federation,
    /// Who proves clients.
    pub clients: Arc<Authenticator>,
    /// What is known of scopes, and who may have them.
    pub scopes: Arc<ScopeRegistry>,
    /// The authorization details that may be asked for.
    pub details: Arc<DetailTypes>,
    /// What holds for proofs of possession.
    pub proofs: Arc<ProofRules>,
    /// Where clients that show certificates find the endpoints, if that is elsewhere.
    pub certificate_base: Option<Arc<Issuer>>,
    pub meter: Meter,
    /// Who tells the collector of requests for tokens.
    pub recorder: Recorder,
    pub clock: Clock,
}

impl Authority {
    /// The same parts, for a service that asks over gRPC.
    #[must_use]
    pub fn by(&self, who: &str) -> Self {
        Self { audit: self.audit.by(who), ..self.clone() }
    }

    /// The revocation log, whose line comes with this event.
    pub fn noting(&self, event: Event) -> RevocationLog {
        self.log.noting(self.audit.noted(event))
    }

    /// Who has failed too often.
    pub fn lockout(&self) -> Lockout<'_> {
        Lockout {
            store: self.store.as_ref(),
            pepper: &self.pepper,
            rules: LockoutRules { name: self.login.name, network: self.login.network },
            now: self.clock.unix_seconds(),
        }
    }

    /// Seals what a browser or the store keeps for a while; opened for the same purpose only.
    pub(super) fn seal<T: Serialize>(&self, purpose: &str, what: &T) -> Result<String, Refusal> {
        let text = serde_json::to_vec(what).map_err(|error| Refusal::Failed(Box::new(error)))?;
        Ok(self.sealer.seal(purpose, &text)?)
    }

    /// Reads back what [`Self::seal`] has sealed; `None`: it is nothing of ours.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: &str, sealed: &str) -> Option<T> {
        let text = self.sealer.open(purpose, sealed).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What tokens are made with, and recognised by.
    pub fn origin<'o>(&'o self, ring: &'o Ring) -> Origin<'o> {
        Origin { rules: &self.rules, ring, opaque: &self.opaque }
    }

    /// Reads an access token of ours back that is alive, apart from revocation.
    pub fn recognise(&self, token: &str) -> Option<LiveToken> {
        recognise(token, self.origin(&self.keeper.ring()), self.clock.unix_seconds())
    }

    /// Reads a test key of ours back that is alive, apart from revocation: no access token is one.
    pub fn recognise_test_key(&self, key: &str) -> Option<LiveToken> {
        recognise_test_key(key, self.origin(&self.keeper.ring()), self.clock.unix_seconds())
    }

    /// What a grant may use, for a request of `peer`.
    pub fn means<'m>(&'m self, peer: &Peer, ring: &'m Ring) -> Means<'m> {
        Means {
            store: self.store.as_ref(),
            pepper: &self.pepper,
            sealer: &self.sealer,
            log: &self.log,
            audit: &self.audit,
            fraud: &self.fraud,
            origin: self.origin(ring),
            audience: &self.rules.audience,
            scopes: &self.scopes,
            trust: &self.trust,
            rules: &self.refresh,
            lockout: self.lockout(),
            address: peer.address,
            now: self.clock.unix_seconds(),
        }
    }
}
