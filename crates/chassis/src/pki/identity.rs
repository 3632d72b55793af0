//! How does this process prove who it is, and to which configurations does that lead?
//!
//! Certificate, key and anchors are replaced while the process runs; the TLS configurations made
//! here look them up at each handshake. What cannot be read leaves the last good state in force.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::anchors::{Anchors, Clients, Current, Servers, Shown};
use super::authority::Development;
use super::error::Error;
use super::files::{self, Contents, Files};
use super::peer::Peer;
use super::signed::{self, NotSaid, Signature};

/// The section `[pki]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where `ca.pem`, `<service>.pem` and `<service>.key` are.
    pub directory: PathBuf,
    /// Make an authority and this service's certificate there when they are absent or expire soon.
    pub development: bool,
    /// The authority's file, instead of the one in the directory.
    pub ca: String,
    /// The certificate's file, instead of the one in the directory; turns `development` off.
    pub certificate: String,
    /// The key's file, instead of the one in the directory.
    pub key: String,
}

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// A certificate is asked for. Whoever sends one holds its private key; who signed it, and
    /// whether it has expired, is for the service to judge.
    Shown,
    /// A certificate is asked for; one that is sent must be good.
    Optional,
    /// Without a good certificate there is no connection.
    Required,
}

/// The certificate of this process and its trust anchors; cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    files: Files,
    provider: Arc<CryptoProvider>,
    key: Arc<Resolver>,
    anchors: Current,
    seen: ArcSwapOption<Contents>,
    reloads: watch::Sender<u64>,
    development: Option<Development>,
}

impl Identity {
    /// The identity that a configuration describes; made where it says `development`.
    pub fn open(config: &Config, name: &str, instance: &str) -> Result<Self, Error> {
        if config.certificate.is_empty() != config.key.is_empty() {
            return Err(Error::Half);
        }
        let own = !config.certificate.is_empty();
        let development = (config.development && !own)
            .then(|| Development::new(&config.directory, name, instance))
            .transpose()?;
        if let Some(development) = &development {
            development.ensure()?;
        }
        let stem = development.as_ref().map_or_else(|| name.to_owned(), Development::stem);
        let mut files = Files::of(&config.directory, &stem);
        if !config.ca.is_empty() {
            files.ca = PathBuf::from(&config.ca);
        }
        if own {
            files.certificate = PathBuf::from(&config.certificate);
            files.key = PathBuf::from(&config.key);
        }
        Self::read(files, development)
    }

    /// The identity `name` of a development directory, as [`super::development`] makes it.
    pub fn named(directory: &Path, name: &str) -> Result<Self, Error> {
        Self::read(Files::of(directory, name), None)
    }

