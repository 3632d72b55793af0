//! What is a client's token bound to?

use super::proof::Possession;
use crate::client_auth::thumbprint;
use crate::domain::{Client, Confirmation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// RFC 9449 section 5.2.
    #[error("the client gets tokens with a DPoP proof only")]
    ProofMissing,
    /// RFC 8705 section 3.4.
    #[error("the client's tokens are bound to its certificate, and none was shown")]
    CertificateMissing,
}

/// Binds to the key of a proof wherever there is one, and to the certificate where that was agreed.
/// Never answers with less than what was agreed.
pub fn confirm(
    client: &Client,
    proof: Option<&Possession>,
    certificate: Option<&[u8]>,
) -> Result<Confirmation, BindError> {
    let agreed = &client.authentication;
    if agreed.dpop_bound && proof.is_none() {
        return Err(BindError::ProofMissing);
    }
    let certificate = match certificate {
        Some(der) if agreed.certificate_bound => Some(thumbprint(der)),
        None if agreed.certificate_bound => return Err(BindError::CertificateMissing),
        _ => None,
    };
    Ok(Confirmation { key: proof.map(|proof| proof.key.clone()), certificate })
}
