//! Which endpoints of different APIs are one value in memory?
//!
//! Many APIs often stand on one backend. Where their endpoints are written alike, and nothing about
//! them is counted for one API alone, one value serves all of them: less memory, what calls read of
//! it stays warm, and its server is checked and resolved once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ahash::RandomState;

use super::backend::EndpointPlan;
use super::resilience::BulkheadPlan;
use crate::map::seeded;

/// How many places are kept before those of endpoints that are gone are looked for.
const FIRST_SWEEP: usize = 256;

/// Endpoints that may serve several APIs. Only what compiles comes here, never a call.
pub(crate) struct Alike(Mutex<Pool>);

struct Pool {
    /// By the hash of the server's URL.
    known: HashMap<u64, Vec<Weak<EndpointPlan>>, RandomState>,
    sweep_at: usize,
}

impl Alike {
    /// Puts in the place of `endpoint` an equal one that is in use. Where one API's calls would use
    /// up what another one was promised (a breaker, a bulkhead), or choose and take out servers
    /// for it, each keeps its own.
    pub(crate) fn share(&self, endpoint: &mut Arc<EndpointPlan>) {
        let [server] = endpoint.servers.as_slice() else { return };
        if endpoint.breaker.is_some() || endpoint.bulkhead != BulkheadPlan::default() {
            return;
        }
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = pool.known.hasher().hash_one(&server.url);
        let known = pool.known.entry(place).or_default();
        if let Some(other) = known.iter().filter_map(Weak::upgrade).find(|it| it == endpoint) {
            *endpoint = other;
            return;
        }
        known.retain(|one| one.strong_count() > 0);
        known.push(Arc::downgrade(endpoint));
        pool.sweep();
    }
}

impl Default for Alike {
    fn default() -> Self {
        Self(Mutex::new(Pool { known: HashMap::with_hasher(seeded()), sweep_at: FIRST_SWEEP }))
    }
}

impl Pool {
    /// Forgets what is gone, each time the places have doubled.
    fn sweep(&mut self) {
        if self.known.len() < self.sweep_at {
            return;
        }
        self.known.retain(|_, some| some.iter().any(|one| one.strong_count() > 0));
        self.sweep_at = (2 * self.known.len()).max(FIRST_SWEEP);
    }
}
