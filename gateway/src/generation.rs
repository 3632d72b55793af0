//! Which configuration does a call see?
//!
//! One `Generation`, from its first byte to its last: everything that a call asks (routes, rights,
//! limits, keys, trust) hangs on one immutable value that is swapped whole.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// The configuration in force at one moment.
#[derive(Debug)]
pub struct Generation {
    /// Grows by one per swap; 0: nothing was loaded yet.
    pub number: u64,
    /// Routes, rights and limits.
    pub plan: plan::Plan,
    /// The keys of our own key manager. Absent: they have not arrived, and its tokens are refused.
    pub resident_keys: Option<ResidentKeys>,
    /// What backends are trusted to be, on `https`.
    pub backends: Arc<rustls::ClientConfig>,
}

/// The verification keys of our own key manager, as it streamed them.
#[derive(Clone, Debug)]
pub struct ResidentKeys {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Its public keys.
    pub keys: Arc<jose::KeySet>,
}

impl Generation {
    /// A generation; `number` must be greater than that of the one it follows.
    pub const fn new(
        number: u64,
        plan: plan::Plan,
        resident_keys: Option<ResidentKeys>,
        backends: Arc<rustls::ClientConfig>,
    ) -> Self {
        Self { number, plan, resident_keys, backends }
    }
}

/// The place where the generation in force is swapped.
#[derive(Debug)]
pub struct Current(ArcSwap<Generation>);

impl Current {
    /// Starts with `first`.
    pub fn new(first: Generation) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The generation in force.
    pub fn load(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    /// Puts `next` in force for every call that starts from now on. The old one comes back so
    /// that its memory can be freed away from the workers, once its last call has ended.
    pub fn swap(&self, next: Generation) -> Arc<Generation> {
        self.0.swap(Arc::new(next))
    }

    /// Whether `known` is still the generation in force. Costs a few nanoseconds and writes to no
    /// memory that workers share.
    pub fn is(&self, known: &Arc<Generation>) -> bool {
        Arc::ptr_eq(&self.0.load(), known)
    }
}
