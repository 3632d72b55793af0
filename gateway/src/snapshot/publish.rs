//! Who puts a configuration in force, and who frees the one before?
//!
//! Only this file swaps the generation. What is compiled is compiled before; the swap itself is one
//! pointer, and listeners' certificates change with it. Old generations are dropped here, away
//! from the workers, once the last call that uses them has ended.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use plan::Plan;

use super::certificates::Certificates;
use crate::generation::{Current, Generation, ProviderKeys, ResidentKeys};
use crate::sender::Backends;

/// The one who swaps.
pub struct Publisher {
    current: Arc<Current>,
    certificates: Arc<Certificates>,
    /// Generations that calls may still use. Swaps happen one after the other under this lock,
    /// which no worker takes.
    retired: Mutex<Vec<Arc<Generation>>>,
}

impl Publisher {
    /// Swaps `current` from now on.
    pub fn new(current: Arc<Current>, certificates: Arc<Certificates>) -> Self {
        Self { current, certificates, retired: Mutex::default() }
    }

    /// The plan in force.
    pub fn plan(&self) -> Plan {
        self.current.load().plan.clone()
    }

    /// Puts a plan in force.
    pub fn put_plan(&self, plan: Plan) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.current.load();
        let backends = backends(&now, &plan);
        // Before the routes: a host that is new with this plan has its certificate at once.
        self.certificates.follow(&plan);
        let keys = now.resident_keys.clone();
        let next = Generation::new(now.number + 1, plan, keys, backends);
        let next = next.with_providers(Arc::clone(&now.provider_keys));
        retired.push(self.current.swap(next));
    }

    /// Puts the keys of our own key manager in force.
    pub fn put_keys(&self, keys: ResidentKeys) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.current.load();
        let (plan, backends) = (now.plan.clone(), Arc::clone(&now.backends));
        let next = Generation::new(now.number + 1, plan, Some(keys), backends);
        let next = next.with_providers(Arc::clone(&now.provider_keys));
        retired.push(self.current.swap(next));
    }

    /// Puts the keys of third-party providers in force.
    pub fn put_provider_keys(&self, keys: ProviderKeys) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.current.load();
        let (plan, backends) = (now.plan.clone(), Arc::clone(&now.backends));
        let next = Generation::new(now.number + 1, plan, now.resident_keys.clone(), backends);
        retired.push(self.current.swap(next.with_providers(Arc::new(keys))));
    }

    /// The generations that no call uses any more, to be dropped where that may take long.
    pub fn unused(&self) -> Vec<Arc<Generation>> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.extract_if(.., |generation| Arc::strong_count(generation) == 1).collect()
    }
}

fn backends(now: &Generation, plan: &Plan) -> Arc<Backends> {
    now.backends.following(plan).unwrap_or_else(|error| {
        let error = &error as &dyn Error;
        tracing::error!(error, "backend authorities cannot be used, the earlier ones stay");
        Arc::clone(&now.backends)
    })
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("retired", &self.retired).finish_non_exhaustive()
    }
}
