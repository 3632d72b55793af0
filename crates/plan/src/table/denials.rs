//! Is a call one of those that are refused?
//!
//! Thousands of policies must cost a call no more than a few: each lies where the narrowest thing
//! that it names is looked up, and only there. Those about a caller are found by the caller's names,
//! those about addresses by the networks that an address is in (one look-up per length of network
//! that anybody names), and those about APIs by the API. Persistent: a change costs its own size.

use std::sync::Arc;

use imbl::OrdMap;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{DenyPlan, Family, Network, Visit, Visitor, above, compile_deny, number};
use crate::map::{Map, new_map};
use crate::problem::Problems;
use crate::resource::ResourceKey;

/// Policies that one look-up finds, by name.
type Found = OrdMap<Arc<str>, Arc<DenyPlan>>;

/// All policies.
#[derive(Clone)]
pub(super) struct Denials {
    pub(super) all: Map<Arc<str>, Arc<DenyPlan>>,
    pub(super) users: Map<Arc<str>, Found>,
    pub(super) clients: Map<Arc<str>, Found>,
    pub(super) applications: Map<Arc<str>, Found>,
    pub(super) v4: Networks,
    pub(super) v6: Networks,
    /// By `name:version`.
    pub(super) apis: Map<Arc<str>, Found>,
    /// By the name alone.
    pub(super) versions: Map<Arc<str>, Found>,
}

/// By the length of a network, then by its prefix.
type Networks = OrdMap<u32, Map<u128, Found>>;

impl Denials {
    pub(super) fn none() -> Self {
        Self {
            all: new_map(),
            users: new_map(),
            clients: new_map(),
            applications: new_map(),
            v4: OrdMap::new(),
            v6: OrdMap::new(),
            apis: new_map(),
            versions: new_map(),
        }
    }

    fn about_place(&self, visit: &Visit<'_>) -> Option<&Arc<DenyPlan>> {
        let (family, number) = number(visit.address);
        let near = self.networks(family).iter().filter_map(move |(length, networks)| {
            networks.get(&above(number, family.bits() - length))
        });
        let apis = [visit.called, visit.home].into_iter();
        let named = apis.flat_map(|api| [self.apis.get(&*api.id), self.versions.get(&*api.name)]);
        let mut found = near.chain(named.flatten()).flat_map(|found| found.values());
        found.find(|policy| policy.meets(visit))
    }

    fn about_caller(&self, visit: &Visit<'_>, visitor: &Visitor<'_>) -> Option<&Arc<DenyPlan>> {
        let users = visitor.users.iter().filter_map(|user| self.users.get(*user));
        let client = visitor.client.and_then(|client| self.clients.get(client));
        let application = visitor.application.and_then(|name| self.applications.get(name));
        let found = users.chain(client).chain(application).flat_map(|found| found.values());
        found.into_iter().find(|policy| policy.meets(visit) && policy.means(visitor))
    }

    const fn networks(&self, family: Family) -> &Networks {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn networks_mut(&mut self, family: Family) -> &mut Networks {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// Enters a policy where it will be looked for, or takes it out there.
    fn put(&mut self, policy: &Arc<DenyPlan>, change: Change) {
        let named = [
            (&policy.users, &mut self.users),
            (&policy.clients, &mut self.clients),
            (&policy.applications, &mut self.applications),
        ];
        for (names, map) in named {
            if let Some(names) = names {
                names.iter().for_each(|name| change.make(map, name, policy));
                return;
            }
        }
        if let Some(addresses) = &policy.addresses {
            for family in Family::ALL {
                for network in addresses.networks(family) {
                    put_network(self.networks_mut(family), network, policy, change);
                }
            }
        } else if let Some(apis) = &policy.apis {
            apis.ids.iter().for_each(|id| change.make(&mut self.apis, id, policy));
            apis.names.iter().for_each(|name| change.make(&mut self.versions, name, policy));
        }
    }
}

fn put_network(networks: &mut Networks, network: Network, policy: &Arc<DenyPlan>, change: Change) {
    let of_length = networks.entry(network.length).or_insert_with(new_map);
    change.make(of_length, &network.prefix, policy);
    if of_length.is_empty() {
        networks.remove(&network.length);
    }
}

#[derive(Clone, Copy)]
enum Change {
    Enter,
    Leave,
}

impl Change {
    fn make<K>(self, map: &mut Map<K, Found>, key: &K, policy: &Arc<DenyPlan>)
    where
        K: std::hash::Hash + Eq + Clone,
    {
        match self {
            Self::Enter => {
                let found = map.entry(key.clone()).or_default();
                found.insert(Arc::clone(&policy.name), Arc::clone(policy));
            }
            Self::Leave => {
                let Some(found) = map.get_mut(key) else { return };
                found.remove(&policy.name);
                if found.is_empty() {
                    map.remove(key);
                }
            }
        }
    }
}

impl Entry for Arc<DenyPlan> {
    fn compile(
        _: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::DenyPolicy(policy) = object else { return Ok(None) };
        Ok(compile_deny(key.name(), policy, problems).map(Self::new))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.denials.all.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        plan.denials.all.insert(key.id().into(), Self::clone(self));
        if !self.disabled {
            plan.denials.put(self, Change::Enter);
        }
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.denials.all.remove(key.id());
        if !self.disabled {
            plan.denials.put(self, Change::Leave);
        }
    }
}

impl Plan {
    /// Whether there is any `DenyPolicy`.
    pub fn denies(&self) -> bool {
        !self.denials.all.is_empty()
    }

    /// The `DenyPolicy` that refuses the call whoever makes it: one about addresses or APIs.
    pub fn denied_place(&self, visit: &Visit<'_>) -> Option<&Arc<DenyPlan>> {
        self.denials.about_place(visit)
    }

    /// The `DenyPolicy` that refuses the call for who makes it.
    pub fn denied_caller(
        &self,
        visit: &Visit<'_>,
        visitor: &Visitor<'_>,
    ) -> Option<&Arc<DenyPlan>> {
        self.denials.about_caller(visit, visitor)
    }
}