    /// An identity out of three PEM files.
    pub fn load(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, Error> {
        let (ca, certificate, key) = (ca.to_owned(), certificate.to_owned(), key.to_owned());
        Self::read(Files { ca, certificate, key }, None)
    }

    /// Another certificate, under other trust anchors where `ca` names some.
    pub(crate) fn with_files(
        &self,
        certificate: Option<(PathBuf, PathBuf)>,
        ca: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let own = &self.0.files;
        let (certificate, key) =
            certificate.unwrap_or_else(|| (own.certificate.clone(), own.key.clone()));
        Self::read(Files { ca: ca.unwrap_or_else(|| own.ca.clone()), certificate, key }, None)
    }

    /// A server's configuration, with these application protocols (`h2`, `http/1.1`).
    pub fn server_config(
        &self,
        auth: ClientAuth,
        protocols: &[&str],
    ) -> Result<Arc<ServerConfig>, Error> {
        self.server(Arc::clone(&self.0.provider), auth, protocols)
    }

    /// The same where clients of others come: of TLS 1.2 only the suites that RFC 9325 section 4.2
    /// recommends, as FAPI 2.0 has it.
    pub fn https_config(
        &self,
        auth: ClientAuth,
        protocols: &[&str],
    ) -> Result<Arc<ServerConfig>, Error> {
        let mut provider = CryptoProvider::clone(&self.0.provider);
        provider.cipher_suites.retain(|suite| {
            let gcm = suite.suite().as_str().is_some_and(|name| name.contains("_GCM_"));
            gcm || suite.tls13().is_some()
        });
        self.server(Arc::new(provider), auth, protocols)
    }

    fn server(
        &self,
        provider: Arc<CryptoProvider>,
        auth: ClientAuth,
        protocols: &[&str],
    ) -> Result<Arc<ServerConfig>, Error> {
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = match auth {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Shown => builder.with_client_cert_verifier(Arc::new(Shown {
                anchors: Arc::clone(&self.0.anchors),
            })),
            ClientAuth::Optional | ClientAuth::Required => {
                builder.with_client_cert_verifier(Arc::new(Clients {
                    anchors: Arc::clone(&self.0.anchors),
                    mandatory: auth == ClientAuth::Required,
                }))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.0.key) as _);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        if auth != ClientAuth::None {
            // A resumed session would carry a client past anchors that have changed since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }

    /// A client's configuration that checks the address of the server, as browsers do.
    pub fn client_config(&self, protocols: &[&str]) -> Result<Arc<ClientConfig>, Error> {
        self.client(None, protocols)
    }

    /// A client's configuration that insists on the service `peer` at the other end, at whatever
    /// address it is found.
    pub fn client_config_for(
        &self,
        peer: &str,
        protocols: &[&str],
    ) -> Result<Arc<ClientConfig>, Error> {
        self.client(Some(peer.to_owned()), protocols)
    }

    /// A verifier of clients' certificates that follows the authority's file.
    pub fn client_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Clients { anchors: Arc::clone(&self.0.anchors), mandatory: false })
    }

    /// Whether a client's certificate is signed by one of the anchors and good at `now`, in seconds
    /// since the Unix epoch. Certificates between it and its authority count as anchors.
    pub fn vouches_for_client(&self, certificate: &CertificateDer<'_>, now: i64) -> bool {
        let Ok(now) = u64::try_from(now) else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.0.anchors.load().vouch_for_client(certificate, now).is_ok()
    }

    /// Reads the files again; `now` is in seconds since the Unix epoch. `Ok(true)`: something else is
    /// in force now. An error leaves the last good state in force, and so does a certificate that is
    /// not valid now while the one in force is.
    pub fn reload(&self, now: i64) -> Result<bool, Error> {
        let contents = self.0.files.read()?;
        if self.0.seen.load().as_deref() == Some(&contents) {
            return Ok(false);
        }
        let (key, anchors) = parse(&self.0.files, &contents, &self.0.provider)?;
        if !is_valid(&key, now) && is_valid(&self.0.key.0.load(), now) {
            return Err(Error::NotValidNow { path: self.0.files.certificate.clone() });
        }
        self.0.key.0.store(Arc::new(key));
        self.0.anchors.store(Arc::new(anchors));
        self.0.seen.store(Some(Arc::new(contents)));
        self.0.reloads.send_modify(|n| *n = n.wrapping_add(1));
        Ok(true)
    }

    /// How often another certificate, key or authority has come into force since the start.
    pub fn reloads(&self) -> u64 {
        *self.0.reloads.borrow()
    }

    /// Hears of each of them.
    pub fn renewals(&self) -> watch::Receiver<u64> {
        self.0.reloads.subscribe()
    }

    /// Says `content` in the name of this process, so that it can be shown to others later. `domain`
    /// is the use that it is said for; `now` is in seconds since the Unix epoch.
    pub fn sign(&self, domain: &str, content: &[u8], now: i64) -> Result<Signature, Error> {
        signed::sign(&self.0.key.0.load(), domain, content, now)
    }

    /// Whether a service called `name` has said `content` for the use `domain`: by a certificate that
    /// one of the anchors of now has signed, and that was good when it was said.
    pub fn has_said(
        &self,
        name: &str,
        domain: &str,
        content: &[u8],
        signature: &Signature,
    ) -> Result<(), NotSaid> {
        signed::verify(&self.0.anchors.load(), name, domain, content, signature)
    }

    /// Who this process is, by its own certificate.
    pub fn peer(&self) -> Option<Peer> {
        self.0.key.0.load().cert.first().and_then(Peer::from_certificate)
    }

    /// Its certificate of the moment, without those that it stands on.
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.0.key.0.load().cert.first().cloned()
    }

    /// Makes the certificate anew where this is a development identity that expires soon.
    pub(super) fn renew(&self) -> Result<(), Error> {
        self.0.development.as_ref().map_or(Ok(()), Development::ensure)
    }

    fn read(files: Files, development: Option<Development>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let contents = files.read()?;
        let (key, anchors) = parse(&files, &contents, &provider)?;
        Ok(Self(Arc::new(Inner {
            files,
            provider,
            key: Arc::new(Resolver(ArcSwap::from_pointee(key))),
            anchors: Arc::new(ArcSwap::from_pointee(anchors)),
            seen: ArcSwapOption::from_pointee(contents),
            reloads: watch::Sender::new(0),
            development,
        })))
    }

    fn client(
        &self,
        expected: Option<String>,
        protocols: &[&str],
    ) -> Result<Arc<ClientConfig>, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.0.provider));
        let verifier = Servers { anchors: Arc::clone(&self.0.anchors), expected };
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&self.0.key) as _);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// A client's configuration for somebody who has no certificate, which insists on the service `peer` at
/// the other end. Reads the file of the authority, once.
pub fn client_without_certificate(
    ca: &Path,
    peer: &str,
    protocols: &[&str],
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let anchors = Anchors::parse(ca, &files::read(ca)?, &provider)?;
    let anchors: Current = Arc::new(ArcSwap::from_pointee(anchors));
    let verifier = Servers { anchors, expected: Some(peer.to_owned()) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.0.files.certificate).finish()
    }
}

fn parse(
    files: &Files,
    contents: &Contents,
    provider: &Arc<CryptoProvider>,
) -> Result<(CertifiedKey, Anchors), Error> {
    let unusable = |source| Error::Unusable { path: files.certificate.clone(), source };
    let chain = files::certificates(&files.certificate, &contents.certificate)?;
    let key = files::private_key(&files.key, &contents.key)?;
    // `from_der` also checks that key and certificate belong together.
    let key = CertifiedKey::from_der(chain, key, provider).map_err(unusable)?;
    Ok((key, Anchors::parse(&files.ca, &contents.ca, provider)?))
}

/// Whether the leaf is valid at `now`, in seconds since the Unix epoch.
fn is_valid(key: &CertifiedKey, now: i64) -> bool {
    let leaf = key.cert.first().and_then(|der| X509Certificate::from_der(der).ok());
    leaf.is_some_and(|(_, leaf)| {
        let validity = leaf.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    })
}

/// Gives the key of the moment to every handshake.
struct Resolver(ArcSwap<CertifiedKey>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
