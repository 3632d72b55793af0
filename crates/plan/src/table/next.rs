//! How does one plan become the next?
//!
//! Changed objects are compiled again, and those that are made of them: applications and
//! subscriptions of a changed tier, certificates and APIs of a changed secret, APIs of a changed policy. What was rejected before is
//! tried again, because what it missed may have come. Everything else is shared.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use turnpike_proto::config::v1::{Rejected, rejected::Serving};

use super::entry::settle;
use super::others::CertificateEntry;
use super::plan::Plan;
use super::products::ProductEntry;
use super::subscribers::{ApplicationEntry, SubscriptionEntry};
use crate::compile::{
    ApiPlan, CustomPlan, DenyPlan, GroupPlan, KeyManagerPlan, PolicySetPlan, TierPlan,
};
use crate::objects::{Object, Objects};
use crate::resource::{Kind, ResourceKey};

impl Plan {
    /// The plan after a change, and what of the change (or of what was rejected before) cannot be
    /// served as it is. The cost is the size of the change.
    #[must_use = "the next plan is a new value"]
    pub fn next(
        &self,
        upserts: &[(ResourceKey, Bytes)],
        deletes: &[ResourceKey],
    ) -> (Self, Vec<Rejected>) {
        let mut next = self.clone();
        let mut dirty: BTreeSet<ResourceKey> = self.rejected.keys().cloned().collect();
        for key in deletes {
            next.objects.remove(key);
            dirty.insert(key.clone());
        }
        for (key, bytes) in upserts {
            // Read once more when it is compiled: thousands of resources at hand would leave holes
            // behind between what is made of them.
            next.objects.insert_folded(Object::from_wire(key.clone(), bytes.clone()));
            dirty.insert(key.clone());
        }
        let mut open: Vec<ResourceKey> = dirty.iter().cloned().collect();
        while let Some(key) = open.pop() {
            for held in [&self.objects, &next.objects] {
                self.each_made_of(held, &key, |referrer| {
                    if dirty.insert(referrer.clone()) {
                        open.push(referrer);
                    }
                });
            }
        }
        next.settle_all(&dirty);
        let told = dirty.iter().filter_map(|key| next.rejected.get(key).cloned()).collect();
        (next, told)
    }

    /// The plan for exactly these objects. What is the same as now stays as it is, with its
    /// meters.
    #[must_use = "the next plan is a new value"]
    pub fn replaced(&self, all: &[(ResourceKey, Bytes)]) -> (Self, Vec<Rejected>) {
        let wanted: BTreeSet<&ResourceKey> = all.iter().map(|(key, _)| key).collect();
        let gone: Vec<ResourceKey> = self
            .objects
            .iter()
            .map(|object| object.key().clone())
            .filter(|key| !wanted.contains(key))
            .collect();
        let differs = |(key, bytes): &&(ResourceKey, Bytes)| {
            self.objects.get(key).is_none_or(|held| held.bytes() != bytes)
        };
        let changed: Vec<_> = all.iter().filter(differs).cloned().collect();
        self.next(&changed, &gone)
    }

    /// The resources whose compiled form is made with that of `key`.
    fn each_made_of(&self, held: &Objects, key: &ResourceKey, mut found: impl FnMut(ResourceKey)) {
        let others = held.other_referrers(key);
        others.filter(|referrer| self.is_made_of(referrer, key)).cloned().for_each(&mut found);
        // Of what else they name, thousands of subscriptions need not hear.
        if key.kind() == Some(Kind::Tier) {
            held.subscriptions_naming(key).for_each(found);
        }
    }

    /// Whether the compiled form of one is made with the other.
    fn is_made_of(&self, referrer: &ResourceKey, key: &ResourceKey) -> bool {
        match (referrer.kind(), key.kind()) {
            (Some(Kind::Application), Some(Kind::Tier))
            | (Some(Kind::Certificate | Kind::Api), Some(Kind::Secret))
            | (Some(Kind::Api | Kind::ApiProduct), Some(Kind::Certificate))
            | (Some(Kind::Api), Some(Kind::Policy))
            | (Some(Kind::XacmlPolicySet), Some(Kind::XacmlPolicySet))
            | (Some(Kind::ApiProduct), Some(Kind::Api)) => true,
            // Nearly every API offers the tier, which is then a name and nothing more.
            (Some(Kind::Api | Kind::ApiProduct), Some(Kind::Tier)) => {
                self.api(referrer.id()).is_some_and(|it| it.is_limited_by(key.name()))
            }
            _ => false,
        }
    }

    fn settle_all(&mut self, dirty: &BTreeSet<ResourceKey>) {
        let of = |kind: Option<Kind>| -> Vec<ResourceKey> {
            dirty.iter().filter(|key| key.kind() == kind).cloned().collect()
        };
        for kind in Kind::ALL {
            let keys = of(Some(kind));
            if keys.is_empty() {
                continue;
            }
            match kind {
                Kind::Tier => settle::<TierPlan>(self, &keys),
                // Read by the certificates and APIs that name them; the rest is of no gateway.
                Kind::Secret
                | Kind::Policy
                | Kind::Workflow
                | Kind::WorkflowRequest
                | Kind::AlertRule
                | Kind::NotificationChannel => {
                    self.settle_unreadable(&keys);
                }
                Kind::XacmlPolicySet => settle::<Arc<PolicySetPlan>>(self, &keys),
                Kind::GatewayGroup => settle::<Arc<GroupPlan>>(self, &keys),
                Kind::KeyManager => settle::<Arc<KeyManagerPlan>>(self, &keys),
                Kind::Api => settle::<Arc<ApiPlan>>(self, &keys),
                Kind::ApiProduct => settle::<ProductEntry>(self, &keys),
                Kind::Application => settle::<ApplicationEntry>(self, &keys),
                Kind::Subscription => settle::<SubscriptionEntry>(self, &keys),
                Kind::Certificate => settle::<CertificateEntry>(self, &keys),
                Kind::DenyPolicy => settle::<Arc<DenyPlan>>(self, &keys),
                Kind::CustomThrottle => settle::<Arc<CustomPlan>>(self, &keys),
            }
        }
        self.settle_unreadable(&of(None));
    }

    /// Objects without a form of their own are only held; what cannot be read is told.
    fn settle_unreadable(&mut self, keys: &[ResourceKey]) {
        for key in keys {
            let readable = match self.objects.get(key) {
                Some(object) => object.is_readable(),
                None => true,
            };
            if readable {
                self.rejected.remove(key);
                continue;
            }
            let reason = match key.kind() {
                Some(_) => "it cannot be read as what it is called",
                None => "its kind is not known to this version",
            };
            let rejected = Rejected {
                key: key.to_string(),
                reason: reason.to_owned(),
                field: String::new(),
                serving: Serving::None.into(),
            };
            self.rejected.insert(key.clone(), rejected);
        }
    }
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fault_tests.rs"]
mod fault_tests;

#[cfg(test)]
#[path = "history_tests.rs"]
mod history_tests;

#[cfg(test)]
#[path = "denials_tests.rs"]
mod denials_tests;

#[cfg(test)]
#[path = "limits_tests.rs"]
mod limits_tests;

#[cfg(test)]
#[path = "probe.rs"]
mod probe;
