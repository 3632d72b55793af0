//! What is the configuration in force, and what does a change make of it?

use bytes::Bytes;
use plan::{Plan, ResourceKey};

use crate::rpc::control_plane::{Change, Position};

/// A configuration, compiled.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name at the control plane; empty where there is none.
    pub epoch: String,
    /// See `epoch`.
    pub revision: u64,
    /// Its objects and what they mean.
    pub plan: Plan,
}

/// A change does not lead where the control plane said it would.
#[derive(Debug, thiserror::Error)]
#[error("revision {revision} leads to another state than the control plane holds")]
pub struct Diverged {
    revision: u64,
}

impl State {
    /// Nothing is configured.
    pub fn empty() -> Self {
        Self { epoch: String::new(), revision: 0, plan: Plan::empty() }
    }

    /// The same, where so many subjects of one limit are counted at most.
    pub fn counting(subjects: usize) -> Self {
        Self { plan: Plan::empty().counting(subjects), ..Self::empty() }
    }

    /// The configuration after `change`, compiled aside. Equality is decided by the hash alone:
    /// where it differs from the promised one, nothing of the change counts.
    pub fn after(&self, change: Change) -> Result<Self, Diverged> {
        let Change { position, full, upserts, deletes, .. } = change;
        let upserts: Vec<(ResourceKey, Bytes)> =
            upserts.into_iter().map(|(key, bytes)| (ResourceKey::from_wire(&key), bytes)).collect();
        let (plan, _) = if full {
            self.plan.replaced(&upserts)
        } else {
            let deletes: Vec<_> = deletes.iter().map(|key| ResourceKey::from_wire(key)).collect();
            self.plan.next(&upserts, &deletes)
        };
        let next = Self { epoch: position.epoch, revision: position.revision, plan };
        if next.hash().as_slice() != position.hash {
            return Err(Diverged { revision: position.revision });
        }
        Ok(next)
    }

    /// The configuration with exactly these objects, compiled aside; what is the same as here keeps
    /// its compiled form and its counters.
    #[must_use]
    pub fn replaced(&self, epoch: String, revision: u64, all: &[(ResourceKey, Bytes)]) -> Self {
        let (plan, _) = self.plan.replaced(all);
        Self { epoch, revision, plan }
    }

    /// The hash over its objects.
    pub fn hash(&self) -> [u8; 32] {
        self.plan.objects().hash().to_bytes()
    }

    /// Its name and its hash, for the control plane.
    pub fn position(&self) -> Position {
        let hash = if self.epoch.is_empty() { Vec::new() } else { self.hash().to_vec() };
        Position { epoch: self.epoch.clone(), revision: self.revision, hash }
    }
}
