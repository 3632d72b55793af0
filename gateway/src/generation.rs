//! Which configuration does a call see?
//!
//! One `Generation`, from its first byte to its last: everything that a call asks (routes, rights,
//! limits, keys, trust) hangs on one immutable value that is swapped whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderName;
use plan::{KeyManagerPlan, Plan};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::fault::TokenRefused;
use crate::identity::is_identity;
use crate::sender::Backends;

/// The configuration in force at one moment.
#[derive(Debug)]
pub struct Generation {
    /// Grows by one per swap; 0: nothing was loaded yet.
    pub number: u64,
    /// Routes, rights and limits.
    pub plan: Plan,
    /// The keys of our own key manager. Absent: they have not arrived, and its tokens are refused.
    pub resident_keys: Option<ResidentKeys>,
    /// The keys of third-party providers, as our own key manager streamed them.
    pub provider_keys: Arc<ProviderKeys>,
    /// How backends are made sure of, on `https`.
    pub backends: Arc<Backends>,
    /// The fields in which backends are told who calls, which no client says; without those that no
    /// client says anyway.
    pub reserved: Arc<[HeaderName]>,
    /// What tokens of our own key manager must be, once its issuer is known.
    resident: Option<jose::Expectation>,
}

/// The verification keys of an issuer, as our own key manager streamed them.
#[derive(Clone, Debug)]
pub struct ResidentKeys {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Its public keys.
    pub keys: Arc<jose::KeySet>,
}

/// The verification keys of third-party providers, by the name of their key manager.
pub type ProviderKeys = HashMap<String, ResidentKeys>;

/// Whose token it is, and how it is verified.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'g> {
    /// The key manager.
    pub key_manager: &'g Arc<KeyManagerPlan>,
    /// Its keys.
    pub keys: &'g Arc<jose::KeySet>,
    /// What its tokens must be.
    pub expectation: &'g jose::Expectation,
}

impl Generation {
    /// A generation; `number` must be greater than that of the one it follows.
    pub fn new(
        number: u64,
        plan: Plan,
        resident_keys: Option<ResidentKeys>,
        backends: Arc<Backends>,
    ) -> Self {
        let resident = resident_keys.as_ref().map(|known| jose::Expectation {
            issuer: known.issuer.clone(),
            ..plan.resident().expectation.clone()
        });
        let provider_keys = Arc::default();
        let reserved = plan.jwt_fields().filter(|name| !is_identity(name.as_str())).cloned();
        let reserved = reserved.collect();
        Self { number, plan, resident_keys, provider_keys, backends, reserved, resident }
    }

    /// The same with these keys of third-party providers.
    #[must_use]
    pub fn with_providers(self, provider_keys: Arc<ProviderKeys>) -> Self {
        Self { provider_keys, ..self }
    }

    /// The issuer of the key manager `name`; `None`: it is not known, or not in use.
    pub fn issuer_of(&self, name: &str) -> Option<&str> {
        let key_manager = self.plan.key_manager(name).filter(|known| known.enabled)?;
        if !key_manager.issuer.is_empty() {
            return Some(&key_manager.issuer);
        }
        self.resident_keys.as_ref().map(|known| known.issuer.as_str())
    }

    /// Who issues tokens with this `iss`.
    pub fn issuer(&self, iss: &str) -> Result<Issuer<'_>, TokenRefused> {
        if iss.is_empty() {
            return Err(TokenRefused::Unreadable);
        }
        if let Some(key_manager) = self.plan.key_manager_by_issuer(iss) {
            if !key_manager.enabled {
                return Err(TokenRefused::Disabled);
            }
            let streamed = || {
                let known = match &*key_manager.name {
                    "resident" => self.resident_keys.as_ref(),
                    name => self.provider_keys.get(name),
                };
                known.filter(|known| known.issuer == iss)
            };
            let keys = key_manager.keys.as_ref().or_else(|| Some(&streamed()?.keys));
            let keys = keys.ok_or(TokenRefused::NoKeys)?;
            return Ok(Issuer { key_manager, keys, expectation: &key_manager.expectation });
        }
        let key_manager = self.plan.resident();
        match (&self.resident_keys, &self.resident) {
            (Some(known), Some(expectation))
                if known.issuer == iss && key_manager.issuer.is_empty() =>
            {
                Ok(Issuer { key_manager, keys: &known.keys, expectation })
            }
            (None, _) if key_manager.issuer.is_empty() => Err(TokenRefused::NoKeys),
            _ => Err(TokenRefused::Issuer),
        }
    }
}

/// The place where the generation in force is swapped.
#[derive(Debug)]
pub struct Current {
    generation: ArcSwap<Generation>,
    moved: Notify,
}

impl Current {
    /// Starts with `first`.
    pub fn new(first: Generation) -> Self {
        Self { generation: ArcSwap::from_pointee(first), moved: Notify::new() }
    }

    /// The generation in force.
    pub fn load(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts `next` in force for every call that starts from now on. The old one comes back so
    /// that its memory can be freed away from the workers, once its last call has ended.
    pub fn swap(&self, next: Generation) -> Arc<Generation> {
        let before = self.generation.swap(Arc::new(next));
        self.moved.notify_waiters();
        before
    }

    /// Ready when another generation was put in force since this was called.
    pub fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// Whether `known` is still the generation in force. Costs a few nanoseconds and writes to no
    /// memory that workers share.
    pub fn is(&self, known: &Arc<Generation>) -> bool {
        Arc::ptr_eq(&self.generation.load(), known)
    }
}
