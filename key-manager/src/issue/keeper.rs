//! The keeper: who makes, loads, rotates and drops the keys?
//!
//! Every change goes through the store under its version, so that several processes take each step
//! once; the ring that is in force here always is one that the store holds.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::clock::Clock;
use chassis::task::Tasks;
use jose::{PublicHalf, SigningKey};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use super::ring::{Ring, RingKey, signature};
use super::rotation::{Plan, Step, Wish, steps};
use super::signer::Held;
use super::{IssueError, Signer};
use crate::audit::{Audit, Event};
use crate::domain::{FORGET_MARGIN_SECONDS, KeyState, TokenAlgorithm};
use crate::hsm::{Hsm, Made};
use crate::store::{KeyChange, KeyHome, Store, StoreError, StoredKey};
use crate::vault::Sealer;

/// What the configuration says about keys.
#[derive(Clone, Debug)]
pub struct KeyRules {
    /// Makes and uses them; `None`: they are kept in the store.
    pub hsm: Option<Hsm>,
    /// Whether keys that are in a device are given up where there is none.
    pub leave: bool,
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
        let algorithm = rules.algorithm;
        let keeper =
            Self { store, audit, sealer, rules, clock, tasks, ring, turn: Mutex::default() };
        keeper.change(Wish::Have(algorithm)).await?;
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
            self.check_homes(&keys)?;
            let steps = steps(&keys, &wish, &self.plan(), self.clock.unix_seconds());
            if steps.is_empty() {
                return self.load(version, &keys).await;
            }
            let changes = self.prepare(steps).await?;
            let noting = self.noting(who, &wish, &changes);
            let changed = noting.change_keys(version, &changes).await;
            self.clear(&keys, &changes, &changed).await;
            if changed? {
                let (version, keys) = self.store.keys().await?;
                tracing::info!(version, keys = keys.len(), ?wish, "signing keys changed");
                return self.load(version, &keys).await;
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
        self.load(version, &keys).await
    }

    /// That no key would be replaced by one of another home because this process was configured otherwise
    /// than others on the store.
    fn check_homes(&self, keys: &[StoredKey]) -> Result<(), IssueError> {
        let signs = |key: &&StoredKey| matches!(key.state, KeyState::Active | KeyState::Next);
        let held = keys.iter().filter(signs).any(|key| key.home == KeyHome::Hsm);
        let alone = self.rules.hsm.is_none() && !self.rules.leave;
        if held && alone { Err(IssueError::Elsewhere) } else { Ok(()) }
    }

    /// Removes from the device what is no key any more, or did not become one.
    async fn clear(
        &self,
        keys: &[StoredKey],
        changes: &[KeyChange],
        changed: &Result<bool, StoreError>,
    ) {
        let Some(hsm) = &self.rules.hsm else { return };
        let gone = changes.iter().filter_map(|change| match (change, changed) {
            (KeyChange::Add(key), Ok(false)) => Some(key),
            (KeyChange::Remove { kid } | KeyChange::Revoke { kid, .. }, Ok(true)) => {
                keys.iter().find(|key| key.kid == *kid && key.state != KeyState::Revoked)
            }
            _ => None,
        });
        for key in gone.filter(|key| key.home == KeyHome::Hsm) {
            let destroyed = match self.held(key) {
                Ok(made) => hsm.destroy(made.object).await.map_err(IssueError::from),
                Err(error) => Err(error),
            };
            if let Err(error) = destroyed {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    kid = key.kid,
                    "a key stays in the device that is none here"
                );
            }
        }
    }

    fn plan(&self) -> Plan {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Plan {
            rotate_seconds: seconds(self.rules.rotate),
            publish_seconds: seconds(self.rules.publish),
            home: if self.rules.hsm.is_some() { KeyHome::Hsm } else { KeyHome::Store },
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
        if let Some(hsm) = &self.rules.hsm {
            let made = hsm.generate(algorithm).await?;
            let (kid, home) = (made.public.kid().to_owned(), KeyHome::Hsm);
            let object = URL_SAFE_NO_PAD.encode(&made.object);
            let text = json!({ "object": object, "public": made.public.jwk() }).to_string();
            let sealed = self.sealer.seal(&held_purpose(&kid, algorithm), text.as_bytes())?;
            return Ok(StoredKey {
                kid,
                algorithm,
                state,
                home,
                sealed,
                since: now,
                gone_after: 0,
            });
        }
        // Finding primes takes long enough to hold up other requests.
        let made = self.tasks.blocking(move || SigningKey::generate(signature(algorithm)));
        let key = made.await.map_err(|_| IssueError::Interrupted)??;
        let sealed = self.sealer.seal(&purpose(key.kid(), algorithm), &key.to_pkcs8()?)?;
        let (kid, home) = (key.kid().to_owned(), KeyHome::Store);
        Ok(StoredKey { kid, algorithm, state, home, sealed, since: now, gone_after: 0 })
    }

    async fn load(&self, version: u64, keys: &[StoredKey]) -> Result<Arc<Ring>, IssueError> {
        let current = self.ring();
        if current.version() == version && version > 0 {
            return Ok(current);
        }
        self.check_homes(keys)?;
        let mut opened = Vec::new();
        for key in keys.iter().filter(|key| key.state.is_published()) {
            opened.push(match key.home {
                KeyHome::Store => self.open_key(key)?,
                KeyHome::Hsm => self.find_key(key).await?,
            });
        }
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

    /// A key in the device, which has those that sign.
    async fn find_key(&self, stored: &StoredKey) -> Result<RingKey, IssueError> {
        let (state, algorithm) = (stored.state, stored.algorithm);
        let made = self.held(stored)?;
        let public = made.public.clone();
        let mut signer = None;
        if let (KeyState::Active | KeyState::Next, Some(hsm)) = (state, &self.rules.hsm) {
            if !hsm.has(Arc::clone(&made.object)).await? {
                return Err(IssueError::Lost { kid: stored.kid.clone() });
            }
            let held = Held { hsm: hsm.clone(), algorithm, made };
            signer = (state == KeyState::Active).then(|| Signer::Device(Arc::new(held)));
        }
        Ok(RingKey { state, algorithm, public, signer })
    }

    /// What the store says of a key in the device.
    fn held(&self, stored: &StoredKey) -> Result<Made, IssueError> {
        let swapped = || IssueError::Swapped { kid: stored.kid.clone() };
        let purpose = held_purpose(&stored.kid, stored.algorithm);
        let text = self.sealer.open(&purpose, &stored.sealed)?;
        let held: Value = serde_json::from_slice(&text).map_err(|_| swapped())?;
        let object = held.get("object").and_then(Value::as_str).unwrap_or_default();
        let object = URL_SAFE_NO_PAD.decode(object).map_err(|_| swapped())?;
        let public = held.get("public").and_then(PublicHalf::from_jwk);
        let public = public.filter(|public| public.kid() == stored.kid).ok_or_else(swapped)?;
        Ok(Made { object: object.into(), public })
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

/// The same for what the store says of a key in a device.
fn held_purpose(kid: &str, algorithm: TokenAlgorithm) -> String {
    format!("signing key in a device {algorithm} {kid}")
}

/// What a sealed private key is for; authenticated with it.
fn purpose(kid: &str, algorithm: TokenAlgorithm) -> String {
    format!("signing key {algorithm} {kid}")
}
