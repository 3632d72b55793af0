//! Can this be agreed with a client? (KM-050, KM-051; RFC 7591 section 2, RFC 8705 section 2)
//!
//! Raw texts in, an agreement out or the field that is wrong. What this server does not offer cannot
//! be agreed on, so nobody is registered for something that never works.

use jose::{Algorithm, KeySet, KeySetError};
use url::Url;

use super::assertion::ASSERTION_ALGORITHMS;
use super::authenticate::Authenticator;
use super::distinguished;
use crate::domain::{AuthMethod, Authentication, CertificateName, UnknownMethod};

/// The longest `jwks` of a client, in bytes.
const LONGEST_JWKS: usize = 16 * 1024;
/// The most keys of a client.
const MOST_KEYS: usize = 16;
/// The longest `jwks_uri`, in bytes.
const LONGEST_URI: usize = 2048;
/// The longest name in a certificate, in bytes.
const LONGEST_NAME: usize = 1024;

/// As asked for; empty: left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub method: String,
    pub algorithm: String,
    /// Whether, where `algorithm` is left out, each of ours does (OpenID Connect Registration section
    /// 2), and not ES256 alone.
    pub any_algorithm: bool,
    pub jwks: String,
    pub jwks_uri: String,
    pub subject_dn: String,
    pub san_dns: String,
    pub san_uri: String,
    pub san_ip: String,
    pub san_email: String,
    pub dpop_bound: bool,
    pub certificate_bound: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("token_endpoint_auth_method: {0}")]
    Method(#[from] UnknownMethod),
    #[error("token_endpoint_auth_method: `{0}` is not offered by this server: {1}")]
    NotOffered(&'static str, &'static str),
    #[error("token_endpoint_auth_method: a public client cannot use the grant {0}")]
    Public(String),
    #[error("token_endpoint_auth_signing_alg: `{given}` is not for {method}; it takes {takes}")]
    Algorithm { given: String, method: &'static str, takes: String },
    #[error("jwks: {0}")]
    Keys(#[from] KeySetError),
    #[error("jwks: {0} needs a key that fits {1}")]
    NoKey(&'static str, &'static str),
    #[error("jwks: at most {MOST_KEYS} keys and {LONGEST_JWKS} bytes")]
    ManyKeys,
    #[error("jwks_uri: it is an https URL of at most {LONGEST_URI} bytes, in place of jwks")]
    KeysUri,
    #[error(
        "tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, \
         tls_client_auth_san_ip, tls_client_auth_san_email: tls_client_auth takes exactly one of \
         them, and nothing else takes any"
    )]
    Names,
    #[error("{field}: `{value}` is no {what}")]
    Name { field: &'static str, value: String, what: &'static str },
    #[error("tls_client_certificate_bound_access_tokens: this server takes no certificates")]
    CertificateBound,
}

const NO_CERTIFICATES: &str = "certificates.accept is off";
const NO_AUTHORITY: &str = "certificates.ca is not set";

impl Settings {
    /// What is agreed on, for a client with these grants.
    pub fn check(
        &self,
        authenticator: &Authenticator,
        public_grants: impl Fn() -> Result<(), String>,
    ) -> Result<Authentication, SettingError> {
        let method: AuthMethod = self.method.parse()?;
        let accepted = authenticator.certificates.are_accepted();
        if !authenticator.works(method) {
            let why = if accepted { NO_AUTHORITY } else { NO_CERTIFICATES };
            return Err(SettingError::NotOffered(method.name(), why));
        }
        if method == AuthMethod::None {
            public_grants().map_err(SettingError::Public)?;
        }
        if self.certificate_bound && !accepted {
            return Err(SettingError::CertificateBound);
        }
        let algorithm = self.algorithm(method)?;
        self.check_keys(method, algorithm)?;
        Ok(Authentication {
            method,
            algorithm,
            jwks: self.jwks.clone(),
            jwks_uri: Some(self.jwks_uri.clone()).filter(|uri| !uri.is_empty()),
            certificate_name: self.certificate_name(method)?,
            dpop_bound: self.dpop_bound,
            certificate_bound: self.certificate_bound,
        })
    }

