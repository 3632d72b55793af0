//! Do the credentials prove the client?
//!
//! An unknown client costs what a wrong secret costs: one look into the store and one digest.

use super::method::{MethodError, Presented};
use crate::domain::{Client, ClientId};
use crate::store::{Store, StoreError};
use crate::vault::Pepper;

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Says the same of an unknown client, a wrong secret and a secret that has ended.
    #[error("the client is unknown or its secret is wrong")]
    Wrong,
    #[error("the client could not be looked up")]
    Store(#[from] StoreError),
}

pub async fn authenticate(
    store: &dyn Store,
    pepper: &Pepper,
    presented: Presented<'_>,
    now: i64,
) -> Result<Client, AuthError> {
    if let Some(id) = presented.public() {
        return public(store, &id).await;
    }
    let credentials = presented.credentials()?;
    let stored = match &credentials.id {
        Some(id) => store.client(id).await?,
        None => None,
    };
    let owner = credentials.id.as_ref().map_or("", |id| id.as_str());
    let secrets = stored.as_ref().map(|stored| stored.secrets.as_slice()).unwrap_or_default();
    let alive = |expires_at: Option<i64>| expires_at.is_none_or(|at| now < at);

    let mut proven = false;
    for secret in secrets.iter().filter(|secret| alive(secret.expires_at)) {
        proven |= pepper.matches(owner, &credentials.secret, &secret.digest);
    }
    if secrets.is_empty() {
        pepper.matches(owner, &credentials.secret, "");
    }
    match stored {
        Some(stored) if proven => Ok(stored.client),
        _ => Err(AuthError::Wrong),
    }
}

/// A public client only says who it is; PKCE and refresh families stand in for a secret.
async fn public(store: &dyn Store, id: &ClientId) -> Result<Client, AuthError> {
    let stored = store.client(id).await?;
    stored.map(|stored| stored.client).filter(|client| client.public).ok_or(AuthError::Wrong)
}
