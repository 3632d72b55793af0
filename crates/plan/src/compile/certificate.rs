//! Which certificates are shown to clients, and whose are believed of backends and of callers?

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::certificate_spec::Use;
use turnpike_proto::config::v1::{Certificate, CertificateSpec};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::api::unknown;
use super::head::required;
use super::host::parse_host;
use crate::problem::{At, Problems};

const MAX_CHAIN: usize = 16;
const MAX_CRLS_BYTES: usize = 4 * 1024 * 1024;

/// A certificate for listeners with its key, chosen by server name.
pub struct ListenerCertificate {
    /// The name of the Certificate resource.
    pub name: Arc<str>,
    /// The host names it is shown for, in lower case; `*.` in front stands for one label.
    pub hosts: Vec<String>,
    /// The chain and the key.
    pub certified: Arc<CertifiedKey>,
    /// The first and the last second in which it is good, since the Unix epoch.
    pub valid: RangeInclusive<i64>,
}

impl fmt::Debug for ListenerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerCertificate")
            .field("name", &self.name)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// An authority that signs certificates of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority(pub(crate) Vec<CertificateDer<'static>>);

/// An authority that signs certificates of callers, with what it has revoked.
pub struct ClientAuthority {
    certificates: Vec<CertificateDer<'static>>,
    crls: Vec<CertificateRevocationListDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        crls: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for (position, certificate) in certificates.iter().enumerate() {
            if roots.add(certificate.clone()).is_err() {
                return Err(format!("certificate {} cannot be an authority", position + 1));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(crls.iter().cloned())
            .enforce_revocation_expiration();
        let verifier = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { certificates, crls, verifier })
    }

    /// Whether it has signed `leaf`, directly or through `chain`, and neither is past its time or
    /// revoked at `now_unix`.
    pub fn signed(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now_unix: i64,
    ) -> bool {
        let now = Duration::from_secs(u64::try_from(now_unix).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(now);
        self.verifier.verify_client_cert(leaf, chain, now).is_ok()
    }

    /// What verifies certificates that it has signed.
    pub fn verifier(&self) -> &Arc<dyn ClientCertVerifier> {
        &self.verifier
    }
}

impl PartialEq for ClientAuthority {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates && self.crls == other.crls
    }
}

impl Eq for ClientAuthority {}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuthority")
            .field("certificates", &self.certificates.len())
            .field("crls", &self.crls.len())
            .finish_non_exhaustive()
    }
}

/// SHA-256 of the key of a certificate in DER, with its algorithm (`SubjectPublicKeyInfo`); `None`: it
/// cannot be read.
pub fn key_digest(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| spki_digest(&parsed))
}

/// SHA-256 of the key of a certificate, with its algorithm (`SubjectPublicKeyInfo`).
pub(crate) fn spki_digest(certificate: &X509Certificate<'_>) -> [u8; 32] {
    Sha256::digest(certificate.public_key().raw).into()
}

/// What a certificate says by itself; a listener's takes its Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertificateForm {
    Listener {
        hosts: Vec<String>,
        chain: Vec<CertificateDer<'static>>,
        secret: String,
    },
    Authority(Authority),
    /// Shown to backends.
    Client {
        chain: Vec<CertificateDer<'static>>,
        secret: String,
    },
    /// Of callers.
    ClientAuthority(Arc<ClientAuthority>),
    /// A caller, by the digest of the key.
    Caller([u8; 32]),
}

