//! Does a client keep to the profile that it is registered for? (KM-056)
//!
//! The FAPI 2.0 Security Profile (section 5.3) leaves little to choose. What is outside it cannot be
//! registered, so that no request has to be held against it.

use crate::client_auth::is_fapi2;
use crate::domain::{AuthMethod, Client, RefreshPolicy, TokenAlgorithm};

/// What is outside the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("client_profile: fapi2 takes {0}")]
pub struct OutsideProfile(&'static str);

/// Brings a client under the profile, or says what is outside it.
pub(super) fn keep(client: &mut Client) -> Result<(), OutsideProfile> {
    if !client.terms.fapi2 {
        return Ok(());
    }
    let proving = &client.authentication;
    let strong = matches!(
        proving.method,
        AuthMethod::PrivateKeyJwt | AuthMethod::Tls | AuthMethod::SelfSignedTls
    );
    let signed = proving.algorithm.is_none_or(is_fapi2);
    let rules = [
        (strong, "private_key_jwt, tls_client_auth or self_signed_tls_client_auth"),
        (signed, "assertions with PS256, ES256 or EdDSA"),
        (
            proving.dpop_bound || proving.certificate_bound,
            "tokens that are bound to a key or a certificate",
        ),
        (!client.requests.without_pkce, "PKCE"),
        (client.terms.response_types.is_empty(), "the response type `code` alone"),
        (!client.may_use("password"), "no passwords of people"),
        (client.refresh == RefreshPolicy::Static, "refresh tokens that stay (`static`)"),
        (client.algorithm != Some(TokenAlgorithm::Rs256), "tokens that are not signed with RS256"),
    ];
    if let Some((_, takes)) = rules.into_iter().find(|(held, _)| !held) {
        return Err(OutsideProfile(takes));
    }
    client.requests.pushed = true;
    Ok(())
}
