//! What is the word of another server about a person good for? (RFC 7521, KM-039, KM-040)
//!
//! However it is written: it names a person who has an account here and has agreed to what the client
//! wants, and it is good once.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::approval::{Approval, Step};
use super::consent::agreed;
use super::error::GrantError;
use super::means::{Asked, Means};
use super::once::Once;
use crate::domain::{LoginMethod, UserName, Wishes};
use crate::store::Grant;
use crate::vault::new_family_id;

/// An assertion that holds.
#[derive(Clone, Debug)]
pub(super) struct Word<'w> {
    /// Whom it names.
    pub(super) name: &'w str,
    /// When they showed who they are there, Unix seconds: nobody logged in here.
    pub(super) at: i64,
    /// Its identifier, which is good once for `owner`. A slash in that stands in no client's.
    pub(super) id: &'w str,
    pub(super) owner: String,
    /// When it ends, Unix seconds.
    pub(super) until: i64,
}

impl Word<'_> {
    pub(super) async fn accept(
        self,
        asked: Asked<'_>,
        means: &Means<'_>,
    ) -> Result<Approval, GrantError> {
        let nobody = || GrantError::Invalid("the assertion names nobody");
        let name = UserName::parse(self.name).map_err(|_| nobody())?;
        let found = means.store.user_named(&name).await?.map(|stored| stored.user);
        let user = found.ok_or_else(nobody)?;
        let scopes = agreed(asked.client, means, &user.id, false).await?;
        let grant = Grant {
            family_id: new_family_id(),
            client_id: asked.client.id.clone(),
            user_id: user.id,
            session_id: String::new(),
            scopes,
            audience: means.audience.to_vec(),
            logged_in_at: self.at,
            method: LoginMethod::default(),
            wishes: Wishes::default(),
        };
        let once = Once {
            owner: self.owner,
            name: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.id.as_bytes())),
            until: self.until.saturating_add(i64::from(means.trust.skew_seconds)),
        };
        Ok(Approval::person(grant, Step::Once(once)))
    }
}
