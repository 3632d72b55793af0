//! Is a certificate the client's? (RFC 8705 section 2)
//!
//! It came with the connection, so its private key is held at the other end. Signed by an authority
//! it counts by its name; signed by nobody else it counts by its key.

use std::net::IpAddr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::pki::Identity;
use jose::KeySet;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::distinguished;
use crate::domain::CertificateName;

/// Which certificates of clients count.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    accepted: bool,
    authority: Option<Identity>,
}

impl Certificates {
    /// `authority` holds the anchors of `tls_client_auth`.
    pub const fn accepted(authority: Option<Identity>) -> Self {
        Self { accepted: true, authority }
    }

    /// Whether clients may show certificates at all.
    pub const fn are_accepted(&self) -> bool {
        self.accepted
    }

    /// Whether there is an authority whose word is taken for a name.
    pub const fn has_authority(&self) -> bool {
        self.accepted && self.authority.is_some()
    }

    /// Whether the authority signed `der` for `name`, and it is good now.
    pub(super) fn name(&self, der: &[u8], name: &CertificateName, now: i64) -> bool {
        let Some(authority) = self.authority.as_ref().filter(|_| self.accepted) else {
            return false;
        };
        let Some(certificate) = read(der, now) else { return false };
        authority.vouches_for_client(&CertificateDer::from(der), now) && names(&certificate, name)
    }

    /// Whether the key of `der` is one of `known`, and it is good now.
    pub(super) fn hold_key(&self, der: &[u8], known: &KeySet, now: i64) -> bool {
        let Some(certificate) = read(der, now).filter(|_| self.accepted) else { return false };
        let Some(key) = public_jwk(&certificate) else { return false };
        let shown = KeySet::parse(&json!({ "keys": [key] }).to_string()).unwrap_or_default();
        let Some(shown) = shown.keys().first() else { return false };
        known.keys().iter().any(|known| known.thumbprint() == shown.thumbprint())
    }
}

/// `x5t#S256`: SHA-256 of the DER, base64url (RFC 8705 section 3.1).
pub fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der))
}

/// The certificate, if it is one and valid now.
fn read(der: &[u8], now: i64) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let valid = (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
    (valid && rest.is_empty()).then_some(certificate)
}

fn names(certificate: &X509Certificate<'_>, expected: &CertificateName) -> bool {
    if let CertificateName::Subject(expected) = expected {
        return distinguished::is(certificate.subject(), expected);
    }
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| match (name, expected) {
        (GeneralName::DNSName(name), CertificateName::Dns(expected)) => {
            name.eq_ignore_ascii_case(expected)
        }
        (GeneralName::URI(name), CertificateName::Uri(expected))
        | (GeneralName::RFC822Name(name), CertificateName::Email(expected)) => name == expected,
        (GeneralName::IPAddress(bytes), CertificateName::Ip(expected)) => {
            address(bytes) == Some(*expected)
        }
        _ => false,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let short = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    short.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The public key as a JWK, so that `jose` compares keys and nothing else does.
fn public_jwk(certificate: &X509Certificate<'_>) -> Option<Value> {
    const ED25519: &str = "1.3.101.112";
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let info = certificate.public_key();
    if info.algorithm.algorithm.to_id_string() == ED25519 {
        let point = encode(&info.subject_public_key.data);
        return Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": point }));
    }
    match info.parsed().ok()? {
        PublicKey::RSA(key) => {
            let (n, e) = (without_sign(key.modulus), without_sign(key.exponent));
            Some(json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }))
        }
        PublicKey::EC(point) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            let curve = match curve.as_str() {
                "1.2.840.10045.3.1.7" => "P-256",
                "1.3.132.0.34" => "P-384",
                _ => return None,
            };
            let both = point.data().strip_prefix(&[4])?;
            let (x, y) = both.split_at_checked(both.len() / 2)?;
            Some(json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) }))
        }
        _ => None,
    }
}

/// A number without the byte that only says that it is positive.
fn without_sign(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}
