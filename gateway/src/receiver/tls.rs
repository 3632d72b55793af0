//! How is TLS spoken to clients?
//!
//! Version 1.2 or 1.3, with the suites of the library, which has none without forward secrecy and
//! authenticated encryption. A session is resumed only where nobody is asked for a certificate: a
//! resumed one would bring a caller past authorities that have changed since.

use std::sync::Arc;

use chassis::Host;
use chassis::pki::{self, ClientAuth};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};

use super::config::{Asked, Config};
use crate::snapshot::{Callers, Certificates};

/// What is spoken inside, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the configuration is not what it should be.
    #[error("the certificates of the section [receiver] cannot be used")]
    Files(#[from] pki::Error),
    /// The library refuses.
    #[error("the TLS configuration is refused")]
    Refused(#[from] rustls::Error),
}

/// What clients are shown and who is believed of them, and the configuration that follows both.
pub fn tls(
    config: &Config,
    host: &Host,
) -> Result<(Arc<Certificates>, Arc<ServerConfig>), TlsError> {
    let authorities = &config.client_authorities;
    let identity = host.identity(&config.certificate, &config.key, authorities)?;
    let own = identity.server_config(ClientAuth::None, &[])?;
    let certificates = Certificates::new(&own, host.clock.clone()).with_identity(identity.clone());
    if config.client_certificates == Asked::None {
        let certificates = Arc::new(certificates);
        let shown = Arc::clone(&certificates);
        return Ok((certificates, server_config(shown, None)?));
    }
    let file = (!authorities.is_empty()).then(|| identity.client_verifier());
    let callers = Arc::new(Callers::new(config.client_certificates == Asked::Required, file));
    let certificates = Arc::new(certificates.with_callers(Arc::clone(&callers)));
    let shown = Arc::clone(&certificates);
    Ok((certificates, server_config(shown, Some(callers))?))
}

/// A configuration that shows `certificates`, and asks clients for theirs where there is somebody
/// who verifies them.
fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
    callers: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let resumes = callers.is_none();
    let builder = match callers {
        Some(callers) => builder.with_client_cert_verifier(callers),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if resumes {
        // The client keeps the session, sealed by a key that changes every few hours.
        config.ticketer = Ticketer::new()?;
    } else {
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}
