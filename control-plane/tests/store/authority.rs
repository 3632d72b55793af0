//! Certificates for an etcd that speaks TLS.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Paths of PEM files.
pub(crate) struct Pki {
    pub(crate) ca: String,
    pub(crate) server_certificate: String,
    pub(crate) server_key: String,
    pub(crate) client_certificate: String,
    pub(crate) client_key: String,
}

pub(crate) fn make(folder: &Path) -> Pki {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        (
            write(&format!("{name}.pem"), certificate.pem()),
            write(&format!("{name}.key"), key.serialize_pem()),
        )
    };
    let (server_certificate, server_key) = leaf("server");
    let (client_certificate, client_key) = leaf("client");
    Pki {
        ca: write("ca.pem", ca.pem()),
        server_certificate,
        server_key,
        client_certificate,
        client_key,
    }
}
