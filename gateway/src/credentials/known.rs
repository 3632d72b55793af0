//! Which tokens were verified before?
//!
//! A bounded table per worker. A token is found by its fingerprint. What was verified under keys or rules that have changed since is verified anew; whether
//! the token has ended is asked on every call.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use jose::{Algorithm, Claims, KeySet};
use plan::{ConsumerPlan, KeyManagerPlan, KeyType, RestrictionPlan};

use super::bearer_jwt::Grounds;
use super::bound::{Bound, restriction};
use super::fingerprint::{Fingerprint, Key};
use super::word::Question;
use crate::fault::TokenRefused;
use crate::generation::{Generation, Issuer};

/// How many entries may get a second chance before one has to leave.
const CHANCES: usize = 16;

/// A verified token and whom it stands for.
///
/// In this order: of ten thousand tokens hardly anything is in the processor's caches when one of them
/// comes, so what every call looks at lies side by side, in two lines, and what few ask for behind it.
#[repr(C)]
pub struct Known {
    /// The generation that `consumer` is of.
    generation: Cell<u64>,
    consumer: RefCell<Option<Arc<ConsumerPlan>>>,
    /// The version of the revocations under which it had not ended.
    alive_at: Cell<u64>,
    ends_at: i64,
    /// Until when its issuer's word counts; 0: it was not asked.
    vouched_until: Cell<i64>,
    /// `None`: nothing but its issuer's word stands behind it.
    keys: Option<Arc<KeySet>>,
    key_manager: Arc<KeyManagerPlan>,
    restriction: Option<Box<RestrictionPlan>>,
    used: Cell<bool>,
    names_client: bool,
    /// How it is signed; `None`: it is not.
    algorithm: Option<Algorithm>,
    bound: Bound,
    token: Box<str>,
    claims: Claims,
}

impl Known {
    /// A token that has just been verified by `issuer`.
    pub(super) fn new(
        token: &str,
        claims: Claims,
        issuer: Issuer<'_>,
    ) -> Result<Self, TokenRefused> {
        let algorithm = jose::algorithm(token);
        Self::of(token, claims, issuer.key_manager, issuer.expectation.skew_seconds)
            .map(|known| Self { algorithm, keys: Some(Arc::clone(issuer.keys)), ..known })
    }

    /// A token of which its issuer has just said all that is known.
    pub(super) fn told(
        token: &str,
        claims: Claims,
        key_manager: &Arc<KeyManagerPlan>,
    ) -> Result<Self, TokenRefused> {
        Self::of(token, claims, key_manager, key_manager.expectation.skew_seconds)
    }

    fn of(
        token: &str,
        claims: Claims,
        key_manager: &Arc<KeyManagerPlan>,
        skew_seconds: u32,
    ) -> Result<Self, TokenRefused> {
        Ok(Self {
            token: token.into(),
            bound: Bound::of(&claims)?,
            restriction: restriction(&claims)?.map(Box::new),
            algorithm: None,
            ends_at: claims.expires_at.saturating_add(i64::from(skew_seconds)),
            names_client: key_manager.consumer_key(&claims).is_some(),
            claims,
            key_manager: Arc::clone(key_manager),
            keys: None,
            vouched_until: Cell::new(0),
            generation: Cell::new(u64::MAX),
            consumer: RefCell::default(),
            alive_at: Cell::new(u64::MAX),
            used: Cell::new(false),
        })
    }

    /// What it says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The name of the key manager that issued it.
    pub fn key_manager(&self) -> &str {
        &self.key_manager.name
    }

    /// The client it was issued to.
    pub fn consumer_key(&self) -> Option<&str> {
        self.key_manager.consumer_key(&self.claims)
    }

    /// Whether it says which client it was issued to.
    pub const fn names_client(&self) -> bool {
        self.names_client
    }

    /// Whom it stands for in the generation it was last looked at in; `None`: for nobody.
    pub fn consumer(&self) -> Option<Arc<ConsumerPlan>> {
        self.consumer.borrow().clone()
    }

    /// Which backends that one reaches.
    pub fn key_type(&self) -> Option<KeyType> {
        self.consumer.borrow().as_ref().map(|consumer| consumer.key_type)
    }

    /// What it is bound to.
    pub const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Where it may be used; `None`: everywhere.
    pub fn restriction(&self) -> Option<&RestrictionPlan> {
        self.restriction.as_deref()
    }

    /// How it is signed; `None`: it says nothing by itself.
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Whether it was issued to an application for itself and not for a person: as it says (`aut`), and
    /// else where its subject is the client or nobody.
    pub fn is_of_application(&self) -> bool {
        if let Some(kind) = self.claims.text("aut") {
            return kind.eq_ignore_ascii_case("application");
        }
        let subject = self.claims.subject.as_deref();
        subject.is_none() || subject == self.consumer_key()
    }

