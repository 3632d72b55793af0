//! What is the configuration in force, and what does a change make of it?

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chassis::pki::Identity;
use plan::{Plan, ResourceKey, StateHash, Statement};

use super::vouched::{Unvouched, Vouched};
use crate::rpc::control_plane::{Change, Node, Position};

/// A configuration, compiled.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name at the control plane; empty where there is none.
    pub epoch: String,
    /// See `epoch`.
    pub revision: u64,
    /// Its objects and what they mean.
    pub plan: Plan,
    /// Who says that this is what the gateway should hold; none: nobody had to, because the operator
    /// has put it there, or there is nothing.
    pub vouched: Option<Arc<Vouched>>,
}

/// Why nothing of a change counts.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not lead where the control plane said it would.
    #[error("revision {0} leads to another state than the control plane holds")]
    Diverged(u64),
    /// Nobody vouches for what it leads to.
    #[error("revision {revision} is not put in force")]
    Unvouched {
        /// Which one.
        revision: u64,
        /// Why nobody does.
        #[source]
        source: Unvouched,
    },
}

impl State {
    /// Nothing is configured.
    pub fn empty() -> Self {
        Self { epoch: String::new(), revision: 0, plan: Plan::empty(), vouched: None }
    }

    /// The same, where so many subjects of one limit are counted at most.
    pub fn counting(subjects: usize) -> Self {
        Self { plan: Plan::empty().counting(subjects), ..Self::empty() }
    }

    /// The configuration after `change`, compiled aside. Nothing of the change counts where no
    /// control plane of ours vouches for what `node` holds then. Equality is decided by the hash
    /// alone: where it differs from the promised one, nothing counts either.
    pub fn after(&self, change: Change, node: &Node, identity: &Identity) -> Result<Self, Refused> {
        let Change { position, full, upserts, deletes, buckets, .. } = change;
        let revision = position.revision;
        let vouched = position.vouched(node, identity);
        let vouched = vouched.map_err(|source| Refused::Unvouched { revision, source })?;
        let upserts: Vec<(ResourceKey, Bytes)> =
            upserts.into_iter().map(|(key, bytes)| (ResourceKey::from_wire(&key), bytes)).collect();
        let (plan, _) = if full {
            self.plan.replaced(&upserts)
        } else {
            let mut deletes: Vec<_> =
                deletes.iter().map(|key| ResourceKey::from_wire(key)).collect();
            deletes.extend(self.beside(&upserts, &buckets));
            self.plan.next(&upserts, &deletes)
        };
        let vouched = Some(Arc::new(vouched));
        let next = Self { epoch: position.epoch, revision, plan, vouched };
        if next.hash().as_slice() != position.hash {
            return Err(Refused::Diverged(revision));
        }
        Ok(next)
    }

    /// What is held in these buckets beside `all`.
    fn beside(&self, all: &[(ResourceKey, Bytes)], buckets: &[u32]) -> Vec<ResourceKey> {
        if buckets.is_empty() {
            return Vec::new();
        }
        let all: BTreeSet<&ResourceKey> = all.iter().map(|(key, _)| key).collect();
        let held = self.plan.objects().iter().map(|object| object.key().clone());
        let is_gone =
            |key: &ResourceKey| buckets.contains(&plan::bucket(key).into()) && !all.contains(key);
        held.filter(is_gone).collect()
    }

    /// The configuration with exactly these objects, compiled aside; what is the same as here keeps
    /// its compiled form and its counters.
    #[must_use]
    pub fn replaced(&self, epoch: String, revision: u64, all: &[(ResourceKey, Bytes)]) -> Self {
        let (plan, _) = self.plan.replaced(all);
        Self { epoch, revision, plan, vouched: None }
    }

    /// The hash over its objects.
    pub fn hash(&self) -> [u8; 32] {
        self.plan.objects().hash().to_bytes()
    }

    /// Its name and its hash, for the control plane.
    pub fn position(&self) -> Position {
        let hash = if self.epoch.is_empty() { Vec::new() } else { self.hash().to_vec() };
        Position { epoch: self.epoch.clone(), revision: self.revision, hash, signature: None }
    }
}

impl Position {
    /// Who vouches that gateways like `node` should hold what is there.
    pub(super) fn vouched(&self, node: &Node, identity: &Identity) -> Result<Vouched, Unvouched> {
        let hash = StateHash::from_bytes(&self.hash).ok_or(Unvouched::Nobody)?;
        let (epoch, revision) = (self.epoch.as_str(), self.revision);
        let statement = Statement { epoch, revision, hash, labels: &node.labels };
        Vouched::by(self.signature.clone(), &statement, identity)
    }
}
