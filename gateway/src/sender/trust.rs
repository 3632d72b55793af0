//! Which `https` backends are who they say, and who does the gateway say it is?
//!
//! A backend is believed when its certificate leads to an authority of the operating system or of
//! the configuration, and where an endpoint names its authorities, to one of those. Everything is
//! put together when a configuration is published; who asks for the same shares it.

use std::collections::HashMap;
use std::sync::Arc;

use chassis::pki::system_authorities;
use plan::{BackendTlsPlan, Plan};
use rustls::crypto::CryptoProvider;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_pki_types::{CertificateDer, ServerName};

/// Why backends cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A configured authority is no certificate.
    #[error("a backend authority is not a certificate")]
    Authority(#[source] rustls::Error),
    /// The library cannot be set up.
    #[error("TLS to backends cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// TLS to one group of backends. Connections are shared by those who have the same in memory.
#[derive(Debug)]
pub struct Trust {
    pub(super) config: Arc<ClientConfig>,
    /// The name that is asked for and looked for; `None`: the host that is dialled.
    pub(super) name: Option<ServerName<'static>>,
}

/// TLS to all backends of a configuration.
#[derive(Debug)]
pub struct Backends {
    /// For endpoints that ask for nothing else.
    usual: Arc<Trust>,
    /// By the id of what the endpoint asks for. What could not be put together is missing.
    own: HashMap<[u8; 32], Arc<Trust>, ahash::RandomState>,
    /// What was believed beyond the operating system's authorities, and with them.
    authorities: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
}

impl Backends {
    /// For a configuration without anything: the operating system's authorities are believed. Reads
    /// files: not for workers.
    pub fn first() -> Result<Arc<Self>, TrustError> {
        Self::believing(Vec::new()).map(Arc::new)
    }

    /// For `plan`. What stays as it is keeps its connections. Reads files: not for workers.
    pub fn following(self: &Arc<Self>, plan: &Plan) -> Result<Arc<Self>, TrustError> {
        let same_authorities = plan.backend_authorities().eq(&self.authorities);
        let wanted = plan.backend_tls();
        let same_own = wanted.len() == self.own.len()
            && plan.backend_tls().all(|tls| self.own.contains_key(&tls.id));
        if same_authorities && same_own {
            return Ok(Arc::clone(self));
        }
        let mut next = if same_authorities {
            Self {
                usual: Arc::clone(&self.usual),
                own: HashMap::default(),
                authorities: self.authorities.clone(),
                roots: Arc::clone(&self.roots),
            }
        } else {
            Self::believing(plan.backend_authorities().cloned().collect())?
        };
        for tls in wanted {
            let kept = self.own.get(&tls.id);
            let kept = kept.filter(|_| same_authorities || !tls.authorities.is_empty());
            let trust = match kept {
                Some(kept) => Arc::clone(kept),
                None => match Trust::own(tls, &next.roots) {
                    Ok(trust) => Arc::new(trust),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "TLS of an endpoint cannot be used");
                        continue;
                    }
                },
            };
            next.own.insert(tls.id, trust);
        }
        Ok(Arc::new(next))
    }

    /// For whoever asks for nothing else.
    pub const fn usual(&self) -> &Arc<Trust> {
        &self.usual
    }

    /// For an endpoint that asks for `tls`; `None` where that could not be put together.
    pub fn of(&self, tls: Option<&BackendTlsPlan>) -> Option<&Arc<Trust>> {
        match tls {
            None => Some(&self.usual),
            Some(tls) => self.own.get(&tls.id),
        }
    }

    fn believing(authorities: Vec<CertificateDer<'static>>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_authorities());
        for authority in &authorities {
            roots.add(authority.clone()).map_err(TrustError::Authority)?;
        }
        let roots = Arc::new(roots);
        let config = versions(false)?.with_root_certificates(Arc::clone(&roots));
        let usual = Arc::new(Trust { config: finished(config.with_no_client_auth()), name: None });
        Ok(Self { usual, own: HashMap::default(), authorities, roots })
    }
}

impl Trust {
    /// The same, for backends that are spoken to in HTTP/2.
    pub(super) fn for_http2(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { config: Arc::new(config), name: self.name.clone() }
    }

    fn own(tls: &BackendTlsPlan, usual: &Arc<RootCertStore>) -> Result<Self, TrustError> {
        let roots = if tls.authorities.is_empty() {
            Arc::clone(usual)
        } else {
            let mut roots = RootCertStore::empty();
            for authority in &tls.authorities {
                roots.add(authority.clone()).map_err(TrustError::Authority)?;
            }
            Arc::new(roots)
        };
        let config = versions(tls.only_tls13)?.with_root_certificates(roots);
        let config = match &tls.client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let shown = SingleCertAndKey::from(client.as_ref().clone());
                config.with_client_cert_resolver(Arc::new(shown))
            }
        };
        Ok(Self { config: finished(config), name: tls.server_name.clone() })
    }
}

fn versions(only_tls13: bool) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TrustError> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = if only_tls13 {
        builder.with_protocol_versions(&[&TLS13])
    } else {
        builder.with_safe_default_protocol_versions()
    };
    builder.map_err(TrustError::Setup)
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