pub(crate) fn compile_certificate(
    certificate: &Certificate,
    problems: &mut Problems,
) -> Option<CertificateForm> {
    let spec = required(certificate.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    let chain = compile_chain(&spec.chain, &at.name("chain"), problems);
    let form = match Use::try_from(spec.r#use) {
        Ok(Use::Listener) => compile_listener(spec, &chain, &at, problems),
        Ok(Use::BackendCa) => {
            CertificateForm::Authority(compile_authority(spec, &chain, &at, problems))
        }
        Ok(Use::ClientCa) => compile_client_authority(spec, &chain, &at, problems)?,
        Ok(Use::Caller) => compile_caller(spec, &chain, &at, problems)?,
        Ok(Use::BackendClient) => compile_client(spec, &chain, &at, problems),
        Err(_) => {
            problems.add(&at.name("use"), unknown(spec.r#use), "");
            return None;
        }
    };
    if !spec.crls.is_empty() && spec.r#use != i32::from(Use::ClientCa) {
        problems.add(&at.name("crls"), "they are of a `client_ca`", "leave them out");
    }
    problems.is_empty().then_some(form)
}

fn compile_chain(pem: &str, at: &At<'_>, problems: &mut Problems) -> Vec<CertificateDer<'static>> {
    let mut chain = Vec::new();
    for (position, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let Ok(der) = certificate else {
            problems.add(at, format!("certificate {} is no PEM", position + 1), "");
            return Vec::new();
        };
        let whole = X509Certificate::from_der(&der).is_ok_and(|(rest, _)| rest.is_empty());
        if !whole {
            let reason = format!("certificate {} is no X.509 certificate", position + 1);
            problems.add(at, reason, "");
        }
        chain.push(der);
        if chain.len() > MAX_CHAIN {
            problems.add(at, format!("a chain has at most {MAX_CHAIN} certificates"), "");
            return Vec::new();
        }
    }
    if chain.is_empty() {
        let suggestion = "put PEM here, starting with `-----BEGIN CERTIFICATE-----`";
        problems.add(at, "there is no certificate in it", suggestion);
    }
    chain
}

fn compile_listener(
    spec: &CertificateSpec,
    chain: &[CertificateDer<'static>],
    at: &At<'_>,
    problems: &mut Problems,
) -> CertificateForm {
    check_key(spec, "listener", at, problems);
    let list = at.name("hosts");
    let mut hosts = Vec::new();
    for (index, host) in spec.hosts.iter().enumerate() {
        match parse_host(host) {
            Ok(_) => hosts.push(host.to_ascii_lowercase()),
            Err((reason, suggestion)) => problems.add(&list.index(index), reason, suggestion),
        }
    }
    if spec.hosts.is_empty() {
        hosts = chain.first().map(|leaf| names_inside(leaf)).unwrap_or_default();
        if hosts.is_empty() && !chain.is_empty() {
            let reason = "the certificate names no host, and none is listed";
            problems.add(&list, reason, "list the host names it is shown for");
        }
    }
    CertificateForm::Listener { hosts, chain: chain.to_vec(), secret: spec.key_secret.clone() }
}

/// The DNS names of the certificate (RFC 5280 §4.2.1.6).
fn names_inside(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}

/// When the leaf is good; always, where that cannot be read.
pub(crate) fn validity(chain: &[CertificateDer<'_>]) -> RangeInclusive<i64> {
    let leaf = chain.first().and_then(|der| X509Certificate::from_der(der).ok());
    leaf.map_or(i64::MIN..=i64::MAX, |(_, leaf)| {
        let validity = leaf.validity();
        validity.not_before.timestamp()..=validity.not_after.timestamp()
    })
}

fn compile_authority(
    spec: &CertificateSpec,
    chain: &[CertificateDer<'static>],
    at: &At<'_>,
    problems: &mut Problems,
) -> Authority {
    if !spec.key_secret.is_empty() {
        problems.add(&at.name("keySecret"), "an authority needs no key here", "leave it out");
    }
    if !spec.hosts.is_empty() {
        problems.add(&at.name("hosts"), "an authority is shown to nobody", "leave it out");
    }
    let mut store = RootCertStore::empty();
    for (position, certificate) in chain.iter().enumerate() {
        if store.add(certificate.clone()).is_err() {
            let reason = format!("certificate {} cannot be an authority", position + 1);
            problems.add(&at.name("chain"), reason, "");
        }
    }
    Authority(chain.to_vec())
}

/// An authority of callers, with its lists.
fn compile_client_authority(
    spec: &CertificateSpec,
    chain: &[CertificateDer<'static>],
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CertificateForm> {
    let Authority(certificates) = compile_authority(spec, chain, at, problems);
    let here = at.name("crls");
    let mut crls = Vec::new();
    if spec.crls.len() > MAX_CRLS_BYTES {
        let reason = format!("they have {} bytes, at most {MAX_CRLS_BYTES}", spec.crls.len());
        problems.add(&here, reason, "");
        return None;
    }
    for (position, crl) in
        CertificateRevocationListDer::pem_slice_iter(spec.crls.as_bytes()).enumerate()
    {
        match crl {
            Ok(crl) => crls.push(crl),
            Err(_) => problems.add(&here, format!("list {} is no PEM", position + 1), ""),
        }
    }
    if crls.is_empty() && !spec.crls.is_empty() {
        let suggestion = "put PEM here, starting with `-----BEGIN X509 CRL-----`";
        problems.add(&here, "there is no revocation list in it", suggestion);
    }
    if !problems.is_empty() {
        return None;
    }
    match ClientAuthority::new(certificates, crls) {
        Ok(authority) => Some(CertificateForm::ClientAuthority(Arc::new(authority))),
        Err(reason) => {
            problems.add(&here, reason, "");
            None
        }
    }
}

/// A caller's own certificate: its key is what counts.
fn compile_caller(
    spec: &CertificateSpec,
    chain: &[CertificateDer<'static>],
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<CertificateForm> {
    if !spec.key_secret.is_empty() {
        problems.add(&at.name("keySecret"), "the key is the caller's own", "leave it out");
    }
    if !spec.hosts.is_empty() {
        problems.add(&at.name("hosts"), "a caller has no host names", "leave it out");
    }
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    Some(CertificateForm::Caller(spki_digest(&leaf)))
}

/// Who shows a certificate has to have its key.
fn check_key(spec: &CertificateSpec, who: &str, at: &At<'_>, problems: &mut Problems) {
    if spec.key_secret.is_empty() {
        let reason = format!("a {who}'s certificate needs its key");
        problems.add(&at.name("keySecret"), reason, "name the Secret that holds the key");
    }
}

fn compile_client(
    spec: &CertificateSpec,
    chain: &[CertificateDer<'static>],
    at: &At<'_>,
    problems: &mut Problems,
) -> CertificateForm {
    check_key(spec, "client", at, problems);
    if !spec.hosts.is_empty() {
        problems.add(&at.name("hosts"), "it is shown by whom an endpoint says", "leave it out");
    }
    CertificateForm::Client { chain: chain.to_vec(), secret: spec.key_secret.clone() }
}

/// The private key in a Secret's value.
pub(crate) fn read_private_key(value: &str) -> Result<Arc<dyn SigningKey>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(value.as_bytes())
        .map_err(|_| "the Secret holds no private key in PEM")?;
    any_supported_type(&key).map_err(|_| "the private key is of a kind that TLS does not use")
}

/// The chain and the key as one, if they belong together.
pub(crate) fn check_pair(
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
) -> Result<CertifiedKey, &'static str> {
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Without a way to compare, the handshake will tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(_) => Err("the private key does not belong to the certificate"),
    }
}
