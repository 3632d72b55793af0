//! How does a client prove who it is, and what are its tokens bound to? (KM-050, KM-051)

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jose::Algorithm;

/// What was agreed with a client when it was registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    pub method: AuthMethod,
    /// How its assertions are signed; `private_key_jwt` only.
    pub algorithm: Option<Algorithm>,
    /// Its public keys, a JWK Set as JSON; empty: none.
    pub jwks: String,
    /// Where they are, in place of that (KM-053).
    pub jwks_uri: Option<String>,
    /// Whom its certificate names; `tls_client_auth` only.
    pub certificate_name: Option<CertificateName>,
    /// It gets tokens with a `DPoP` proof only (RFC 9449 section 5.2).
    pub dpop_bound: bool,
    /// Its tokens are bound to its certificate (RFC 8705 section 3.4).
    pub certificate_bound: bool,
}

/// The one way in which a client proves itself, by its registered name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMethod {
    /// A secret by either of the next two: registrations that name no method.
    #[default]
    Secret,
    SecretBasic,
    SecretPost,
    SecretJwt,
    PrivateKeyJwt,
    Tls,
    SelfSignedTls,
    /// A public client, which proves nothing.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to authenticate a client here")]
pub struct UnknownMethod(String);

impl AuthMethod {
    /// Those with a name on the wire.
    pub const NAMED: [Self; 7] = [
        Self::SecretBasic,
        Self::SecretPost,
        Self::SecretJwt,
        Self::PrivateKeyJwt,
        Self::Tls,
        Self::SelfSignedTls,
        Self::None,
    ];

    /// As RFC 7591 section 2 and RFC 8705 section 2 have it; empty: none was named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::SecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Tls => "tls_client_auth",
            Self::SelfSignedTls => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }

    /// Whether the client has a secret of ours.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretBasic | Self::SecretPost | Self::SecretJwt)
    }

    /// Whether the client shows a certificate to prove itself.
    pub const fn has_certificate(self) -> bool {
        matches!(self, Self::Tls | Self::SelfSignedTls)
    }
}

impl FromStr for AuthMethod {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self::Secret);
        }
        let named = Self::NAMED.into_iter().find(|method| method.name() == text);
        named.ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

/// Whom a client's certificate has to name: exactly one of these (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// RFC 4514, as registered.
    Subject(String),
    Dns(String),
    Uri(String),
    Ip(IpAddr),
    Email(String),
}

impl CertificateName {
    /// Reads back what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "subject" => Some(Self::Subject(name.to_owned())),
            "dns" => Some(Self::Dns(name.to_owned())),
            "uri" => Some(Self::Uri(name.to_owned())),
            "ip" => name.parse().ok().map(Self::Ip),
            "email" => Some(Self::Email(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(name) => write!(f, "subject:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Ip(name) => write!(f, "ip:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) {
        let read = CertificateName::parse(text).map(|name| name.to_string());
        assert_eq!(read.as_deref(), Some(text));
    }

    #[test]
    fn names_are_read_back_as_they_were_written() {
        check("subject:CN=app,O=Acme: Ltd");
        check("dns:app.example");
        check("uri:spiffe://acme/app");
        check("ip:2001:db8::1");
        check("email:app@acme.example");
        for method in AuthMethod::NAMED {
            assert_eq!(method.name().parse(), Ok(method));
        }
        assert_eq!("".parse(), Ok(AuthMethod::Secret));
        assert!("Client_Secret_Basic".parse::<AuthMethod>().is_err());
    }
}
