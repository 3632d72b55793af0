//! Which certificate does a caller have, and how is it told to others?
//!
//! RFC 9440: the leaf in `Client-Cert`, what signed it in `Client-Cert-Chain`, each in DER as a byte
//! sequence of structured fields. A proxy that is trusted says it in these fields, or in WSO2's own.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use http::HeaderMap;
use plan::{CallerRightsPlan, CallersPlan, Plan, SecurityPlan};
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::digest::sha256;

/// The fields of RFC 9440.
pub const CLIENT_CERT: &str = "client-cert";
pub const CLIENT_CERT_CHAIN: &str = "client-cert-chain";
/// WSO2's field.
pub const X_WSO2_CLIENT_CERTIFICATE: &str = "x-wso2-client-certificate";

/// Certificates after the leaf that are taken from a field.
const MAX_CHAIN: usize = 16;
/// Padding may be left out: some proxies do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A certificate that a client has proven to own, or that a trusted proxy says it has.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    leaf: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    leaf_field: String,
    chain_field: String,
    thumbprint: OnceCell<[u8; 32]>,
    judged: RefCell<Option<Judged>>,
}

/// What it was good for the last time that somebody asked.
#[derive(Clone, Debug)]
struct Judged {
    security: Arc<SecurityPlan>,
    rights: Option<Arc<CallerRightsPlan>>,
    /// Until when that counts: lists of what was revoked, and those who signed it, run out too.
    until_unix: i64,
}

/// How long a judgement counts, in seconds.
const COUNTS: i64 = 10;

/// How much of it backends are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Nothing.
    #[default]
    None,
    /// `Client-Cert`.
    Leaf,
    /// `Client-Cert` and `Client-Cert-Chain`.
    Chain,
}

impl ClientCertificate {
    /// What was shown in a handshake, the leaf first.
    pub fn shown(certificates: &[CertificateDer<'_>]) -> Option<Self> {
        let mut all = certificates.iter().map(|der| der.clone().into_owned());
        Some(Self::new(all.next()?, all.collect()))
    }

    /// What a trusted proxy says; nothing where it cannot be read.
    pub fn said(headers: &HeaderMap) -> Option<Self> {
        if let Some(leaf) = one(headers, CLIENT_CERT) {
            let leaf = byte_sequence(leaf)?;
            let chain: Option<Vec<_>> = headers
                .get_all(CLIENT_CERT_CHAIN)
                .iter()
                .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
                .take(MAX_CHAIN + 1)
                .map(byte_sequence)
                .collect();
            return Some(Self::new(leaf, chain.filter(|chain| chain.len() <= MAX_CHAIN)?));
        }
        let mut chain = from_wso2(one(headers, X_WSO2_CLIENT_CERTIFICATE)?)?.into_iter();
        Some(Self::new(chain.next()?, chain.collect()))
    }

    /// The certificate itself, in DER.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// Those that signed it, each the one before, in DER.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Its SHA-256 (`x5t#S256`, RFC 8705 section 3.1).
    pub fn thumbprint(&self) -> &[u8; 32] {
        self.thumbprint.get_or_init(|| sha256([&*self.leaf]))
    }

    /// What it is good for at an API with this `security`; `None`: for nothing. The same connection
    /// asks again and again, so the answer counts for a few seconds.
    pub fn rights(
        &self,
        security: &Arc<SecurityPlan>,
        callers: &CallersPlan,
        plan: &Plan,
        now_unix: i64,
    ) -> Option<Arc<CallerRightsPlan>> {
        let mut judged = self.judged.borrow_mut();
        let same = |judged: &&Judged| {
            Arc::ptr_eq(&judged.security, security) && now_unix < judged.until_unix
        };
        if let Some(judged) = judged.as_ref().filter(same) {
            return judged.rights.clone();
        }
        let authority = |name: &str| plan.client_authority(name);
        let rights = callers.find(&self.leaf, &self.chain, now_unix, authority).cloned();
        *judged = Some(Judged {
            security: Arc::clone(security),
            rights: rights.clone(),
            until_unix: now_unix.saturating_add(COUNTS),
        });
        rights
    }

    /// The fields that a backend gets.
    pub fn fields(&self, told: Told) -> impl Iterator<Item = (&'static str, &[u8])> {
        let leaf = (told != Told::None).then_some((CLIENT_CERT, self.leaf_field.as_bytes()));
        let chain = told == Told::Chain && !self.chain.is_empty();
        let chain = chain.then_some((CLIENT_CERT_CHAIN, self.chain_field.as_bytes()));
        leaf.into_iter().chain(chain)
    }

    fn new(leaf: CertificateDer<'static>, chain: Vec<CertificateDer<'static>>) -> Self {
        let field = |der: &CertificateDer<'_>| [":", &STANDARD.encode(der), ":"].concat();
        let chain_field = chain.iter().map(field).collect::<Vec<_>>().join(", ");
        let (thumbprint, judged) = (OnceCell::new(), RefCell::default());
        Self { leaf_field: field(&leaf), leaf, chain, chain_field, thumbprint, judged }
    }
}

/// The value of a field that stands once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    values.next().is_none().then_some(value)
}

