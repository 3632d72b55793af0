//! How does a person get an account, and how does it end?
//!
//! Whatever ends a login ends what came from it: sessions, codes, refresh families and, through
//! the revocation log, access tokens (KM-101, KM-107).

use crate::audit::Event;
use crate::domain::{
    Password, PasswordError, Profile, ProfileError, User, UserName, UserNameError,
};
use crate::endpoint::Authority;
use crate::store::{StoreError, StoredUser};
use crate::vault::PasswordFailure;

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("name: {0}")]
    Name(#[from] UserNameError),
    #[error("password: {0}")]
    Password(#[from] PasswordError),
    #[error("claims: {0}")]
    Profile(#[from] ProfileError),
    #[error("name: it is taken")]
    Taken,
    #[error("there is no such person")]
    Nobody,
    #[error("the password could not be hashed")]
    Hash(#[from] PasswordFailure),
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

/// Makes an account. `claims` is a JSON object of what is known of the person, or empty.
pub async fn create(
    authority: &Authority,
    name: &str,
    password: &str,
    claims: &str,
) -> Result<User, AccountError> {
    let name = UserName::parse(name)?;
    let password = Password::chosen(password)?;
    let profile = Profile::parse(claims)?;
    let now = authority.clock.unix_seconds();
    let user = User {
        id: chassis::random::token(16),
        name,
        disabled: false,
        ended_until: 0,
        profile_at: if profile == Profile::default() { 0 } else { now },
        profile,
        created_at: now,
    };
    let password = authority.passwords.hash(password).await?;
    let stored = StoredUser { user, password };
    let event = Event::of("user.created").with("user", &stored.user.id);
    if !authority.audit.noting(event).add_user(&stored).await? {
        return Err(AccountError::Taken);
    }
    tracing::info!(user = stored.user.id, "account made");
    Ok(stored.user)
}

/// Replaces a password. Whoever knew the old one is out: every login and token ends.
pub async fn set_password(
    authority: &Authority,
    id: &str,
    password: &str,
) -> Result<(), AccountError> {
    let password = Password::chosen(password)?;
    let password = authority.passwords.hash(password).await?;
    let event = Event::of("user.password_set").with("user", id);
    if !authority.noting(event).change_password(id, &password, "").await? {
        return Err(AccountError::Nobody);
    }
    authority.meter.revoked("subject");
    tracing::info!(user = id, "password set");
    Ok(())
}

/// Replaces what is known of a person; `claims` is a JSON object.
pub async fn set_claims(authority: &Authority, id: &str, claims: &str) -> Result<(), AccountError> {
    let profile = Profile::parse(claims)?;
    let now = authority.clock.unix_seconds();
    let event = Event::of("user.claims_set").with("user", id);
    if !authority.audit.noting(event).set_profile(id, &profile, now).await? {
        return Err(AccountError::Nobody);
    }
    tracing::info!(user = id, "claims set");
    Ok(())
}

/// Lets a person log in no more, or again.
pub async fn disable(authority: &Authority, id: &str, disabled: bool) -> Result<(), AccountError> {
    let event = Event::of(if disabled { "user.disabled" } else { "user.enabled" });
    let store = authority.audit.noting(event.with("user", id));
    if !store.disable_user(id, disabled).await? {
        return Err(AccountError::Nobody);
    }
    if disabled {
        end(authority, id).await?;
    }
    tracing::info!(user = id, disabled, "account changed");
    Ok(())
}

/// Removes an account with everything that belongs to it. Answers whether there was one.
pub async fn remove(authority: &Authority, id: &str) -> Result<bool, AccountError> {
    let sequence =
        authority.noting(Event::of("user.removed").with("user", id)).remove_user(id).await?;
    if let Some(sequence) = sequence {
        authority.meter.revoked("subject");
        tracing::info!(user = id, sequence, "account removed");
    }
    Ok(sequence.is_some())
}

async fn end(authority: &Authority, id: &str) -> Result<(), StoreError> {
    if authority.log.end_subject(id).await?.is_some() {
        authority.meter.revoked("subject");
    }
    Ok(())
}
