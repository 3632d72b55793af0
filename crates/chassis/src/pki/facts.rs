//! What does a certificate say about itself, for people to read?
//!
//! Whoever made it wrote the texts, so each is cut to a length and their number is bounded.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Characters of one text.
const MOST_CHARACTERS: usize = 256;
/// Names of one certificate.
const MOST_NAMES: usize = 64;

/// What stands in a certificate in plain sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is, as `CN=…, O=…`; often empty.
    pub subject: String,
    /// Who signed it, in the same form.
    pub issuer: String,
    /// Host names, addresses and URIs that it is for (RFC 5280 §4.2.1.6), the first 64 of them.
    pub names: Vec<String>,
    /// The first and the last second in which it is good, since the Unix epoch.
    pub valid: RangeInclusive<i64>,
}

impl Facts {
    /// What `certificate` says; `None`: it is none.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let validity = certificate.validity();
        Some(Self {
            subject: cut(&certificate.subject().to_string()),
            issuer: cut(&certificate.issuer().to_string()),
            names: names.filter_map(name).take(MOST_NAMES).collect(),
            valid: validity.not_before.timestamp()..=validity.not_after.timestamp(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            Some(cut(text))
        }
        GeneralName::IPAddress(bytes) => {
            let short = <[u8; 4]>::try_from(*bytes).map(|four| Ipv4Addr::from(four).to_string());
            let long = || <[u8; 16]>::try_from(*bytes).map(|all| Ipv6Addr::from(all).to_string());
            short.or_else(|_| long()).ok()
        }
        _ => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARACTERS).collect()
}
