//! Which service stands in a certificate?
//!
//! Its name is the URI `turnpike://<name>/<instance>` among the alternative names, as SPIFFE does
//! it: addresses and host names change, the name of a service does not.

use std::fmt;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const SCHEME: &str = "turnpike://";

/// A service, and which one of its like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// `gateway`, `key-manager`, `control-plane`, `analytics-collector` or `admin`.
    pub name: String,
    /// The instance among its like.
    pub instance: String,
}

impl Peer {
    /// The peer that a certificate names; `None` where it names none, or more than one.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let mut peers = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Self::from_uri(uri),
            _ => None,
        });
        let peer = peers.next()?;
        peers.next().is_none().then_some(peer)
    }

    pub(super) fn uri(&self) -> String {
        format!("{SCHEME}{}/{}", self.name, self.instance)
    }

    fn from_uri(uri: &str) -> Option<Self> {
        let (name, instance) = uri.strip_prefix(SCHEME)?.split_once('/')?;
        let valid = is_name(name) && is_name(instance);
        valid.then(|| Self { name: name.to_owned(), instance: instance.to_owned() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.instance)
    }
}

/// Whether a text can stand in a file name, in a URI and in a log without being escaped.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && text.len() <= 128 && !text.starts_with('.') && text.bytes().all(plain)
}