    /// One algorithm for each client that names one: what it never used, nobody can use in its name.
    fn algorithm(&self, method: AuthMethod) -> Result<Option<Algorithm>, SettingError> {
        let given = self.algorithm.as_str();
        let refuse = |takes: String| SettingError::Algorithm {
            given: given.to_owned(),
            method: if method == AuthMethod::Secret { "a secret" } else { method.name() },
            takes,
        };
        match (method, given) {
            (AuthMethod::PrivateKeyJwt, "") if self.any_algorithm => Ok(None),
            (AuthMethod::PrivateKeyJwt, "") => Ok(Some(Algorithm::ES256)),
            (AuthMethod::PrivateKeyJwt, _) => {
                let known = ASSERTION_ALGORITHMS.into_iter().find(|one| one.name() == given);
                let all = || ASSERTION_ALGORITHMS.map(Algorithm::name).join(", ");
                known.map(Some).ok_or_else(|| refuse(all()))
            }
            (_, "") | (AuthMethod::SecretJwt, "HS256") => Ok(None),
            (AuthMethod::SecretJwt, _) => Err(refuse("HS256".to_owned())),
            _ => Err(refuse("none".to_owned())),
        }
    }

    fn check_keys(
        &self,
        method: AuthMethod,
        algorithm: Option<Algorithm>,
    ) -> Result<(), SettingError> {
        let needed = matches!(method, AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTls);
        if !needed && self.jwks.is_empty() && self.jwks_uri.is_empty() {
            return Ok(());
        }
        if !self.jwks_uri.is_empty() {
            // As the outbound client asks it: no credentials in a URL.
            let asked = |url: &Url| {
                let nobody = url.username().is_empty() && url.password().is_none();
                url.scheme() == "https" && nobody
            };
            let url = Url::parse(&self.jwks_uri).ok().filter(asked);
            let alone = self.jwks.is_empty() && self.jwks_uri.len() <= LONGEST_URI;
            return url.filter(|_| alone).map(|_| ()).ok_or(SettingError::KeysUri);
        }
        let fits = match (algorithm, method) {
            (Some(algorithm), _) => algorithm.name(),
            (None, AuthMethod::PrivateKeyJwt) => "an algorithm of this server",
            (None, _) => "its certificate",
        };
        if self.jwks.is_empty() {
            return Err(SettingError::NoKey(method.name(), fits));
        }
        if self.jwks.len() > LONGEST_JWKS {
            return Err(SettingError::ManyKeys);
        }
        let keys = KeySet::parse(&self.jwks)?;
        if keys.keys().len() > MOST_KEYS {
            return Err(SettingError::ManyKeys);
        }
        let found = match (algorithm, method) {
            (Some(algorithm), _) => keys.keys().iter().any(|key| key.fits(algorithm)),
            (None, AuthMethod::PrivateKeyJwt) => keys
                .keys()
                .iter()
                .any(|key| ASSERTION_ALGORITHMS.into_iter().any(|one| key.fits(one))),
            (None, _) => !keys.is_empty(),
        };
        if found { Ok(()) } else { Err(SettingError::NoKey(method.name(), fits)) }
    }

    fn certificate_name(
        &self,
        method: AuthMethod,
    ) -> Result<Option<CertificateName>, SettingError> {
        let fields = [
            ("tls_client_auth_subject_dn", &self.subject_dn),
            ("tls_client_auth_san_dns", &self.san_dns),
            ("tls_client_auth_san_uri", &self.san_uri),
            ("tls_client_auth_san_ip", &self.san_ip),
            ("tls_client_auth_san_email", &self.san_email),
        ];
        let mut given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let (first, more) = (given.next(), given.next());
        let Some((field, value)) = first else {
            let needed = method == AuthMethod::Tls;
            return if needed { Err(SettingError::Names) } else { Ok(None) };
        };
        if more.is_some() || method != AuthMethod::Tls {
            return Err(SettingError::Names);
        }
        name(field, value).map(Some)
    }
}

fn name(field: &'static str, value: &str) -> Result<CertificateName, SettingError> {
    let plain = value.len() <= LONGEST_NAME && !value.chars().any(char::is_control);
    let dns = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let owned = || value.to_owned();
    let (what, name) = match field {
        "tls_client_auth_subject_dn" => (
            "distinguished name (RFC 4514)",
            distinguished::is_name(value).then(|| CertificateName::Subject(owned())),
        ),
        "tls_client_auth_san_dns" => {
            ("host name", value.bytes().all(dns).then(|| CertificateName::Dns(owned())))
        }
        "tls_client_auth_san_uri" => {
            ("URI", Url::parse(value).is_ok().then(|| CertificateName::Uri(owned())))
        }
        "tls_client_auth_san_ip" => ("IP address", value.parse().ok().map(CertificateName::Ip)),
        _ => ("mail address", value.contains('@').then(|| CertificateName::Email(owned()))),
    };
    let refuse = || SettingError::Name { field, value: value.chars().take(100).collect(), what };
    name.filter(|_| plain).ok_or_else(refuse)
}
