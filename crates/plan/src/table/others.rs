//! How do tiers, gateway groups, key managers and certificates come into force?

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::entry::{Entry, Refusal};
use super::plan::Plan;
use crate::compile::{
    Authority, CertificateForm, ClientAuthority, GroupPlan, KeyManagerPlan, ListenerCertificate,
    TierPlan, TokenPattern, check_pair, compile_certificate, compile_group, compile_key_manager,
    compile_tier, read_private_key, validity,
};
use crate::problem::Problems;
use crate::resource::{Kind, ResourceKey};

impl Entry for TierPlan {
    fn compile(
        _: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Tier(tier) = object else { return Ok(None) };
        Ok(compile_tier(key.name(), tier, problems))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.tiers.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        plan.tiers.insert(key.id().into(), self.clone());
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.tiers.remove(key.id());
    }
}

impl Entry for Arc<GroupPlan> {
    fn compile(
        _: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::GatewayGroup(group) = object else { return Ok(None) };
        Ok(compile_group(key.name(), group, problems).map(Self::new))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.groups.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        plan.groups.insert(key.id().into(), Self::clone(self));
        plan.restricted += usize::from(!self.hosts.is_empty());
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.groups.remove(key.id());
        plan.restricted -= usize::from(!self.hosts.is_empty());
    }
}

impl Entry for Arc<KeyManagerPlan> {
    fn compile(
        _: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::KeyManager(key_manager) = object else { return Ok(None) };
        Ok(compile_key_manager(key.name(), key_manager, problems).map(Self::new))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.key_managers.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        if let Some(other) = plan.issuers.get(&*self.issuer) {
            let reason = format!("its issuer is the one of KeyManager/{}", other.name);
            return Err(Refusal::at("spec.issuer", reason));
        }
        for other in plan.key_managers.values() {
            let theirs = &other.token_patterns;
            let shared = |one: &TokenPattern| theirs.iter().any(|other| other.overlaps(one));
            if self.token_patterns.iter().any(shared) {
                let reason = format!("its patterns meet those of KeyManager/{}", other.name);
                return Err(Refusal::at("spec.tokenPatterns", reason));
            }
        }
        plan.issuers.insert(Arc::clone(&self.issuer), Self::clone(self));
        plan.key_managers.insert(key.id().into(), Self::clone(self));
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.issuers.remove(&*self.issuer);
        plan.key_managers.remove(key.id());
    }
}

/// A certificate in force.
#[derive(Clone)]
pub(super) enum CertificateEntry {
    Listener(Arc<ListenerCertificate>),
    Authority(Arc<Authority>),
    /// Read by the APIs that name it.
    Client,
    ClientAuthority(Arc<ClientAuthority>),
    /// A caller, by the digest of the key.
    Caller([u8; 32]),
}

impl CertificateEntry {
    pub(super) fn listener(&self) -> Option<&Arc<ListenerCertificate>> {
        match self {
            Self::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(super) fn authorities(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Authority(authority) => &authority.0,
            _ => &[],
        }
    }

    pub(super) fn client_authority(&self) -> Option<&Arc<ClientAuthority>> {
        match self {
            Self::ClientAuthority(authority) => Some(authority),
            _ => None,
        }
    }

    pub(super) fn caller(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Caller(digest) => Some(digest),
            _ => None,
        }
    }
}

impl Entry for CertificateEntry {
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal> {
        let Any::Certificate(certificate) = object else { return Ok(None) };
        let Some(form) = compile_certificate(certificate, problems) else { return Ok(None) };
        let (hosts, chain, secret) = match form {
            CertificateForm::Authority(authority) => {
                return Ok(Some(Self::Authority(Arc::new(authority))));
            }
            CertificateForm::ClientAuthority(authority) => {
                return Ok(Some(Self::ClientAuthority(authority)));
            }
            CertificateForm::Caller(digest) => return Ok(Some(Self::Caller(digest))),
            CertificateForm::Listener { hosts, chain, secret } => (Some(hosts), chain, secret),
            CertificateForm::Client { chain, secret } => (None, chain, secret),
        };
        let value = plan
            .objects
            .at_hand(&ResourceKey::of_id(Kind::Secret, &secret))
            .and_then(|resource| match resource.resource.as_ref()? {
                Any::Secret(secret) => Some(secret.spec.as_ref()?.value.as_str()),
                _ => None,
            })
            .ok_or_else(|| Refusal::at("spec.keySecret", format!("there is no Secret/{secret}")))?;
        let valid = validity(&chain);
        let certified = read_private_key(value)
            .and_then(|key| check_pair(chain, key))
            .map_err(|reason| Refusal::at("spec.keySecret", reason))?;
        let Some(hosts) = hosts else { return Ok(Some(Self::Client)) };
        Ok(Some(Self::Listener(Arc::new(ListenerCertificate {
            name: key.name().into(),
            hosts,
            certified: Arc::new(certified),
            valid,
        }))))
    }

    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self> {
        plan.certificates.get(key.id()).cloned()
    }

    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal> {
        plan.certificates.insert(key.id().into(), self.clone());
        Ok(())
    }

    fn unlink(&self, plan: &mut Plan, key: &ResourceKey) {
        plan.certificates.remove(key.id());
    }
}
