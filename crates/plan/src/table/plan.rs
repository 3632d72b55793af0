//! What does a gateway look up while it answers a call?
//!
//! One immutable value. Its tables are persistent: a copy costs nothing, and the next plan shares
//! with this one everything that did not change, meters included.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use imbl::OrdMap;
use rustls_pki_types::CertificateDer;
use turnpike_proto::config::v1::Rejected;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;

use super::denials::Denials;
use super::listed::Listed;
use super::others::CertificateEntry;
use super::rights::{Pair, Rights};
use super::subscribers::{ApplicationEntry, ConsumerEntry};
use crate::compile::{
    Alike, ApiKeyPlan, ApiPlan, ApplicationPlan, BackendTlsPlan, ClientAuthority, ConsumerPlan,
    CustomPlan, EndpointPlan, GroupPlan, KeyManagerPlan, ListenerCertificate, Named, PolicySetPlan,
    SubscriptionPlan, TierPlan, USUAL_SUBJECTS, built_in_resident, is_of_resident,
};
use crate::hash_trie::{HashTrie, Hashed as _};
use crate::map::{Map, hash_of, new_map};
use crate::objects::Objects;
use crate::resource::ResourceKey;
use crate::router::Contexts;

/// Everything that is in force, compiled. Cheap to clone.
#[derive(Clone)]
pub struct Plan {
    pub(super) objects: Objects,
    pub(super) rejected: OrdMap<ResourceKey, Rejected>,
    pub(super) contexts: Contexts,
    pub(super) apis: Listed,
    pub(super) products: Map<Arc<str>, Arc<ApiPlan>>,
    pub(super) tiers: Map<Arc<str>, TierPlan>,
    pub(super) groups: Map<Arc<str>, Arc<GroupPlan>>,
    /// How many groups have virtual hosts: while there is none, no host is looked at.
    pub(super) restricted: usize,
    pub(super) resident: Arc<KeyManagerPlan>,
    pub(super) key_managers: Map<Arc<str>, Arc<KeyManagerPlan>>,
    pub(super) issuers: Map<Arc<str>, Arc<KeyManagerPlan>>,
    pub(super) applications: Map<Arc<str>, ApplicationEntry>,
    /// By key manager and consumer key.
    pub(super) consumers: HashTrie<ConsumerEntry>,
    /// By the digest of the key.
    pub(super) api_keys: Map<[u8; 32], Arc<ApiKeyPlan>>,
    pub(super) rights: Rights,
    pub(super) denials: Denials,
    /// By name.
    pub(super) customs: OrdMap<Arc<str>, Arc<CustomPlan>>,
    /// How many subjects of one policy are counted at most.
    pub(super) subjects: usize,
    pub(super) certificates: OrdMap<Arc<str>, CertificateEntry>,
    /// By name.
    pub(super) policy_sets: OrdMap<Arc<str>, Arc<PolicySetPlan>>,
    /// By id, with how many endpoints use it.
    pub(super) backend_tls: Map<[u8; 32], (usize, Arc<BackendTlsPlan>)>,
    /// Fields that carry JWTs to backends, with how many APIs say so.
    pub(super) jwt_fields: Map<HeaderName, usize>,
    /// What such JWTs are signed with, with how many APIs say so.
    pub(super) jwt_algorithms: Map<jose::Algorithm, usize>,
    /// One pool for all plans that follow each other.
    pub(super) alike: Arc<Alike>,
}

/// The API that a path means.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'p> {
    /// The API; look at its `lifecycle` and `broken` before its operations.
    pub api: &'p Arc<ApiPlan>,
    /// What follows its context and version: empty, or starting with `/`.
    pub rest: &'p str,
}

impl Plan {
    /// Nothing is served.
    pub fn empty() -> Self {
        Self {
            objects: Objects::admitted_elsewhere(),
            rejected: OrdMap::new(),
            contexts: Contexts::default(),
            apis: Listed::default(),
            products: new_map(),
            tiers: new_map(),
            groups: new_map(),
            restricted: 0,
            resident: Arc::new(built_in_resident()),
            key_managers: new_map(),
            issuers: new_map(),
            applications: new_map(),
            consumers: HashTrie::default(),
            api_keys: new_map(),
            rights: Rights::none(),
            denials: Denials::none(),
            customs: OrdMap::new(),
            subjects: USUAL_SUBJECTS,
            certificates: OrdMap::new(),
            policy_sets: OrdMap::new(),
            backend_tls: new_map(),
            jwt_fields: new_map(),
            jwt_algorithms: new_map(),
            alike: Arc::default(),
        }
    }

    /// The same, where so many users, addresses and texts are counted at most for each limit that counts
    /// them one by one.
    #[must_use]
    pub fn counting(self, subjects: usize) -> Self {
        Self { subjects, ..self }
    }

