//! What has a person agreed to, that nobody asks right now?
//!
//! The word of another server is no consent: what counts is what they allowed the client here (KM-104).
//! Nobody logged in, so there is no ID token.

use super::error::GrantError;
use super::means::Means;
use crate::domain::{Client, Scopes};

/// The scopes that a client may have for a person. `asked`: they have been asked elsewhere, by somebody
/// whose word counts for it.
pub(super) async fn agreed(
    client: &Client,
    means: &Means<'_>,
    user: &str,
    asked: bool,
) -> Result<Scopes, GrantError> {
    let all = client.first_party || asked;
    let given = means.store.consent(user, &client.id).await?;
    if !all && given.is_empty() {
        return Err(GrantError::Invalid("the person has not agreed to anything for this client"));
    }
    let may = |scope: &&str| *scope != "openid" && (all || given.contains(scope));
    let scopes = Scopes::collect(client.scopes.iter().filter(may));
    scopes.map_err(|_| GrantError::Invalid("a scope is none"))
}
