//! Did a service of this name say this, also where it is read much later and from a file?
//!
//! A service signs with the key of its own certificate, so no other key has to be distributed. What
//! is signed says for what it is signed, and begins as nothing does that TLS signs with the same key
//! (RFC 8446 section 4.4.3): neither can be taken for the other. Who verifies asks whether the
//! certificate was good when it was used, because what was said stays said after it has expired.

use std::time::Duration;

use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

use super::anchors::Anchors;
use super::error::Error;
use super::peer::Peer;

/// By what we sign; the first that fits the key.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
];
/// A chain of more certificates is not looked at.
const LONGEST_CHAIN: usize = 8;
/// What TLS signs begins with 64 spaces and another text.
const OPENING: &[u8] = b"turnpike: said by a service\0";

/// What proves that a service has said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made: a `SignatureScheme` of TLS (RFC 8446 section 4.2.3).
    pub scheme: u16,
    /// The signature itself.
    pub bytes: Vec<u8>,
    /// The certificate of the service, and those that it stands on, without the authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// When it was made, in seconds since the Unix epoch.
    pub signed_at: i64,
}

/// Why something does not count as said.
#[derive(Debug, thiserror::Error)]
pub enum NotSaid {
    /// There is no certificate, or there are too many.
    #[error("it comes with {0} certificates")]
    Chain(usize),
    /// The certificate is not one of our authority, or was not good then.
    #[error("the certificate does not stand on our authority as of when it was used")]
    Untrusted(#[source] TlsError),
    /// The certificate is another service's.
    #[error("it was signed by {}, not by a {expected}", found.as_deref().unwrap_or("nobody of ours"))]
    Name {
        /// Who should have said it.
        expected: String,
        /// Who did; none: the certificate names no service.
        found: Option<String>,
    },
    /// It was made in a way that is not used here.
    #[error("it was signed in a way that is not used here ({0:#06x})")]
    Scheme(u16),
    /// Something else was signed, or with another key.
    #[error("the signature is not one of this certificate over this content")]
    Forged,
}

/// Signs `content` for the use `domain`; `now` is in seconds since the Unix epoch.
pub(super) fn sign(
    key: &CertifiedKey,
    domain: &str,
    content: &[u8],
    now: i64,
) -> Result<Signature, Error> {
    let unfit = || TlsError::General("the key cannot sign in a way that is used here".to_owned());
    let signer = key.key.choose_scheme(&SCHEMES).ok_or_else(unfit)?;
    let bytes = signer.sign(&message(domain, now, content))?;
    let scheme = u16::from(signer.scheme());
    Ok(Signature { scheme, bytes, chain: key.cert.clone(), signed_at: now })
}

/// Whether a service called `name` has signed `content` for the use `domain`.
pub(super) fn verify(
    anchors: &Anchors,
    name: &str,
    domain: &str,
    content: &[u8],
    signature: &Signature,
) -> Result<(), NotSaid> {
    let chain = &signature.chain;
    let (leaf, others) = chain
        .split_first()
        .filter(|_| chain.len() <= LONGEST_CHAIN)
        .ok_or(NotSaid::Chain(chain.len()))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(signature.signed_at).unwrap_or_default(),
    ));
    anchors.vouch(leaf, others, at).map_err(NotSaid::Untrusted)?;
    let peer = Peer::from_certificate(leaf);
    if peer.as_ref().is_none_or(|peer| peer.name != name) {
        let found = peer.map(|peer| peer.to_string());
        return Err(NotSaid::Name { expected: name.to_owned(), found });
    }
    let scheme = SignatureScheme::from(signature.scheme);
    let way = anchors.verifies(scheme).filter(|_| SCHEMES.contains(&scheme));
    let way = way.ok_or(NotSaid::Scheme(signature.scheme))?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| NotSaid::Forged)?;
    let message = message(domain, signature.signed_at, content);
    leaf.verify_signature(way, &message, &signature.bytes).map_err(|_| NotSaid::Forged)
}

/// What is signed: every part has a length or an end, so no two contents make the same message.
fn message(domain: &str, at: i64, content: &[u8]) -> Vec<u8> {
    let mut message = OPENING.to_vec();
    message.extend_from_slice(domain.as_bytes());
    message.push(0);
    message.extend_from_slice(&at.to_le_bytes());
    message.extend_from_slice(content);
    message
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