    /// When it ends, in Unix seconds.
    pub const fn ends_at(&self) -> i64 {
        self.ends_at
    }

    /// The token itself: a secret.
    pub fn text(&self) -> &str {
        &self.token
    }

    /// Whether it has neither run out nor been revoked. Of a token that says nothing by itself, its
    /// end is known only while its issuer's word counts.
    pub fn stands(&self, grounds: Grounds<'_>) -> Result<(), TokenRefused> {
        let known = self.keys.is_some() || grounds.now_unix < self.vouched_until.get();
        if known && !self.lasts(grounds.now_unix) {
            return Err(TokenRefused::Refused(jose::Refusal::Expired));
        }
        self.is_alive(grounds.revocations)
    }

    /// Whether it ends later than `now_unix`.
    const fn lasts(&self, now_unix: i64) -> bool {
        now_unix < self.ends_at
    }

    /// Takes note of the generation. False: it has to be verified anew.
    pub fn enter(&self, generation: &Generation) -> bool {
        if self.generation.get() == generation.number {
            return true;
        }
        let stands = if let Some(keys) = &self.keys {
            generation.issuer(&self.claims.issuer).is_ok_and(|issuer| {
                Arc::ptr_eq(issuer.key_manager, &self.key_manager) && Arc::ptr_eq(issuer.keys, keys)
            })
        } else {
            let now = generation.plan.key_manager(&self.key_manager.name);
            now.is_some_and(|now| now.enabled && Arc::ptr_eq(now, &self.key_manager))
        };
        if !stands {
            return false;
        }
        let consumer = self
            .consumer_key()
            .and_then(|key| generation.plan.consumer(&self.key_manager.name, key));
        *self.consumer.borrow_mut() = consumer.map(Arc::clone);
        self.generation.set(generation.number);
        true
    }

    /// Its issuer stands by it until then.
    pub(super) fn vouch(&self, until_unix: i64) {
        self.vouched_until.set(until_unix);
    }

    /// What its issuer has to be asked now, if anything.
    pub fn to_ask(self: &Rc<Self>, now_unix: i64) -> Option<Question> {
        let asked = self.key_manager.introspection?;
        let by_itself = self.keys.is_some();
        if by_itself && !asked.jwt || now_unix < self.vouched_until.get() {
            return None;
        }
        // What is known only from a word is not known any more once that has run out.
        let verified = by_itself.then(|| Rc::clone(self));
        Some(Question::about(Arc::clone(&self.key_manager), verified))
    }

    /// Asks the revocations, if they have changed since it was asked last.
    pub(super) fn is_alive(&self, revocations: &super::Revocations) -> Result<(), TokenRefused> {
        // The version is read first: what is added meanwhile is asked for next time.
        let version = revocations.version();
        if self.alive_at.get() == version {
            return Ok(());
        }
        if revocations.is_revoked(&self.claims.issuer, &self.claims) {
            return Err(TokenRefused::Revoked);
        }
        self.alive_at.set(version);
        Ok(())
    }
}

/// The token is a secret, and what it says may be.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("key_manager", &self.key_manager.name).finish_non_exhaustive()
    }
}

/// The tokens one worker knows.
#[derive(Debug)]
pub struct Tokens {
    most: usize,
    key: Key,
    table: HashMap<Fingerprint, Rc<Known>, BuildHasherDefault<Hashed>>,
    /// The keys of the table in the order in which they are asked to leave.
    ring: Vec<Fingerprint>,
    hand: usize,
}

impl Tokens {
    /// An empty table of at most `most` tokens.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            key: Key::draw(),
            table: HashMap::default(),
            ring: Vec::new(),
            hand: 0,
        }
    }

    /// The token, where it is known.
    pub(super) fn get(&self, token: &str) -> Option<Rc<Known>> {
        let known = self.table.get(&self.key.of(token))?;
        known.used.set(true);
        Some(Rc::clone(known))
    }

    /// Remembers a token; one that was not used for a while makes room for it.
    pub(super) fn insert(&mut self, known: Rc<Known>) {
        let fingerprint = self.key.of(&known.token);
        if self.table.insert(fingerprint, known).is_some() {
            return;
        }
        if self.ring.len() < self.most {
            self.ring.push(fingerprint);
            return;
        }
        for _ in 0..CHANCES {
            let place = self.hand % self.ring.len();
            let used = |one: &Fingerprint| self.table.get(one).is_some_and(|it| it.used.take());
            if !self.ring.get(place).is_some_and(used) {
                break;
            }
            self.hand = place + 1;
        }
        let place = self.hand % self.ring.len();
        if let Some(leaving) = self.ring.get_mut(place) {
            self.table.remove(leaving);
            *leaving = fingerprint;
        }
        self.hand = place + 1;
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// Fingerprints are as good as random already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
