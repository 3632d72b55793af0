//! Authorization code: a person logged in and sent the client back with a code (RFC 6749 section
//! 4.1, KM-030).
//!
//! A code is spent by the first attempt to use it, also by one with anything wrong. Whoever shows
//! it again shows that it leaked, and everything that came from it ends.

use zeroize::Zeroizing;

use super::approval::{Approval, Step};
use super::error::GrantError;
use super::means::{Asked, Means};
use super::pkce;
use crate::store::{Grant, StoredCode, StoredFamily};
use crate::vault::new_refresh_token;

/// What codes are digested under.
pub const OWNER: &str = "authorization code";

pub(super) async fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let missing = |name: &'static str| move || GrantError::Missing(name);
    let code = asked.form.find("code").ok_or_else(missing("code"))?;
    let redirect = asked.form.find("redirect_uri").ok_or_else(missing("redirect_uri"))?;
    let verifier = asked.form.find("code_verifier");
    if verifier.is_none() && !asked.client.requests.without_pkce {
        return Err(GrantError::Invalid("code_verifier is missing"));
    }

    let digest = means.pepper.digest(OWNER, code);
    let found = means.store.code(&digest).await?;
    let stored = found.ok_or(GrantError::Invalid("the code is unknown"))?;
    if stored.used_at.is_some() {
        return Err(used_again(&stored.grant, means).await?);
    }
    if let Err(wrong) = fits(&stored, asked, redirect, verifier, means.now) {
        if !means.store.use_code(&digest, None, means.now).await? {
            return Err(used_again(&stored.grant, means).await?);
        }
        return Err(wrong);
    }
    Ok(Approval::person(stored.grant, Step::Code { digest }).with_nonce(stored.nonce))
}

fn fits(
    code: &StoredCode,
    asked: Asked<'_>,
    redirect: &str,
    verifier: Option<&str>,
    now: i64,
) -> Result<(), GrantError> {
    let Asked { client, confirmation, .. } = asked;
    // A verifier without a challenge would be one that somebody took away from the request
    // (RFC 9700 section 4.8.2).
    let proven = match (verifier, &code.challenge) {
        (Some(verifier), Some(challenge)) => pkce::fits(verifier, challenge),
        (None, None) => client.requests.without_pkce,
        _ => false,
    };
    if code.grant.client_id != client.id {
        return Err(GrantError::Invalid("the code was issued to another client"));
    }
    if now >= code.expires_at {
        return Err(GrantError::Invalid("the code has expired"));
    }
    if code.redirect_uri != redirect {
        return Err(GrantError::Invalid("redirect_uri is not that of the authorization"));
    }
    if code.key.is_some() && code.key != confirmation.key {
        return Err(GrantError::Invalid("the code is bound to another key"));
    }
    if !proven {
        return Err(GrantError::Invalid("code_verifier does not fit"));
    }
    Ok(())
}

/// Uses the code up. The answer is the first refresh token, for a client that may use one.
pub(super) async fn settle(
    digest: &str,
    grant: &Grant,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Option<Zeroizing<String>>, GrantError> {
    let (family, token) = first_token(grant, asked, means)?.unzip();
    if means.store.use_code(digest, family.as_ref(), means.now).await? {
        Ok(token)
    } else {
        Err(used_again(grant, means).await?)
    }
}

/// The family that begins with an authorization and its first refresh token, for a client that may
/// use one.
pub(super) fn first_token(
    grant: &Grant,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Option<(StoredFamily, Zeroizing<String>)>, GrantError> {
    let Asked { client, confirmation, .. } = asked;
    if !client.may_use("refresh_token") {
        return Ok(None);
    }
    let made = new_refresh_token(&grant.family_id);
    let made = made.ok_or(GrantError::Invalid("the code is damaged"))?;
    let family = StoredFamily {
        grant: grant.clone(),
        // Others prove who they are with each use (RFC 9449 section 5).
        key: confirmation.key.clone().filter(|_| client.is_public()),
        generation: 1,
        digest: means.pepper.digest(&grant.family_id, &made),
        former_digest: None,
        former_until: 0,
        successor: None,
        idle_until: means.now.saturating_add(means.rules.idle_seconds),
        ends_at: means.now.saturating_add(means.rules.life_seconds),
        revoked: false,
    };
    Ok(Some((family, made)))
}

/// Ends everything that came from the code.
async fn used_again(grant: &Grant, means: &Means<'_>) -> Result<GrantError, GrantError> {
    means.end_family(grant, "code_reuse").await?;
    Ok(GrantError::Invalid("the code was used before"))
}
