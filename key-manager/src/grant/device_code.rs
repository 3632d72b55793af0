//! Device code and CIBA: somebody agreed elsewhere, where there is a keyboard, or where they always are
//! (RFC 8628, KM-036; OpenID Connect CIBA, KM-037).

use zeroize::Zeroizing;

use super::approval::{Approval, Step};
use super::authorization_code::first_token;
use super::error::GrantError;
use super::means::{Asked, Means};
use crate::store::{DeviceState, Grant, Slower};

/// What device codes are digested under.
pub const DEVICE_OWNER: &str = "device code";
/// What the codes of CIBA are digested under.
pub const CIBA_OWNER: &str = "auth_req_id";
/// What the codes are digested under that people type.
pub const USER_OWNER: &str = "user code";
/// How long a device waits between two questions, in seconds.
pub const PAUSE_SECONDS: i64 = 5;
/// What becomes of it for one that does not.
const SLOWER: Slower = Slower { by_seconds: 5, most_seconds: 60 };

/// `name` is the parameter with the code: what a device has is nothing to CIBA, and the other way
/// round, because the digests are of different owners.
pub(super) async fn approve(
    asked: Asked<'_>,
    means: &Means<'_>,
    name: &'static str,
    owner: &str,
) -> Result<Approval, GrantError> {
    let code = asked.form.find(name).ok_or(GrantError::Missing(name))?;
    let digest = means.pepper.digest(owner, code);
    let found = means.store.device(&digest).await?;
    let device = found.filter(|device| device.grant.client_id == asked.client.id);
    let device = device.ok_or(GrantError::Invalid("the device code is unknown"))?;
    if means.now >= device.expires_at {
        return Err(GrantError::Expired);
    }
    match device.state {
        DeviceState::Denied => Err(GrantError::Denied),
        DeviceState::Approved if !locked_out(&device.grant, means).await? => {
            Ok(Approval::person(device.grant, Step::Device { digest }))
        }
        // Whose person is locked out waits like one who was not answered: the time says nothing.
        DeviceState::Approved | DeviceState::Waiting => {
            let in_time = means.store.asked_device(&digest, means.now, SLOWER).await?;
            Err(if in_time { GrantError::Pending } else { GrantError::SlowDown })
        }
    }
}

/// Whether somebody guesses the password of the person right now: the login behind the answer may be
/// the guesser's (KM-102).
async fn locked_out(grant: &Grant, means: &Means<'_>) -> Result<bool, GrantError> {
    let Some(stored) = means.store.user(&grant.user_id).await? else { return Ok(false) };
    Ok(means.lockout.is_locked_out(&stored.user.name).await?)
}

/// Uses the code up. The answer is the first refresh token, for a client that may use one.
pub(super) async fn settle(
    digest: &str,
    grant: &Grant,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Option<Zeroizing<String>>, GrantError> {
    let (family, token) = first_token(grant, asked, means)?.unzip();
    if means.store.use_device(digest, family.as_ref()).await? {
        Ok(token)
    } else {
        Err(GrantError::Invalid("the device code was used before"))
    }
}
