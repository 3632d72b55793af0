//! Which certificate is shown to a client that asks for a host?
//!
//! That of the plan which names the host, then one for `*.` and the rest of it, then the gateway's
//! own.

use std::sync::Arc;

use ahash::AHashMap;
use arc_swap::ArcSwap;
use plan::Plan;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of all listeners.
#[derive(Debug)]
pub struct Certificates {
    by_host: ArcSwap<AHashMap<String, Arc<CertifiedKey>>>,
    own: Arc<dyn ResolvesServerCert>,
}

impl Certificates {
    /// Only the gateway's own, as `config` shows it.
    pub fn new(config: &rustls::ServerConfig) -> Self {
        Self { by_host: ArcSwap::default(), own: Arc::clone(&config.cert_resolver) }
    }

    /// Shows the certificates of `plan` from now on.
    pub fn follow(&self, plan: &Plan) {
        let by_host: AHashMap<String, Arc<CertifiedKey>> = plan
            .listener_certificates()
            .flat_map(|certificate| {
                let shown = |host: &String| (host.to_ascii_lowercase(), &certificate.certified);
                certificate.hosts.iter().map(shown)
            })
            .map(|(host, certified)| (host, Arc::clone(certified)))
            .collect();
        if !(by_host.is_empty() && self.by_host.load().is_empty()) {
            self.by_host.store(Arc::new(by_host));
        }
    }

    fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let by_host = self.by_host.load();
        if by_host.is_empty() {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let wildcard = || by_host.get(&format!("*.{}", host.split_once('.')?.1));
        by_host.get(&host).or_else(wildcard).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name().and_then(|host| self.find(host)).or_else(|| self.own.resolve(hello))
    }
}
