//! Whose certificates are believed, also after the authority's file has changed?
//!
//! The verifiers here ask the anchors that are in force at the moment of a handshake, so that a
//! configuration made at start-up follows every reload.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};

use super::error::Error;
use super::{files, peer::Peer};

/// The anchors of one state of the authority's file.
#[derive(Debug)]
pub(super) struct Anchors {
    pub(super) roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    servers: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

pub(super) type Current = Arc<ArcSwap<Anchors>>;

impl Anchors {
    pub(super) fn parse(
        path: &Path,
        pem: &[u8],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let refuse = || Error::Anchors { path: path.to_owned() };
        let mut roots = RootCertStore::empty();
        for certificate in files::certificates(path, pem)? {
            roots.add(certificate).map_err(|_| refuse())?;
        }
        let roots = Arc::new(roots);
        let (for_clients, for_servers) = (Arc::clone(&roots), Arc::clone(&roots));
        let clients =
            WebPkiClientVerifier::builder_with_provider(for_clients, Arc::clone(provider));
        let servers =
            WebPkiServerVerifier::builder_with_provider(for_servers, Arc::clone(provider));
        Ok(Self {
            roots,
            clients: clients.build().map_err(|_| refuse())?,
            servers: servers.build().map_err(|_| refuse())?,
            provider: Arc::clone(provider),
        })
    }

    /// Whether a client's certificate is signed by one of these anchors and good at the time `now`.
    pub(super) fn vouch_for_client(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<(), TlsError> {
        self.clients.verify_client_cert(certificate, &[], now).map(|_| ())
    }

    /// How a signature of this scheme is verified; none: it is not.
    pub(super) fn verifies(
        &self,
        scheme: SignatureScheme,
    ) -> Option<&'static dyn SignatureVerificationAlgorithm> {
        let ways = self.provider.signature_verification_algorithms.mapping;
        let (_, ways) = ways.iter().find(|(known, _)| *known == scheme)?;
        // The first fits the scheme in TLS 1.3; the others are for TLS 1.2 alone.
        ways.first().copied()
    }

    /// Whether a certificate chains to these anchors at the time `now`, whatever it is called.
    pub(super) fn vouch(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), TlsError> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )
    }
}

/// Verifies the certificates of clients.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) anchors: Current,
    pub(super) mandatory: bool,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// No hints: a client of Turnpike has one certificate, and the list could not follow a reload.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        self.anchors.load().clients.verify_client_cert(certificate, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.anchors.load().clients.supported_verify_schemes()
    }
}

/// Lets a client show any certificate whose private key it holds. Whom it names is for the service
/// to judge (RFC 8705 §2.2: certificates that no authority has signed).
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) anchors: Current,
}

impl ClientCertVerifier for Shown {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.anchors.load().clients.supported_verify_schemes()
    }
}

/// Verifies the certificate of a server: by its address, or by the name of the service it must be.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) anchors: Current,
    /// The name of the service; `None` checks the address instead, as browsers do.
    pub(super) expected: Option<String>,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let anchors = self.anchors.load();
        let Some(expected) = &self.expected else {
            let servers = &anchors.servers;
            return servers.verify_server_cert(certificate, intermediates, address, ocsp, now);
        };
        anchors.vouch(certificate, intermediates, now)?;
        match Peer::from_certificate(certificate) {
            Some(peer) if peer.name == *expected => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().servers.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.anchors.load().servers.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.anchors.load().servers.supported_verify_schemes()
    }
}
