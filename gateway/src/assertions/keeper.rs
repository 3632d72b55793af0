//! Who makes the keys, keeps them, and tells other gateways of them?
//!
//! One task beside the calls. The key manager hears of each key before it signs, and streams those of
//! all gateways back, because backends ask any gateway for the key set. While it is away the keys in
//! force stay.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::backoff::Backoff;
use chassis::readiness::Condition;
use chassis::{Host, Outage};
use jose::{Algorithm, PublicHalf};
use serde_json::Value;
use tokio::sync::watch;

use super::disk::{self, Fleet};
use super::published::{Published, Shown, Signers};
use super::ring::{Ring, Rules, Stage};
use super::signer::Signer;
use crate::rpc::RpcError;
use crate::rpc::key_manager::{GatewayKeySets, KeyManager};
use crate::snapshot::{Shelf, ShelfError, State};

/// The condition of readiness that a key signs.
pub const KEY: &str = "key for backend JWTs";
/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(1);
/// How often the key manager is told again what it was told.
const TELL_EVERY: Duration = Duration::from_hours(1);
/// How soon it is told again if what it says is older than what it was told.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// The most keys of all gateways.
const MAX_FLEET: usize = 4096;
const DAY: i64 = 86_400;
const MOST_KEPT: i64 = 30 * DAY;

/// Keeps the keys for as long as it is run.
#[derive(Debug)]
pub struct Keeper {
    signers: Arc<Signers>,
    rules: Rules,
    /// `None`: nobody is told.
    key_manager: Option<KeyManager>,
    states: watch::Receiver<Arc<State>>,
    shelves: Shelves,
    host: Host,
    ready: Condition,
    ring: Ring,
    fleet: Fleet,
    /// When the key manager was told last of all keys that there are; `None`: it was not.
    told: Option<Instant>,
}

/// Where keys are kept.
#[derive(Debug)]
struct Shelves {
    own: Shelf,
    fleet: Shelf,
}

impl Keeper {
    /// Publishes the keys that are on disk, and makes the first ones.
    pub async fn restore(
        signers: Arc<Signers>,
        rules: Rules,
        key_manager: Option<KeyManager>,
        states: watch::Receiver<Arc<State>>,
        host: Host,
    ) -> Result<Self, ShelfError> {
        let directory = host.data.join("state");
        let own = Shelf::open(&directory, "backend-jwt-keys")?;
        let fleet = Shelf::open(&directory, "backend-jwt-fleet")?;
        let (ring, known) = (disk::read(&own), disk::read_fleet(&fleet));
        let shelves = Shelves { own, fleet };
        let ready = host.ready.condition(KEY);
        let (fleet, told) = (known, None);
        let mut keeper =
            Self { signers, rules, key_manager, states, shelves, host, ready, ring, fleet, told };
        keeper.publish();
        keeper.tend().await;
        Ok(keeper)
    }

    /// Runs until the process is asked to stop.
    pub async fn run(mut self) {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            () = shutdown.wait() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut states = self.states.clone();
        let mut outage = Outage::of("key manager (keys of gateways)", "the keys in force stay");
        let mut backoff = Backoff::new();
        let (mut sets, mut pause_until) = (None, self.host.clock.instant());
        loop {
            self.tend().await;
            if self.host.clock.instant() >= pause_until {
                match self.meet(&mut sets).await {
                    Ok(()) => outage.over(),
                    Err(error) => {
                        outage.failed(&error);
                        (sets, self.told) = (None, None);
                        pause_until = self.host.clock.instant() + backoff.next();
                    }
                }
            }
            tokio::select! {
                said = next(&mut sets) => match said {
                    Ok(said) => {
                        backoff.reset();
                        self.take(&said);
                    }
                    Err(error) => {
                        outage.failed(&error);
                        (sets, self.told) = (None, None);
                        pause_until = self.host.clock.instant() + backoff.next();
                    }
                },
                changed = states.changed() => if changed.is_err() {
                    // Nobody configures any more: the process is about to end.
                    self.host.clock.sleep(TICK).await;
                },
                () = self.host.clock.sleep(TICK) => {}
            }
        }
    }

    /// Tells the key manager what it has to know, and listens to what it says.
    async fn meet(&mut self, sets: &mut Option<GatewayKeySets>) -> Result<(), RpcError> {
        let Some(key_manager) = &self.key_manager else { return Ok(()) };
        let now = self.host.clock.instant();
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if due && !self.ring.0.is_empty() {
            let keep = self.rules.rotate.saturating_mul(2).saturating_add(DAY).min(MOST_KEPT);
            let keys = self.ring.0.iter().map(|held| held.signer.key().public_jwk().to_string());
            let keep = u32::try_from(keep).unwrap_or(u32::MAX);
            key_manager.enrol_gateway_keys(keys.collect(), keep).await?;
            self.told = Some(now);
        }
        if sets.is_none() {
            *sets = Some(key_manager.gateway_keys().await?);
        }
        Ok(())
    }

