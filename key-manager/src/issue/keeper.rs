//! The keeper: who makes, loads, rotates and drops the keys?
//!
//! Every change goes through the store under its version, so that several processes take each step
//! once; the ring that is in force here always is one that the store holds.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use jose::SigningKey;
use tokio::sync::{Mutex, watch};

use super::ring::{Ring, RingKey, signature};
use super::rotation::{Plan, Step, Wish, steps};
use super::{IssueError, Signer};
use crate::audit::{Audit, Event};
use crate::domain::{FORGET_MARGIN_SECONDS, KeyState, TokenAlgorithm};
use crate::store::{KeyChange, KeyHome, Store, StoredKey};
use crate::vault::Sealer;

/// What the configuration says about keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyRules {
    /// How long a key signs.
    pub rotate: Duration,
    /// How long a key is published before it signs.
    pub publish: Duration,
    /// What tokens are signed with unless their client says otherwise.
    pub algorithm: TokenAlgorithm,
}

/// A key, and when its state changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    pub key: StoredKey,
    /// When it goes to its next state if nobody wishes otherwise, Unix seconds.
    pub until: i64,
}

/// How often a step is tried again when another process was faster.
const ATTEMPTS: u32 = 10;

#[derive(Debug)]
pub struct Keeper {
    store: Arc<dyn Store>,
    audit: Audit,
    sealer: Sealer,
    rules: KeyRules,
    clock: Clock,
    tasks: Tasks,
    ring: watch::Sender<Arc<Ring>>,
    /// One change at a time in this process.
    turn: Mutex<()>,
}

impl Keeper {
    /// Loads the keys; makes the first ones.
    pub async fn open(
        store: Arc<dyn Store>,
        audit: Audit,
        sealer: Sealer,
        rules: KeyRules,
        clock: Clock,
        tasks: Tasks,
    ) -> Result<Self, IssueError> {
        let empty = Ring::new(0, Vec::new(), Vec::new())?;
        let ring = watch::Sender::new(Arc::new(empty));
        let keeper =
            Self { store, audit, sealer, rules, clock, tasks, ring, turn: Mutex::default() };
        keeper.change(Wish::Have(rules.algorithm)).await?;
        Ok(keeper)
    }

