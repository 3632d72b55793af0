//! Is it known whether a credential was revoked?
//!
//! The key manager says every half second that nothing else was. An API may ask that the last time is
//! not too long ago: what cannot be judged is refused then, and nobody says that it is bad.

use plan::SecurityPlan;

use super::authenticate::refused;
use super::caller::Caller;
use crate::credentials::Grounds;
use crate::fault::{Fault, TokenRefused};

/// The key manager whose revocations gateways hear of.
const RESIDENT: &str = "resident";

/// Refuses a caller whose credentials may have been revoked without anybody knowing.
pub(super) fn check_heard(
    security: &SecurityPlan,
    caller: &Caller,
    grounds: Grounds<'_>,
) -> Result<(), Fault> {
    let Some(most) = security.revocation_age else { return Ok(()) };
    let resident = caller.token().is_some_and(|token| token.key_manager() == RESIDENT);
    let ours = resident || caller.person().is_some() || caller.test_key().is_some();
    if ours && grounds.revocations.is_older_than(most, grounds.now_unix) {
        return Err(refused(TokenRefused::NotHeard));
    }
    Ok(())
}
