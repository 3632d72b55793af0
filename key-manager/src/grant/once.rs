//! What is good once, and no more (KM-122).

use super::error::GrantError;
use super::means::Means;
use crate::store::{Use, Used};

/// Something that was shown.
#[derive(Clone, Debug)]
pub(super) struct Once {
    /// Whose room it takes: `issuer/`, `saml/` or `plugin/` and a name. A slash stands in no client's identifier.
    pub(super) owner: String,
    pub(super) name: String,
    /// Until when it has to be remembered, Unix seconds.
    pub(super) until: i64,
}

impl Once {
    /// Uses it up; once.
    pub(super) async fn spend(&self, means: &Means<'_>) -> Result<(), GrantError> {
        let Self { owner, name, until } = self;
        let most = means.trust.remembered;
        let used = Used { owner, name, until: *until, now: means.now, most };
        match means.store.use_once(&used).await? {
            Use::First => Ok(()),
            Use::Again => Err(GrantError::Invalid("what was shown was used before")),
            Use::Full => Err(GrantError::Full),
        }
    }
}
