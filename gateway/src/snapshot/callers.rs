//! Whose certificates are believed of callers?
//!
//! Of those that an authority in the operator's file has signed, of those that an authority of the plan
//! has, and of callers that the plan knows one by one: all are asked at each handshake, so that a
//! listener follows them.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use plan::{ClientAuthority, Plan};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Verifies the certificates of callers.
pub struct Callers {
    mandatory: bool,
    file: Option<Arc<dyn ClientCertVerifier>>,
    published: ArcSwapOption<Published>,
    provider: Arc<CryptoProvider>,
}

struct Published {
    authorities: Vec<Arc<ClientAuthority>>,
    /// The digests of keys that are known one by one, in order.
    keys: Vec<[u8; 32]>,
}

impl Callers {
    /// Believes `file`, and the plans that follow. `mandatory`: nobody comes in without a
    /// certificate.
    pub fn new(mandatory: bool, file: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self { mandatory, file, published: ArcSwapOption::empty(), provider }
    }

    /// Believes the authorities of `plan`, and the callers that it knows, from now on.
    pub(super) fn follow(&self, plan: &Plan) {
        let authorities: Vec<_> = plan.client_authorities().cloned().collect();
        let mut keys: Vec<_> = plan.caller_keys().copied().collect();
        keys.sort_unstable();
        let before = self.published.load();
        if before.as_ref().is_some_and(|it| it.authorities == authorities && it.keys == keys) {
            return;
        }
        self.published.store(Some(Arc::new(Published { authorities, keys })));
    }
}

impl Published {
    /// Whether the certificate is known by its key. That its holder has the key, the handshake shows.
    fn knows(&self, certificate: &CertificateDer<'_>) -> bool {
        !self.keys.is_empty()
            && plan::key_digest(certificate)
                .is_some_and(|digest| self.keys.binary_search(&digest).is_ok())
    }
}

impl ClientCertVerifier for Callers {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// No hints: the list could not follow a change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let published = self.published.load();
        let published = published.as_ref();
        if published.is_some_and(|published| published.knows(certificate)) {
            return Ok(ClientCertVerified::assertion());
        }
        let authorities = published.map_or(&[][..], |published| &published.authorities);
        let mut refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for verifier in authorities.iter().map(|one| one.verifier()).chain(&self.file) {
            match verifier.verify_client_cert(certificate, intermediates, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}
