//! Which certificate is shown to a client that asks for a host, and whose are believed of callers?
//!
//! Shown is that of the plan which names the host, then one for `*.` and the rest of it, then the
//! gateway's own. Where several name a host, the one that is good now and for the longest is shown;
//! one that has expired or is not good yet never takes the place of one that is.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ahash::AHashMap;
use arc_swap::ArcSwap;
use chassis::clock::Clock;
use chassis::pki::Identity;
use plan::{ListenerCertificate, Plan};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use super::callers::Callers;

/// The certificates of all listeners.
#[derive(Debug)]
pub struct Certificates {
    by_host: ArcSwap<AHashMap<String, Shown>>,
    own: Arc<dyn ResolvesServerCert>,
    callers: Option<Arc<Callers>>,
    identity: Option<Identity>,
    clock: Clock,
}

/// A certificate that clients are shown, without its key.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The name of the Certificate resource.
    pub name: Arc<str>,
    /// The certificate.
    pub leaf: Option<CertificateDer<'static>>,
    /// The hosts that it is shown for.
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug)]
struct Shown {
    /// The name of the Certificate resource.
    name: Arc<str>,
    certified: Arc<CertifiedKey>,
    valid: RangeInclusive<i64>,
}

impl Certificates {
    /// Only the gateway's own, as `config` shows it.
    pub fn new(config: &rustls::ServerConfig, clock: Clock) -> Self {
        let own = Arc::clone(&config.cert_resolver);
        Self { by_host: ArcSwap::default(), own, callers: None, identity: None, clock }
    }

    /// With `identity` as whose certificate the gateway's own is.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// With `callers`, who are believed as each plan says.
    #[must_use]
    pub fn with_callers(self, callers: Arc<Callers>) -> Self {
        Self { callers: Some(callers), ..self }
    }

    /// Shows and believes what `plan` says from now on.
    pub fn follow(&self, plan: &Plan) {
        if let Some(callers) = &self.callers {
            callers.follow(plan);
        }
        let before = self.by_host.load();
        let by_host = chosen(plan.listener_certificates(), &before, self.clock.unix_seconds());
        if !(by_host.is_empty() && before.is_empty()) {
            self.by_host.store(Arc::new(by_host));
        }
    }

    /// Each certificate that is shown for a host, with the name of its resource and all its hosts.
    pub fn in_force(&self) -> Vec<InForce> {
        let by_host = self.by_host.load();
        let mut all: BTreeMap<(Arc<str>, usize), InForce> = BTreeMap::new();
        for (host, shown) in by_host.iter() {
            // An earlier form of a resource may still be shown for some of its hosts.
            let place = (Arc::clone(&shown.name), Arc::as_ptr(&shown.certified).addr());
            let one = all.entry(place).or_insert_with(|| InForce {
                name: Arc::clone(&shown.name),
                leaf: shown.certified.cert.first().cloned(),
                hosts: Vec::new(),
            });
            one.hosts.push(host.clone());
        }
        let mut all: Vec<InForce> = all.into_values().collect();
        for one in &mut all {
            one.hosts.sort_unstable();
        }
        all
    }

    /// The certificate that is shown for all other hosts, where it is the gateway's own.
    pub fn own_leaf(&self) -> Option<CertificateDer<'static>> {
        self.identity.as_ref()?.leaf()
    }

    /// The last second in which the certificate for `host` is good, since the Unix epoch; `None`
    /// where no plan names the host.
    pub fn valid_until(&self, host: &str) -> Option<i64> {
        Some(*self.find(host)?.valid.end())
    }

    fn find(&self, host: &str) -> Option<Shown> {
        let by_host = self.by_host.load();
        if by_host.is_empty() {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let wildcard = || by_host.get(&format!("*.{}", host.split_once('.')?.1));
        by_host.get(&host).or_else(wildcard).cloned()
    }
}

/// The certificate of each host; `before` are those that were shown up to now.
fn chosen<'a>(
    certificates: impl Iterator<Item = &'a Arc<ListenerCertificate>>,
    before: &AHashMap<String, Shown>,
    now: i64,
) -> AHashMap<String, Shown> {
    let mut by_host = AHashMap::<String, Shown>::new();
    let worth = |shown: &Shown| (shown.valid.contains(&now), *shown.valid.end());
    for certificate in certificates {
        let (certified, valid) = (Arc::clone(&certificate.certified), certificate.valid.clone());
        let new = Shown { name: Arc::clone(&certificate.name), certified, valid };
        for host in &certificate.hosts {
            let shown = by_host.entry(host.to_ascii_lowercase()).or_insert_with(|| new.clone());
            if worth(&new) > worth(shown) {
                *shown = new.clone();
            }
        }
    }
    for (host, shown) in &mut by_host {
        if shown.valid.contains(&now) {
            continue;
        }
        let earlier = before.get(host).filter(|earlier| earlier.valid.contains(&now));
        tracing::warn!(host, earlier = earlier.is_some(), "no certificate for it is valid now");
        if let Some(earlier) = earlier {
            *shown = earlier.clone();
        }
    }
    by_host
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|host| self.find(host));
        named.map(|shown| shown.certified).or_else(|| self.own.resolve(hello))
    }
}