    /// What resources may name.
    pub(super) fn named(&self) -> Named<'_> {
        Named::among(&self.objects).counting(self.subjects)
    }

    /// The endpoints of all APIs and products that are served; one that several share comes for
    /// each of them.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<EndpointPlan>> {
        let all = self.apis.iter().chain(self.products.values());
        all.filter(|api| api.is_served()).flat_map(|api| api.endpoints())
    }

    /// All APIs, in whichever state.
    pub fn apis(&self) -> impl Iterator<Item = &Arc<ApiPlan>> {
        self.apis.iter()
    }

    /// What it was made from, also what is rejected: the hash and the bytes that a gateway holds.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Everything that is held and cannot be served as it is.
    pub fn rejected(&self) -> Vec<Rejected> {
        self.rejected.values().cloned().collect()
    }

    /// The API for a host (with or without a port) and a path (without query).
    pub fn find<'p>(&'p self, host: &str, path: &'p str) -> Option<Hit<'p>> {
        let served = ApiPlan::is_served;
        let (api, rest) = self.contexts.find(path, |api| self.allows(api, host), served)?;
        Some(Hit { api, rest })
    }

    /// The same for somebody who may look at APIs that are not published yet.
    pub fn find_unpublished<'p>(&'p self, host: &str, path: &'p str) -> Option<Hit<'p>> {
        let there = |api: &ApiPlan| api.is_served() || api.lifecycle == Lifecycle::Created;
        let (api, rest) = self.contexts.find(path, |api| self.allows(api, host), there)?;
        Some(Hit { api, rest })
    }

    fn allows(&self, api: &ApiPlan, host: &str) -> bool {
        self.restricted == 0
            || api.gateways.iter().any(|group| match self.groups.get(&**group) {
                Some(group) => group.allows(host),
                None => &**group == "default",
            })
    }

    /// An API or a product by `name:version`, in whichever state.
    pub fn api(&self, id: &str) -> Option<&Arc<ApiPlan>> {
        self.apis.get(id).or_else(|| self.products.get(id))
    }

    /// The key manager whose tokens say this `iss`. The built-in `resident` has no issuer here:
    /// its issuer comes with its keys.
    pub fn key_manager_by_issuer(&self, issuer: &str) -> Option<&Arc<KeyManagerPlan>> {
        self.issuers.get(issuer)
    }

    /// The key manager whose tokens look like this one, which names no issuer. There is one at most.
    pub fn key_manager_by_pattern(&self, token: &str) -> Option<&Arc<KeyManagerPlan>> {
        if is_of_resident(token) {
            return Some(self.resident());
        }
        let owns = |one: &&Arc<KeyManagerPlan>| {
            one.token_patterns.iter().any(|pattern| pattern.matches(token))
        };
        self.key_managers.values().find(owns)
    }

    /// A key manager by its name.
    pub fn key_manager(&self, name: &str) -> Option<&Arc<KeyManagerPlan>> {
        self.key_managers.get(name).or_else(|| (name == "resident").then_some(&self.resident))
    }

    /// Our own key manager.
    pub fn resident(&self) -> &Arc<KeyManagerPlan> {
        self.key_managers.get("resident").unwrap_or(&self.resident)
    }

    /// Whose client this is.
    pub fn consumer(&self, key_manager: &str, consumer_key: &str) -> Option<&Arc<ConsumerPlan>> {
        let hash = hash_of(&(key_manager, consumer_key));
        let is_it = |it: &ConsumerEntry| it.hash() == hash && it.is(key_manager, consumer_key);
        self.consumers.find(hash, is_it).map(|it| &it.plan)
    }

    /// The API key with this SHA-256.
    pub fn api_key(&self, digest: &[u8; 32]) -> Option<&Arc<ApiKeyPlan>> {
        self.api_keys.get(digest)
    }

    /// The right of an application to call an API or a product.
    pub fn right(
        &self,
        application: &ApplicationPlan,
        api: &ApiPlan,
    ) -> Option<&Arc<SubscriptionPlan>> {
        let pair = Pair { application: application.number, api: api.number };
        self.rights.find(pair, &application.name, &api.id)
    }

    /// The same by names, the API's as `name:version`, for whoever has nothing else.
    pub fn subscription(&self, application: &str, api: &str) -> Option<&Arc<SubscriptionPlan>> {
        self.rights.find_named(application, api)
    }

    /// An application, by its name.
    pub fn application(&self, name: &str) -> Option<&Arc<ApplicationPlan>> {
        self.applications.get(name).map(ApplicationEntry::plan)
    }

    /// Certificates for listeners, by name.
    pub fn listener_certificates(&self) -> impl Iterator<Item = &Arc<ListenerCertificate>> {
        self.certificates.values().filter_map(CertificateEntry::listener)
    }

    /// Every kind of TLS to backends that an endpoint asks for.
    pub fn backend_tls(&self) -> impl ExactSizeIterator<Item = &Arc<BackendTlsPlan>> {
        self.backend_tls.values().map(|(_, tls)| tls)
    }

    /// The fields in which backends of some API are told who calls. No client says them, whichever
    /// API it calls.
    pub fn jwt_fields(&self) -> impl ExactSizeIterator<Item = &HeaderName> {
        self.jwt_fields.keys()
    }

    /// The algorithms by which backends of some API are told who calls.
    pub fn jwt_algorithms(&self) -> impl ExactSizeIterator<Item = jose::Algorithm> {
        self.jwt_algorithms.keys().copied()
    }

    /// Authorities that are believed of backends.
    pub fn backend_authorities(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.certificates.values().flat_map(CertificateEntry::authorities)
    }

    /// Authorities that are believed of callers.
    pub fn client_authorities(&self) -> impl Iterator<Item = &Arc<ClientAuthority>> {
        self.certificates.values().filter_map(CertificateEntry::client_authority)
    }

    /// The Certificate of use `client_ca` with this name.
    pub fn client_authority(&self, name: &str) -> Option<&Arc<ClientAuthority>> {
        self.certificates.get(name).and_then(CertificateEntry::client_authority)
    }

    /// The digests of the keys of callers that are known one by one (`SubjectPublicKeyInfo`, SHA-256).
    pub fn caller_keys(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.certificates.values().filter_map(CertificateEntry::caller)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("objects", &self.objects)
            .field("rejected", &self.rejected.len())
            .finish_non_exhaustive()
    }
}