/// RFC 8941 §3.3.5: base64 between colons.
fn byte_sequence(item: &[u8]) -> Option<CertificateDer<'static>> {
    let inside = item.trim_ascii().strip_prefix(b":")?.strip_suffix(b":")?;
    certificate(BASE64.decode(inside).ok()?)
}

/// PEM, which may be escaped as in URLs and have spaces for its line ends; the base64 of DER; or the
/// base64 of PEM: load balancers in front of WSO2 gateways send all of these.
fn from_wso2(value: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let text = unescaped(value)?;
    if text.contains("-----BEGIN") {
        return from_pem(&text);
    }
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(compact).ok()?;
    if decoded.starts_with(b"-----BEGIN") {
        return from_pem(str::from_utf8(&decoded).ok()?);
    }
    Some(vec![certificate(decoded)?])
}

fn from_pem(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    // Line ends do not survive in a field; blanks do, also those inside the marks.
    let lines = text.replace("-----BEGIN CERTIFICATE-----", "\n-----BEGIN CERTIFICATE-----\n");
    let lines = lines.replace("-----END CERTIFICATE-----", "\n-----END CERTIFICATE-----\n");
    let lines: Vec<String> = lines
        .lines()
        .map(|line| if line.starts_with('-') { line.to_owned() } else { line.replace(' ', "\n") })
        .collect();
    let pem = lines.join("\n");
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).take(MAX_CHAIN + 2).collect();
    let chain = chain.ok().filter(|chain| chain.len() <= MAX_CHAIN + 1)?;
    chain.into_iter().map(|der| certificate(der.to_vec())).collect()
}

/// The text with `%XX` undone.
fn unescaped(value: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        out.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(out).ok()
}

/// Only what is a certificate.
fn certificate(der: Vec<u8>) -> Option<CertificateDer<'static>> {
    let der = CertificateDer::from(der);
    ParsedCertificate::try_from(&der).ok()?;
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two certificates, in PEM.
    fn pem() -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        chassis::pki::development(folder.path(), &["gateway"]).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        (read("gateway.pem"), read("ca.pem"))
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// What is understood of these fields: leaf and chain.
    #[track_caller]
    fn check(fields: &[(&'static str, &str)], expected: Option<(&str, &[&str])>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let said = ClientCertificate::said(&headers);
        let expected = expected.map(|(leaf, chain)| {
            ClientCertificate::new(der(leaf), chain.iter().map(|pem| der(pem)).collect())
        });
        let parts = |it: ClientCertificate| (it.leaf, it.chain, it.leaf_field, it.chain_field);
        assert_eq!(said.map(parts), expected.map(parts), "{fields:?}");
    }

    #[test]
    fn what_is_told_is_understood() {
        let (leaf, ca) = pem();
        let shown = ClientCertificate::shown(&[der(&leaf), der(&ca)]).unwrap();
        let fields = |told| -> Vec<(&str, String)> {
            let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
            shown.fields(told).map(|(name, value)| (name, text(value))).collect()
        };
        let [leaf_field, chain_field] = fields(Told::Chain).try_into().unwrap();
        assert_eq!(fields(Told::Leaf), std::slice::from_ref(&leaf_field));
        assert_eq!(fields(Told::None), []);
        let (one, two) = ((leaf_field.0, &*leaf_field.1), (chain_field.0, &*chain_field.1));
        check(&[one, two], Some((&leaf, &[&ca])));
        check(&[one], Some((&leaf, &[])));
        check(&[two], None);
        assert!(one.1.starts_with(":MI") && one.1.ends_with(':'), "{}", one.1);
    }

    #[test]
    fn wso2s_field_is_understood_in_all_its_forms() {
        let (leaf, ca) = pem();
        let name = X_WSO2_CLIENT_CERTIFICATE;
        let flat = |pem: &str| pem.replace('\n', " ");
        let escaped = leaf.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B");
        let base64 = STANDARD.encode(der(&leaf));
        for form in [flat(&leaf), leaf.replace('\n', ""), escaped, base64, STANDARD.encode(&leaf)] {
            check(&[(name, &form)], Some((&leaf, &[])));
        }
        check(&[(name, &flat(&format!("{leaf}{ca}")))], Some((&leaf, &[&ca])));
    }

    #[test]
    fn what_is_no_certificate_is_not_understood() {
        let (leaf, _) = pem();
        let good = [":", &STANDARD.encode(der(&leaf)), ":"].concat();
        for wrong in ["", ":", "::", ":AAAA:", "AAAA", good.trim_matches(':'), ":%%%:"] {
            check(&[(CLIENT_CERT, wrong)], None);
            check(&[(CLIENT_CERT, &good), (CLIENT_CERT_CHAIN, wrong)], None);
        }
        check(&[(CLIENT_CERT, &good), (CLIENT_CERT, &good)], None);
        for wrong in ["", "AAAA", "%", "%zz", "-----BEGIN CERTIFICATE-----", "Ω"] {
            if let Ok(value) = wrong.parse::<http::HeaderValue>() {
                let headers = HeaderMap::from_iter([(
                    http::HeaderName::from_static(X_WSO2_CLIENT_CERTIFICATE),
                    value,
                )]);
                assert!(ClientCertificate::said(&headers).is_none(), "{wrong}");
            }
        }
    }
}
