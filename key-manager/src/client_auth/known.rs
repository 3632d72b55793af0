//! Which client is that, without a question to the store? (KM-123)
//!
//! Clients that were asked for lately. They are forgotten together as soon as any client changes, here
//! or elsewhere, and none is believed that is older than the last look at the store: whoever cannot
//! reach it asks it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::ClientId;
use crate::revocation::Follower;
use crate::store::{Store, StoreError, StoredClient};

/// So many are kept; one more, and they are gathered anew.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
struct Kept {
    /// The count of changes that they are of.
    version: u64,
    clients: HashMap<ClientId, Arc<StoredClient>>,
}

/// The clients that this process knows.
#[derive(Debug)]
pub struct KnownClients {
    store: Arc<dyn Store>,
    follower: Arc<Follower>,
    kept: RwLock<Kept>,
}

impl KnownClients {
    pub fn new(store: Arc<dyn Store>, follower: Arc<Follower>) -> Self {
        Self { store, follower, kept: RwLock::default() }
    }

    /// A client as it is: as the store has it now, or had it when nothing had changed since.
    pub async fn find(&self, id: &ClientId) -> Result<Option<Arc<StoredClient>>, StoreError> {
        let Some(version) = self.follower.client_version() else {
            return Ok(self.store.client(id).await?.map(Arc::new));
        };
        if let Some(found) = self.kept(id, version) {
            return Ok(Some(found));
        }
        let Some(stored) = self.store.client(id).await?.map(Arc::new) else { return Ok(None) };
        self.keep(id, &stored, version);
        Ok(Some(stored))
    }

    fn kept(&self, id: &ClientId, version: u64) -> Option<Arc<StoredClient>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.clients.get(id).filter(|_| kept.version == version).map(Arc::clone)
    }

    /// `version` was read before the client was.
    fn keep(&self, id: &ClientId, stored: &Arc<StoredClient>, version: u64) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.version != version || kept.clients.len() >= MOST {
            *kept = Kept { version, clients: HashMap::new() };
        }
        kept.clients.insert(id.clone(), Arc::clone(stored));
    }
}
