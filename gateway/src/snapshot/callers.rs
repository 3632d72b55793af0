//! Whose certificates are believed of callers?
//!
//! Of those that an authority in the operator's file has signed, and of those that an authority of
//! the plan has: both are asked at each handshake, so that a listener follows either.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use plan::Plan;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Verifies the certificates of callers.
pub struct Callers {
    mandatory: bool,
    file: Option<Arc<dyn ClientCertVerifier>>,
    published: ArcSwapOption<Published>,
    provider: Arc<CryptoProvider>,
}

struct Published {
    authorities: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Callers {
    /// Believes `file`, and the plans that follow. `mandatory`: nobody comes in without a
    /// certificate.
    pub fn new(mandatory: bool, file: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self { mandatory, file, published: ArcSwapOption::empty(), provider }
    }

    /// Believes the authorities of `plan` from now on.
    pub(super) fn follow(&self, plan: &Plan) {
        let before = self.published.load();
        let same = |before: &Arc<Published>| plan.client_authorities().eq(&before.authorities);
        if before.as_ref().map_or_else(|| plan.client_authorities().next().is_none(), same) {
            return;
        }
        let authorities: Vec<_> = plan.client_authorities().cloned().collect();
        let mut roots = RootCertStore::empty();
        // The plan holds nothing that could not be added.
        roots.add_parsable_certificates(authorities.iter().cloned());
        if roots.is_empty() {
            self.published.store(None);
            return;
        }
        let provider = Arc::clone(&self.provider);
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        match builder.build() {
            Ok(verifier) => {
                self.published.store(Some(Arc::new(Published { authorities, verifier })));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "authorities of callers cannot be used, the earlier stay");
            }
        }
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
        let published = published.as_ref().map(|published| &published.verifier);
        let mut refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for verifier in published.into_iter().chain(&self.file) {
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
