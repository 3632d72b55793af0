//! Who signs certificates where no operator has brought any?
//!
//! A development authority in a folder. Whoever comes first makes it, under a lock on the folder,
//! so that services that start in the same moment end up with one authority. A certificate that is
//! absent, foreign, of another name, or that expires within seven days is made anew; its key stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, date_time_ymd,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::UnixTime;

use super::anchors::Anchors;
use super::error::Error;
use super::files::{self, Files};
use super::peer::{Peer, is_name};
use crate::clock::Clock;
use crate::random;

const DAY: Duration = Duration::from_hours(24);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
const CERTIFICATE_LIFE: Duration = DAY.saturating_mul(90);
const RENEW_BEFORE: Duration = DAY.saturating_mul(7);
// Clocks of other machines may be behind.
const BACKDATE: Duration = Duration::from_hours(1);

/// Makes, in `directory`, the authority `ca.pem` and for each name `<name>.pem` and `<name>.key`,
/// where they are absent or expire within seven days.
pub fn development(directory: &Path, names: &[&str]) -> Result<(), Error> {
    let instance = host_name();
    names.iter().try_for_each(|name| Development::new(directory, name, &instance)?.ensure())
}

/// The name of this machine, as far as it can stand in a certificate.
pub(crate) fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| is_name(name)).unwrap_or_else(|| "localhost".to_owned())
}

/// One service's certificate in a development directory.
#[derive(Clone, Debug)]
pub(super) struct Development {
    directory: PathBuf,
    peer: Peer,
    clock: Clock,
}

impl Development {
    pub(super) fn new(directory: &Path, name: &str, instance: &str) -> Result<Self, Error> {
        for part in [name, instance] {
            if !is_name(part) {
                return Err(Error::Name(part.to_owned()));
            }
        }
        let peer = Peer { name: name.to_owned(), instance: instance.to_owned() };
        Ok(Self { directory: directory.to_owned(), peer, clock: Clock::system() })
    }

    /// `gateway`, or `gateway.east-1` where the instance is not just this machine.
    pub(super) fn stem(&self) -> String {
        let Peer { name, instance } = &self.peer;
        if *instance == host_name() { name.clone() } else { format!("{name}.{instance}") }
    }

    /// Makes what is absent or no longer good.
    pub(super) fn ensure(&self) -> Result<(), Error> {
        let _held = files::lock(&self.directory)?;
        let files = Files::of(&self.directory, &self.stem());
        if self.is_good(&files) {
            return Ok(());
        }
        let authority = self.authority(&files.ca)?;
        let key = existing_or_new_key(&files.key, &self.peer.name)?;
        let certificate = self.certificate_params().and_then(|p| p.signed_by(&key, &authority));
        let certificate = certificate.map_err(|source| self.make_error(source))?;
        let anchors = Anchors::parse(&files.ca, &files::read(&files.ca)?, &provider())?;
        // An authority's file that was brought from elsewhere, beside another key.
        anchors
            .vouch(certificate.der(), &[], self.unix_time(Duration::ZERO))
            .map_err(|source| Error::Unusable { path: files.ca.clone(), source })?;
        files::write_public(&files.certificate, &certificate.pem())
    }

    fn authority(&self, path: &Path) -> Result<Issuer<'static, KeyPair>, Error> {
        let key_path = self.directory.join("ca.key");
        let present = files::read_if_present(path)?;
        if present.is_some() && files::read_if_present(&key_path)?.is_none() {
            return Err(Error::Unsigned { certificate: self.stem(), key: key_path });
        }
        let key = existing_or_new_key(&key_path, "ca")?;
        if let Some(pem) = present {
            let soon = self.unix_time(RENEW_BEFORE);
            let certificates = files::certificates(path, pem.as_bytes())?;
            if certificates.first().is_some_and(|ca| outlives(ca, soon)) {
                return Issuer::from_ca_cert_pem(&pem, key).map_err(|e| self.make_error(e));
            }
        }
        let params = self.authority_params(&key);
        let certificate = params.self_signed(&key).map_err(|source| self.make_error(source))?;
        files::write_public(path, &certificate.pem())?;
        Ok(Issuer::new(params, key))
    }

    /// Whether the certificate is of this peer, of this authority, has its key, and lasts.
    fn is_good(&self, files: &Files) -> bool {
        let checked = (|| {
            let contents = files.read()?;
            let anchors = Anchors::parse(&files.ca, &contents.ca, &provider())?;
            let chain = files::certificates(&files.certificate, &contents.certificate)?;
            let key = files::private_key(&files.key, &contents.key)?;
            let pair = CertifiedKey::from_der(chain, key, &provider())?;
            let leaf = pair.end_entity_cert()?;
            anchors.vouch(leaf, &[], self.unix_time(RENEW_BEFORE))?;
            Ok::<_, Error>(Peer::from_certificate(leaf))
        })();
        checked.is_ok_and(|peer| peer.as_ref() == Some(&self.peer))
    }

    fn authority_params(&self, key: &KeyPair) -> CertificateParams {
        let mut params = self.params(AUTHORITY_LIFE);
        // Named after its key: two authorities never have one name, and one that was renewed keeps
        // its name, so that the certificates it has signed stay good.
        let digest = digest(&SHA256, key.public_key_raw());
        let short = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..6).unwrap_or_default());
        let name = format!("turnpike development authority {short}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn certificate_params(&self) -> Result<CertificateParams, rcgen::Error> {
        let mut params = self.params(CERTIFICATE_LIFE);
        params.distinguished_name.push(DnType::CommonName, self.peer.name.as_str());
        let mut addresses = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        // The name of the service is its host name in a compose file or a cluster.
        let hosts = [self.peer.name.clone(), host_name()];
        addresses.extend(hosts.into_iter().filter(|host| !host.contains('_')));
        addresses.dedup();
        params.subject_alt_names = CertificateParams::new(addresses)?.subject_alt_names;
        params.subject_alt_names.push(SanType::URI(self.peer.uri().try_into()?));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn params(&self, life: Duration) -> CertificateParams {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(BACKDATE);
        params.not_after = date_time_ymd(1970, 1, 1) + now + life;
        // Without its own serial a renewed certificate would have the serial of the old one.
        let mut serial = random::bytes::<16>();
        serial[0] &= 0x7f;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params
    }

    fn unix_time(&self, ahead: Duration) -> UnixTime {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::since_unix_epoch(now + ahead)
    }

    fn make_error(&self, source: rcgen::Error) -> Error {
        Error::Make { name: self.peer.name.clone(), source }
    }
}

fn existing_or_new_key(path: &Path, name: &str) -> Result<KeyPair, Error> {
    let make_error = |source| Error::Make { name: name.to_owned(), source };
    if let Some(pem) = files::read_if_present(path)? {
        return KeyPair::from_pem(&pem)
            .map_err(|_| Error::Pem { path: path.to_owned(), what: "private key" });
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make_error)?;
    files::write_private(path, &zeroize::Zeroizing::new(key.serialize_pem()))?;
    Ok(key)
}

fn outlives(certificate: &[u8], at: UnixTime) -> bool {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    let until = parsed.map(|(_, parsed)| parsed.validity().not_after.timestamp());
    until.is_ok_and(|until| i64::try_from(at.as_secs()).is_ok_and(|at| until > at))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
impl Development {
    /// As if it were another time.
    pub(super) fn at(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
