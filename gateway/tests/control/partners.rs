//! Callers with certificates, and who signs for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};

use crate::shown::Standing;

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

/// An authority of clients.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: rcgen::Issuer<'static, KeyPair>,
}

/// Those who have one.
pub(crate) struct Partners {
    /// Known one by one; the last is taken back.
    pub(crate) known: [Pair; 3],
    /// With the key of the first.
    expired: Pair,
    /// Of nobody.
    pub(crate) unknown: Pair,
    pub(crate) authority: Authority,
    /// Of `authority`; the third is revoked, the fourth has expired, and the last is of another.
    signed: [Pair; 5],
}

impl Partners {
    pub(crate) fn new() -> Self {
        let keys = [(); 4].map(|()| KeyPair::generate().expect("a key"));
        let [first, second, third, unknown] =
            keys.each_ref().map(|key| Pair::own(&named("partner.example", 2100), key));
        let (authority, other) = (Authority::new(), Authority::new());
        let signed = [
            authority.sign(1, 2100),
            authority.sign(2, 2100),
            authority.sign(3, 2100),
            authority.sign(4, 2021),
            other.sign(1, 2100),
        ];
        let expired = Pair::own(&named("partner.example", 2021), &keys[0]);
        Self { known: [first, second, third], expired, unknown, authority, signed }
    }

    pub(crate) fn known(&self, standing: Standing) -> &Pair {
        match standing {
            Standing::Known => &self.known[0],
            Standing::New => &self.known[1],
            Standing::Forged => &self.unknown,
            Standing::Revoked => &self.known[2],
            Standing::Expired => &self.expired,
        }
    }

    pub(crate) fn signed(&self, standing: Standing) -> &Pair {
        match standing {
            Standing::Known => &self.signed[0],
            Standing::New => &self.signed[1],
            Standing::Revoked => &self.signed[2],
            Standing::Expired => &self.signed[3],
            Standing::Forged => &self.signed[4],
        }
    }
}

impl Pair {
    fn of(certificate: &rcgen::Certificate) -> Self {
        Self { der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    fn own(params: &CertificateParams, key: &KeyPair) -> Self {
        Self::of(&params.self_signed(key).expect("a certificate"))
    }

    /// As a trusted proxy tells it.
    pub(crate) fn field(&self) -> String {
        format!("client-cert: :{}:\r\n", STANDARD.encode(&self.der))
    }
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Partners");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    fn sign(&self, serial: u64, until: i32) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("a.partner.example", until);
        params.serial_number = Some(SerialNumber::from(serial));
        Pair::of(&params.signed_by(&key, &self.issuer).expect("a certificate"))
    }

    /// The list of what it has revoked.
    pub(crate) fn list(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1 + serials.len() as u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("a list")
    }
}

/// A certificate for `name` until the year `until`.
fn named(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("a name"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}
