//! Which secrets does a client have? (KM-050)
//!
//! Several may be good at once, each with a name for people and an end, so that one can be replaced without
//! a gap: add, hand over, remove.

use zeroize::Zeroizing;

use super::RegistrationError;
use crate::audit::Event;
use crate::client_auth::{new_secret, sealed_for};
use crate::domain::{AuthMethod, ClientId};
use crate::endpoint::Authority;
use crate::store::{StoredClient, StoredSecret};

/// So many a client may have.
pub(super) const MOST_SECRETS: u32 = 10;
/// The longest label, in bytes.
pub(super) const LONGEST_LABEL: usize = 100;

/// Makes another secret, which is good at once; `None` ends never.
pub async fn add_secret(
    authority: &Authority,
    id: &ClientId,
    label: &str,
    expires_at: Option<i64>,
) -> Result<(StoredSecret, Zeroizing<String>), RegistrationError> {
    let client = find(authority, id).await?.client;
    let method = client.authentication.method;
    if !method.has_secret() {
        return Err(RegistrationError::Secretless { method: method.name() });
    }
    let label = label.trim();
    if label.len() > LONGEST_LABEL || label.chars().any(char::is_control) {
        return Err(RegistrationError::Label);
    }
    let now = authority.clock.unix_seconds();
    if expires_at.is_some_and(|at| at <= now) {
        return Err(RegistrationError::Past);
    }
    let mut secret = new_secret(&authority.pepper, id, now);
    label.clone_into(&mut secret.stored.label);
    secret.stored.expires_at = expires_at;
    if method == AuthMethod::SecretJwt {
        let sealed = authority.clients.sealer.seal(&sealed_for(id), secret.plain.as_bytes())?;
        secret.stored.sealed = sealed;
    }
    let event = Event::of("client.secret_added").client(id.as_str());
    let event = event.with("secret", &secret.stored.id).with("label", label);
    let store = authority.audit.noting(event);
    if !store.add_secret(id, &secret.stored, MOST_SECRETS).await? {
        return Err(RegistrationError::Secrets);
    }
    tracing::info!(client = %id, secret = secret.stored.id, "client secret added");
    Ok((secret.stored, secret.plain))
}

/// All of them, without what they are.
pub async fn list_secrets(
    authority: &Authority,
    id: &ClientId,
) -> Result<Vec<StoredSecret>, RegistrationError> {
    Ok(find(authority, id).await?.secrets)
}

/// Ends a secret at once. Tokens that were got with it stay good.
pub async fn remove_secret(
    authority: &Authority,
    id: &ClientId,
    secret: &str,
) -> Result<(), RegistrationError> {
    let event = Event::of("client.secret_removed").client(id.as_str()).with("secret", secret);
    if !authority.audit.noting(event).remove_secret(id, secret).await? {
        return Err(RegistrationError::Gone);
    }
    tracing::info!(client = %id, secret, "client secret removed");
    Ok(())
}

async fn find(authority: &Authority, id: &ClientId) -> Result<StoredClient, RegistrationError> {
    authority.store.client(id).await?.ok_or(RegistrationError::Gone)
}
