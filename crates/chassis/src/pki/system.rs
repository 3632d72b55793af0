//! Whom does the operating system trust?

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Where operating systems keep the authorities they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities of the operating system. Empty where it has none: then only configured ones
/// count. Reads a file.
pub fn system_authorities() -> Vec<CertificateDer<'static>> {
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
