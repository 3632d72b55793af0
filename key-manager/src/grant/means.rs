//! What is a grant asked, and what may it use to find out?

use std::net::IpAddr;

use super::Trust;
use crate::audit::{Audit, Event};
use crate::domain::{Client, Confirmation, ScopeRegistry, User};
use crate::form::Form;
use crate::fraud::Fraud;
use crate::issue::Origin;
use crate::lockout::Lockout;
use crate::revocation::RevocationLog;
use crate::store::{Grant, Store, StoreError};
use crate::vault::{Pepper, Sealer};

/// How long refresh tokens are good (KM-074).
#[derive(Clone, Copy, Debug)]
pub struct RefreshRules {
    /// A family ends after so many seconds, whatever happens.
    pub life_seconds: i64,
    /// A family ends when it was not used for so many seconds.
    pub idle_seconds: i64,
    /// So many seconds the token that was just replaced gets the same answer.
    pub grace_seconds: i64,
    /// So many times, apart from requests that come at once.
    pub replays: u32,
}

/// What a grant may use.
#[derive(Clone, Copy, Debug)]
pub struct Means<'m> {
    pub store: &'m dyn Store,
    pub pepper: &'m Pepper,
    pub sealer: &'m Sealer,
    pub log: &'m RevocationLog,
    pub audit: &'m Audit,
    pub fraud: &'m Fraud,
    /// What our own tokens are recognised by.
    pub origin: Origin<'m>,
    /// The audiences that a token may have.
    pub audience: &'m [String],
    /// What is known of scopes.
    pub scopes: &'m ScopeRegistry,
    /// Whose assertions are taken.
    pub trust: &'m Trust,
    pub rules: &'m RefreshRules,
    /// Who has failed too often.
    pub lockout: Lockout<'m>,
    /// Where the request came from, for the log.
    pub address: Option<IpAddr>,
    /// Unix seconds.
    pub now: i64,
}

/// What is asked, by a client that proved who it is.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub client: &'a Client,
    pub form: &'a Form,
    /// What it proved to hold.
    pub confirmation: &'a Confirmation,
    /// What it calls itself; may be empty.
    pub agent: &'a str,
    /// Who typed their password into the request, and need not show more; `None`: nobody.
    pub person: Option<&'a User>,
}

impl Means<'_> {
    /// Ends everything that came from one authorization, because somebody else holds part of it.
    pub(super) async fn end_family(
        &self,
        grant: &Grant,
        event: &'static str,
    ) -> Result<(), StoreError> {
        let noted = Event::of(event).by(&grant.user_id).client(grant.client_id.as_str());
        let noted = noted.from(self.address).with("family", &grant.family_id);
        let ended = self.log.noting(self.audit.noted(noted)).end_family(&grant.family_id).await?;
        if let Some(sequence) = ended {
            self.fraud.reused(event, grant, self.address);
            let address = self.address.map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(
                event,
                client = %grant.client_id,
                user = grant.user_id,
                family = grant.family_id,
                address,
                sequence,
                "a code or refresh token was used again: everything from it has ended"
            );
        }
        Ok(())
    }
}
