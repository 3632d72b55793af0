//! Refresh token: a client goes on for a person who is not there (RFC 6749 section 6, KM-033, KM-070).
//!
//! The step to the next token is one conditional write. Who comes second with the same token gets
//! the same answer for a short grace, because the first answer may have been lost; later it means
//! that two hold the token, and the family ends (RFC 9700 section 4.14).

use zeroize::Zeroizing;

use super::approval::{Approval, Step};
use super::error::GrantError;
use super::means::{Asked, Means};
use crate::domain::{Client, RefreshPolicy};
use crate::store::{Rotation, StoredFamily};
use crate::vault::{VaultError, family_of, new_refresh_token};

/// How often the step is looked at anew when others are faster.
const ATTEMPTS: u32 = 8;
/// Within so many seconds of the first request the others came at once with it.
const AT_ONCE_SECONDS: i64 = 2;

/// What a refresh token is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// It was replaced a moment ago.
    JustReplaced,
    /// It was replaced before, or the family does not know it: two hold tokens of the family.
    Reused,
}

pub(super) async fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let token = asked.form.find("refresh_token");
    let token = token.ok_or(GrantError::Missing("refresh_token"))?;
    let (digest, family) = shown(token, asked, means).await?;
    Ok(Approval::person(family.grant, Step::Refresh { digest }))
}

/// The digest and the family of a token that its client may show. One that was used before ends the
/// family.
pub(super) async fn shown(
    token: &str,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<(String, StoredFamily), GrantError> {
    let unknown = || GrantError::Invalid("the refresh token is unknown or has ended");
    let id = family_of(token).ok_or_else(unknown)?;
    let family = means.store.family(&id).await?.ok_or_else(unknown)?;
    if family.grant.client_id != asked.client.id {
        return Err(GrantError::Invalid("the refresh token was issued to another client"));
    }
    if family.key.is_some() && family.key != asked.confirmation.key {
        return Err(GrantError::Invalid("the refresh token is bound to another key"));
    }
    let digest = means.pepper.digest(&id, token);
    alive(&family, means.now)?;
    if standing(&family, &digest, means.now) == Standing::Reused {
        return Err(reused(&family, means).await?);
    }
    Ok((digest, family))
}

fn alive(family: &StoredFamily, now: i64) -> Result<(), GrantError> {
    if family.revoked || now >= family.ends_at || now >= family.idle_until {
        return Err(GrantError::Invalid("the refresh token is unknown or has ended"));
    }
    Ok(())
}

/// Digests under a key that nobody outside has can be compared as texts.
fn standing(family: &StoredFamily, digest: &str, now: i64) -> Standing {
    if family.digest == digest {
        return Standing::Good;
    }
    let former = family.former_digest.as_deref() == Some(digest);
    if former && now < family.former_until && family.successor.is_some() {
        Standing::JustReplaced
    } else {
        Standing::Reused
    }
}

/// Takes the step. The answer is the token to go on with; `None`: the same as before.
pub(super) async fn settle(
    id: &str,
    digest: &str,
    client: &Client,
    means: &Means<'_>,
) -> Result<Option<Zeroizing<String>>, GrantError> {
    let ended = || GrantError::Invalid("the refresh token is unknown or has ended");
    for _ in 0..ATTEMPTS {
        let family = means.store.family(id).await?.ok_or_else(ended)?;
        alive(&family, means.now)?;
        match standing(&family, digest, means.now) {
            Standing::Reused => return Err(reused(&family, means).await?),
            Standing::JustReplaced if may_replay(&family, digest, means).await? => {
                return replayed(&family, means).map(Some);
            }
            Standing::JustReplaced => {
                // Somebody else may have moved it on meanwhile: then it is looked at anew.
                let now = means.store.family(id).await?.ok_or_else(ended)?;
                if now.generation == family.generation {
                    return Err(reused(&family, means).await?);
                }
                continue;
            }
            Standing::Good => {}
        }
        // Never beyond the absolute end (KM-074).
        let idle_until = means.now.saturating_add(means.rules.idle_seconds).min(family.ends_at);
        if client.refresh == RefreshPolicy::Static {
            let kept = means.store.keep_family(id, idle_until).await?;
            return if kept { Ok(None) } else { Err(ended()) };
        }
        let next = new_refresh_token(id).ok_or_else(ended)?;
        let generation = family.generation;
        let rotation = Rotation {
            generation,
            from_digest: digest.to_owned(),
            to_digest: means.pepper.digest(id, &next),
            successor: means.sealer.seal(&purpose(id, generation), next.as_bytes())?,
            former_until: means.now.saturating_add(means.rules.grace_seconds),
            idle_until,
        };
        if means.store.rotate_family(id, &rotation).await? {
            return Ok(Some(next));
        }
    }
    Err(GrantError::Contended)
}

/// Whether the answer may be given once more. A client that asks several times at once gets it each
/// time; who comes back later gets it a few times, because answers seldom get lost (KM-071).
async fn may_replay(
    family: &StoredFamily,
    digest: &str,
    means: &Means<'_>,
) -> Result<bool, GrantError> {
    let moved_at = family.former_until.saturating_sub(means.rules.grace_seconds);
    if means.now < moved_at.saturating_add(AT_ONCE_SECONDS) {
        return Ok(true);
    }
    let id = &family.grant.family_id;
    Ok(means.store.replay_family(id, digest, means.rules.replays).await?)
}

/// The answer that the first one got.
fn replayed(family: &StoredFamily, means: &Means<'_>) -> Result<Zeroizing<String>, GrantError> {
    let sealed = family.successor.as_deref().unwrap_or_default();
    let before = family.generation.saturating_sub(1);
    let opened = means.sealer.open(&purpose(&family.grant.family_id, before), sealed)?;
    let text = std::str::from_utf8(&opened).map_err(|_| VaultError::Broken)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn purpose(family: &str, generation: i64) -> String {
    format!("successor of {family} {generation}")
}

async fn reused(family: &StoredFamily, means: &Means<'_>) -> Result<GrantError, GrantError> {
    means.end_family(&family.grant, "refresh_reuse").await?;
    Ok(GrantError::Invalid("the refresh token was used before"))
}