    /// What the key manager says of all gateways.
    fn take(&mut self, said: &[String]) {
        let fleet: Fleet = said.iter().take(MAX_FLEET).filter_map(|text| public(text)).collect();
        let (now, instant) = (self.host.clock.unix_seconds(), self.host.clock.instant());
        let kids: BTreeSet<String> = fleet.keys().cloned().collect();
        let news = self.ring.told(&kids, now);
        let lost = self.ring.0.iter().any(|held| !kids.contains(held.kid()));
        let a_while = |told: Instant| instant.saturating_duration_since(told) >= TELL_AGAIN;
        if lost && self.told.is_some_and(a_while) {
            // What it knew is gone, or has expired.
            self.told = None;
        }
        if fleet != self.fleet {
            self.fleet = fleet;
            let written = disk::write_fleet(&mut self.shelves.fleet, &self.fleet);
            noted(written);
        }
        if news {
            noted(disk::write(&mut self.shelves.own, &self.ring));
        }
        self.publish();
    }

    /// Does what the time and the configuration ask for.
    async fn tend(&mut self) {
        let wanted = self.wanted();
        let now = self.host.clock.unix_seconds();
        let mut news = false;
        for algorithm in self.ring.lacks(&wanted, &self.rules, now) {
            // Finding primes takes long enough to hold up others.
            let made = self.host.tasks.blocking(move || Signer::generate(algorithm)).await;
            match made {
                Ok(Ok(signer)) => {
                    let kid = signer.key().kid();
                    tracing::info!(kid, %algorithm, "there is a new key for backend JWTs");
                    self.ring.add(signer, now);
                    self.told = None;
                    news = true;
                }
                Ok(Err(error)) => {
                    let error = &error as &dyn Error;
                    tracing::error!(error, %algorithm, "no key for backend JWTs is made");
                }
                Err(error) => {
                    let error = &error as &dyn Error;
                    tracing::error!(error, %algorithm, "no key for backend JWTs is made");
                }
            }
        }
        news |= self.ring.advance(&wanted, &self.rules, now);
        if news {
            noted(disk::write(&mut self.shelves.own, &self.ring));
            self.publish();
        }
        if self.ring.find(USUAL, Stage::Active).is_some() {
            self.ready.green();
        } else {
            self.ready.red("no key signs yet");
        }
    }

    /// What APIs sign with; the usual one is ready before an API asks for it.
    fn wanted(&self) -> BTreeSet<Algorithm> {
        let asked = self.states.borrow().plan.jwt_algorithms().collect::<Vec<_>>();
        asked.into_iter().chain([USUAL]).collect()
    }

    fn publish(&self) {
        let mut all = self.fleet.clone();
        let own = &self.ring.0;
        all.extend(
            own.iter()
                .map(|held| (held.kid().to_owned(), held.signer.key().public_jwk().to_string())),
        );
        let list = all.values().map(String::as_str).collect::<Vec<_>>().join(",");
        let active = own.iter().filter(|held| held.stage == Stage::Active);
        let shown = own.iter().map(|held| Shown {
            kid: held.kid().to_owned(),
            algorithm: held.signer.key().algorithm().name(),
            state: held.stage.name(),
            told: held.told.is_some(),
        });
        self.signers.publish(Published {
            signing: active.map(|held| Arc::clone(&held.signer)).collect(),
            jwks: format!("{{\"keys\":[{list}]}}").into(),
            own: shown.collect(),
            fleet: all.len(),
        });
    }
}

/// What is signed with unless an API says otherwise.
const USUAL: Algorithm = Algorithm::ES256;

/// The next word of the key manager; never, while it is not listened to.
async fn next(sets: &mut Option<GatewayKeySets>) -> Result<Vec<String>, RpcError> {
    match sets {
        Some(sets) => sets.next().await,
        None => std::future::pending().await,
    }
}

/// A key by its thumbprint, as it is published. What is no public key under its own name is left out.
fn public(text: &str) -> Option<(String, String)> {
    let jwk: Value = serde_json::from_str(text).ok()?;
    let half = PublicHalf::from_jwk(&jwk)?;
    Some((half.kid().to_owned(), half.jwk().to_string()))
}

fn noted(written: Result<(), ShelfError>) {
    if let Err(error) = written {
        tracing::error!(error = &error as &dyn Error, "keys for backend JWTs are not on disk");
    }
}
