//! Which certificates of clients are taken, and where?

use std::net::SocketAddr;

use serde::Deserialize;

use crate::endpoint::Issuer;

/// `[certificates]`: those of clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawCertificates")]
pub struct CertificatesConfig {
    pub accept: bool,
    pub listen: Option<SocketAddr>,
    /// What discovery announces for clients with certificates.
    pub url: Option<Issuer>,
    /// Empty: nobody's word is taken for a name.
    pub ca: String,
}

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificates {
    accept: bool,
    listen: String,
    url: String,
    ca: String,
}

#[derive(Clone, Debug, thiserror::Error)]
enum CertificatesError {
    #[error("`listen`, `url` and `ca` say nothing while `accept` is false")]
    Unused,
    #[error("`listen` is no address with a port")]
    Listen(#[from] std::net::AddrParseError),
    #[error("`url` is no https URL without query, fragment, user and slash at its end")]
    Url,
}

impl TryFrom<RawCertificates> for CertificatesConfig {
    type Error = CertificatesError;

    fn try_from(raw: RawCertificates) -> Result<Self, CertificatesError> {
        let RawCertificates { accept, listen, url, ca } = raw;
        let silent = listen.is_empty() && url.is_empty() && ca.is_empty();
        if !accept && !silent {
            return Err(CertificatesError::Unused);
        }
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            accept,
            listen: given(&listen).map(|text| text.parse()).transpose()?,
            url: given(&url)
                .map(|text| Issuer::parse(&text))
                .transpose()
                .map_err(|_| CertificatesError::Url)?,
            ca,
        })
    }
}
