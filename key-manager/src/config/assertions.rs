//! Whose word about people is taken?

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use jose::KeySet;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::value;
use crate::client_auth::ASSERTION_ALGORITHMS;
use crate::grant::{IssuerKeys, SamlIssuer, TrustedIssuer};
use crate::saml::{Algorithm, SignerKey};

/// `[assertions]`: whose word about people is taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionsConfig {
    pub trusted: Vec<TrustedConfig>,
    pub saml: Vec<SamlConfig>,
}

/// `[[assertions.saml]]`: one that speaks SAML 2.0.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamlConfig {
    /// Its entity identifier.
    pub issuer: String,
    /// A PEM file with the certificates that it signs with.
    pub certificates: PathBuf,
    /// An attribute; empty: the `NameID`.
    #[serde(default)]
    pub subject: String,
    #[serde(default = "five_minutes", deserialize_with = "value::seconds")]
    pub longest: i64,
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// `[[assertions.trusted]]`: one server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedConfig {
    pub issuer: String,
    /// A file with its keys, or `jwks_uri`.
    #[serde(default)]
    pub jwks: PathBuf,
    #[serde(default)]
    pub jwks_uri: String,
    #[serde(default = "es256")]
    pub algorithms: Vec<String>,
    #[serde(default = "sub")]
    pub subject: String,
    #[serde(default = "five_minutes", deserialize_with = "value::seconds")]
    pub longest: i64,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn es256() -> Vec<String> {
    vec!["ES256".to_owned()]
}

fn sub() -> String {
    "sub".to_owned()
}

const fn five_minutes() -> i64 {
    300
}

const fn yes() -> bool {
    true
}

impl AssertionsConfig {
    /// Those that are enabled. Reads files.
    pub fn issuers(&self) -> anyhow::Result<Vec<TrustedIssuer>> {
        let enabled = self.trusted.iter().filter(|one| one.enabled);
        let read = |one: &TrustedConfig| {
            one.read().with_context(|| format!("assertions.trusted: {}", one.issuer))
        };
        let all: Vec<_> = enabled.map(read).collect::<Result<_, _>>()?;
        for (place, one) in all.iter().enumerate() {
            let again = all.iter().skip(place.saturating_add(1));
            anyhow::ensure!(
                again.into_iter().all(|other| other.issuer != one.issuer),
                "assertions.trusted: {} comes twice",
                one.issuer
            );
        }
        Ok(all)
    }
}

impl AssertionsConfig {
    /// Those that are enabled and speak SAML. Reads files.
    pub fn saml(&self) -> anyhow::Result<Vec<SamlIssuer>> {
        let mut all: Vec<SamlIssuer> = Vec::new();
        for one in self.saml.iter().filter(|one| one.enabled) {
            let about = || format!("assertions.saml: {}", one.issuer);
            anyhow::ensure!(!one.issuer.is_empty(), "assertions.saml: `issuer` is missing");
            let again = all.iter().any(|known| known.issuer == one.issuer);
            anyhow::ensure!(!again, "{} comes twice", about());
            all.push(one.read().with_context(about)?);
        }
        Ok(all)
    }
}

impl SamlConfig {
    fn read(&self) -> anyhow::Result<SamlIssuer> {
        let path = &self.certificates;
        let unreadable = || format!("{} is unreadable", path.display());
        let mut keys = Vec::new();
        for certificate in CertificateDer::pem_file_iter(path).with_context(unreadable)? {
            keys.push(signer(&certificate.with_context(unreadable)?)?);
        }
        anyhow::ensure!(!keys.is_empty(), "there is no certificate in {}", path.display());
        Ok(SamlIssuer {
            issuer: self.issuer.clone(),
            keys,
            subject: self.subject.clone(),
            longest_seconds: self.longest,
        })
    }
}

/// The key in a certificate. Who signed it, and until when it is good, says nothing: it is named here.
fn signer(certificate: &CertificateDer<'_>) -> anyhow::Result<SignerKey> {
    let (_, certificate) = X509Certificate::from_der(certificate)?;
    let info = certificate.public_key();
    let algorithm = match info.parsed()? {
        PublicKey::RSA(key) if key.key_size() >= 2048 => Algorithm::RsaSha256,
        PublicKey::EC(point) if point.key_size() == 256 => Algorithm::EcdsaSha256,
        _ => anyhow::bail!("a certificate has a key that is neither RSA of 2048 bits nor P-256"),
    };
    Ok(SignerKey { algorithm, public: info.subject_public_key.data.to_vec() })
}

impl TrustedConfig {
    fn read(&self) -> anyhow::Result<TrustedIssuer> {
        anyhow::ensure!(!self.issuer.is_empty(), "`issuer` is missing");
        let file = !self.jwks.as_os_str().is_empty();
        anyhow::ensure!(
            file != self.jwks_uri.starts_with("https://"),
            "either `jwks` is a file or `jwks_uri` an https URL"
        );
        let keys = if file {
            let text = std::fs::read_to_string(&self.jwks)
                .with_context(|| format!("{} is unreadable", self.jwks.display()))?;
            IssuerKeys::Here(Arc::new(KeySet::parse(&text)?))
        } else {
            IssuerKeys::There(self.jwks_uri.clone())
        };
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            let known = ASSERTION_ALGORITHMS.into_iter().find(|known| known.name() == name);
            algorithms.push(known.with_context(|| format!("`{name}` is no algorithm here"))?);
        }
        Ok(TrustedIssuer {
            issuer: self.issuer.clone(),
            keys,
            algorithms,
            subject: self.subject.clone(),
            longest_seconds: self.longest,
        })
    }
}
