//! How do new certificates come into force without a restart?
//!
//! On SIGHUP at once, and otherwise when one of the files has changed.

use std::time::Duration;

use tokio::sync::watch;

use super::identity::Identity;
use crate::clock::Clock;
use crate::task::Tasks;

const LOOK_EVERY: Duration = Duration::from_secs(5);
// A development certificate is renewed seven days before it expires: this is soon enough.
const RENEW_EVERY_LOOKS: u32 = 720;

/// Keeps `identity` as its files are. Ends never; `hangups` counts the SIGHUPs.
pub(crate) async fn keep_fresh(
    identity: Identity,
    clock: Clock,
    tasks: Tasks,
    mut hangups: watch::Receiver<u64>,
) {
    let mut looks: u32 = 0;
    loop {
        tokio::select! {
            () = clock.sleep(LOOK_EVERY) => {}
            _ = hangups.changed() => {}
        }
        looks = looks.wrapping_add(1);
        let (identity, renew) = (identity.clone(), looks.is_multiple_of(RENEW_EVERY_LOOKS));
        let now = clock.unix_seconds();
        let look = tasks.blocking(move || {
            if renew {
                identity.renew()?;
            }
            identity.reload(now)
        });
        match look.await {
            Ok(Ok(true)) => tracing::info!("certificates reloaded"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "certificates not reloaded; the last good ones stay in force"
            ),
            Err(error) => tracing::warn!(%error, "looking for new certificates failed"),
        }
    }
}