    /// The keys in force.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.borrow())
    }

    /// The keys in force, and each that follow.
    pub fn watch(&self) -> watch::Receiver<Arc<Ring>> {
        self.ring.subscribe()
    }

    /// Takes the steps that `wish` and the time ask for; durable and in force when it answers.
    pub async fn change(&self, wish: Wish) -> Result<Arc<Ring>, IssueError> {
        self.change_for("key-manager", wish).await
    }

    /// The same, because `who` asked.
    pub async fn change_for(&self, who: &str, wish: Wish) -> Result<Arc<Ring>, IssueError> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let (version, keys) = self.store.keys().await?;
            if let Wish::Revoke(kid) = &wish
                && !keys.iter().any(|key| key.kid == *kid)
            {
                return Err(IssueError::Unknown { kid: kid.clone() });
            }
            let steps = steps(&keys, &wish, &self.plan(), self.clock.unix_seconds());
            if steps.is_empty() {
                return self.load(version, &keys);
            }
            let changes = self.prepare(steps).await?;
            if self.noting(who, &wish, &changes).change_keys(version, &changes).await? {
                let (version, keys) = self.store.keys().await?;
                tracing::info!(version, keys = keys.len(), ?wish, "signing keys changed");
                return self.load(version, &keys);
            }
        }
        Err(IssueError::Contended)
    }

    /// Whether a rotation now would take keys that everybody knows.
    pub async fn may_rotate(&self) -> Result<(), IssueError> {
        let (plan, now) = (self.plan(), self.clock.unix_seconds());
        let (_, keys) = self.store.keys().await?;
        let next = keys.iter().filter(|key| key.state == KeyState::Next);
        let left = |key: &StoredKey| plan.known_at(key).saturating_sub(now);
        match next.max_by_key(|key| left(key)) {
            Some(key) if left(key) > 0 => {
                Err(IssueError::TooSoon { algorithm: key.algorithm, seconds: left(key) })
            }
            _ => Ok(()),
        }
    }

    /// Every key, also those that are published no more.
    pub async fn list(&self) -> Result<Vec<Scheduled>, IssueError> {
        let (_, keys) = self.store.keys().await?;
        let rotations = rotations(&keys, &self.plan());
        let rotation = |key: &StoredKey| {
            let of = rotations.iter().find(|(algorithm, _)| *algorithm == key.algorithm);
            of.map_or(0, |(_, at)| *at)
        };
        let until = |key: &StoredKey| match key.state {
            KeyState::Active | KeyState::Next => rotation(key),
            KeyState::Retiring | KeyState::Revoked => key.gone_after,
        };
        let scheduled = |key: StoredKey| Scheduled { until: until(&key), key };
        Ok(keys.into_iter().map(scheduled).collect())
    }

    /// Brings the ring to what another process made of the keys.
    pub async fn reload(&self) -> Result<Arc<Ring>, IssueError> {
        let _turn = self.turn.lock().await;
        let (version, keys) = self.store.keys().await?;
        self.load(version, &keys)
    }

    fn plan(&self) -> Plan {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Plan {
            rotate_seconds: seconds(self.rules.rotate),
            publish_seconds: seconds(self.rules.publish),
            home: KeyHome::Store,
        }
    }

    /// The store, that says in the audit log which keys came and went.
    fn noting(&self, who: &str, wish: &Wish, changes: &[KeyChange]) -> Arc<dyn Store> {
        let steps: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let event = Event::of(match wish {
            Wish::Rotate => "keys.rotated",
            Wish::Revoke(_) => "keys.revoked",
            Wish::Tend | Wish::Have(_) => "keys.changed",
        });
        self.audit.noting(event.by(who).with("steps", &steps.join(", ")))
    }

    async fn prepare(&self, steps: Vec<Step>) -> Result<Vec<KeyChange>, IssueError> {
        let now = self.clock.unix_seconds();
        // The longest life that any process on this store ever allowed.
        let longest = self.store.ledger().await?.longest_seconds;
        let gone_after = now.saturating_add(longest).saturating_add(FORGET_MARGIN_SECONDS);
        let mut changes = Vec::with_capacity(steps.len());
        for step in steps {
            changes.push(match step {
                Step::Remove { kid } => KeyChange::Remove { kid },
                Step::Retire { kid } => KeyChange::Retire { kid, since: now, gone_after },
                Step::Revoke { kid } => KeyChange::Revoke { kid, since: now, gone_after },
                Step::Activate { kid } => KeyChange::Activate { kid, since: now },
                Step::Make { algorithm, state } => {
                    KeyChange::Add(self.make(algorithm, state, now).await?)
                }
            });
        }
        Ok(changes)
    }

    async fn make(
        &self,
        algorithm: TokenAlgorithm,
        state: KeyState,
        now: i64,
    ) -> Result<StoredKey, IssueError> {
        // Finding primes takes long enough to hold up other requests.
        let made = self.tasks.blocking(move || SigningKey::generate(signature(algorithm)));
        let key = made.await.map_err(|_| IssueError::Interrupted)??;
        let sealed = self.sealer.seal(&purpose(key.kid(), algorithm), &key.to_pkcs8()?)?;
        let (kid, home) = (key.kid().to_owned(), KeyHome::Store);
        Ok(StoredKey { kid, algorithm, state, home, sealed, since: now, gone_after: 0 })
    }

    fn load(&self, version: u64, keys: &[StoredKey]) -> Result<Arc<Ring>, IssueError> {
        let current = self.ring();
        if current.version() == version && version > 0 {
            return Ok(current);
        }
        let published = keys.iter().filter(|key| key.state.is_published());
        let opened = published.map(|key| self.open_key(key)).collect::<Result<_, _>>()?;
        let ring = Arc::new(Ring::new(version, opened, rotations(keys, &self.plan()))?);
        self.ring.send_replace(Arc::clone(&ring));
        Ok(ring)
    }

    fn open_key(&self, stored: &StoredKey) -> Result<RingKey, IssueError> {
        let (state, algorithm) = (stored.state, stored.algorithm);
        let der = self.sealer.open(&purpose(&stored.kid, algorithm), &stored.sealed)?;
        let key = SigningKey::from_pkcs8(signature(algorithm), &der)?;
        if key.kid() != stored.kid {
            return Err(IssueError::Swapped { kid: stored.kid.clone() });
        }
        let public = key.public().clone();
        let signer = (state == KeyState::Active).then(|| Signer::Here(Arc::new(key)));
        Ok(RingKey { state, algorithm, public, signer })
    }
}

/// When another key signs, by algorithm.
fn rotations(keys: &[StoredKey], plan: &Plan) -> Vec<(TokenAlgorithm, i64)> {
    let of = |state: KeyState| keys.iter().filter(move |key| key.state == state);
    let rotation = |active: &StoredKey| {
        let next = of(KeyState::Next).find(|key| key.algorithm == active.algorithm)?;
        Some((active.algorithm, plan.rotates_at(active, next)))
    };
    of(KeyState::Active).filter_map(rotation).collect()
}

/// What a sealed private key is for; authenticated with it.
fn purpose(kid: &str, algorithm: TokenAlgorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
