//! Who has to answer first, and when may the client ask again?
//!
//! What the handler called the attempt goes out sealed, for the client and the grant that it was said
//! to, with its end: nothing of it is stored. Of questions within one pause the first is passed on
//! (RFC 8628 section 3.5).

use serde::{Deserialize, Serialize};

use super::error::GrantError;
use super::means::{Asked, Means};
use super::once::Once;
use crate::rpc::{PENDING, Wait};

/// What is sealed.
#[derive(Deserialize, Serialize)]
struct Attempt {
    handle: String,
    pause_seconds: i64,
    /// Unix seconds.
    until: i64,
}

/// An attempt that goes on.
#[derive(Clone, Debug)]
pub(super) struct GoesOn {
    pub(super) handle: String,
    /// When it ends, Unix seconds.
    until: i64,
}

/// The attempt that a request goes on with; `None`: it is the first.
pub(super) async fn resume(
    asked: Asked<'_>,
    means: &Means<'_>,
    grant_type: &str,
) -> Result<Option<GoesOn>, GrantError> {
    let Some(sealed) = asked.form.find(PENDING) else { return Ok(None) };
    let unknown = GrantError::Invalid("pending_handle is unknown");
    let Ok(opened) = means.sealer.open(&purpose(asked, grant_type), sealed) else {
        return Err(unknown);
    };
    let Ok(attempt) = serde_json::from_slice::<Attempt>(&opened) else { return Err(unknown) };
    if means.now >= attempt.until {
        return Err(GrantError::Expired);
    }
    let pause = attempt.pause_seconds.max(1);
    let turn = means.now / pause;
    let once = Once {
        owner: format!("pending/{}", asked.client.id),
        name: format!("{} {turn}", means.pepper.digest("pending handle", sealed)),
        until: turn.saturating_add(2).saturating_mul(pause),
    };
    match once.spend(means).await {
        Ok(()) => Ok(Some(GoesOn { handle: attempt.handle, until: attempt.until })),
        Err(GrantError::Invalid(_)) => Err(GrantError::SlowDown),
        Err(error) => Err(error),
    }
}

/// What the client is told; `before` is the attempt that went on, which does not last longer for it.
pub(super) fn wait(
    asked: Asked<'_>,
    means: &Means<'_>,
    grant_type: &str,
    said: Wait,
    before: Option<&GoesOn>,
) -> Result<GrantError, GrantError> {
    let Wait { handle, pause_seconds, seconds } = said;
    let until = means.now.saturating_add(seconds);
    let until = before.map_or(until, |before| before.until.min(until));
    let attempt = Attempt { handle, pause_seconds, until };
    let text = serde_json::to_vec(&attempt).unwrap_or_default();
    let handle = means.sealer.seal(&purpose(asked, grant_type), &text)?;
    let left = until.saturating_sub(means.now);
    Ok(GrantError::Waiting { handle, pause_seconds, seconds: left })
}

fn purpose(asked: Asked<'_>, grant_type: &str) -> String {
    format!("pending {} {grant_type}", asked.client.id)
}
