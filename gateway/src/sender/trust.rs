//! Which `https` backends are who they say?
//!
//! Those whose certificate leads to an authority of the operating system or of the configuration.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Where operating systems keep the authorities they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

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

/// Trusts the operating system's authorities and `authorities`. Reads files: not for workers.
pub fn trust(authorities: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_authorities());
    for authority in authorities {
        roots.add(authority.clone()).map_err(TrustError::Authority)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Empty where the operating system has none: then only configured authorities count.
fn system_authorities() -> Vec<CertificateDer<'static>> {
    let Some(bundle) = BUNDLES.iter().map(Path::new).find(|path| path.exists()) else {
        return Vec::new();
    };
    match CertificateDer::pem_file_iter(bundle) {
        Ok(certificates) => certificates.filter_map(Result::ok).collect(),
        Err(error) => {
            tracing::warn!(path = %bundle.display(), %error, "system authorities are unreadable");
            Vec::new()
        }
    }
}
