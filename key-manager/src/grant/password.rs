//! Password: a client that knows the password of its person (RFC 6749 section 4.3, KM-034).
//!
//! For old clients only, where the operator has turned it on. The password was looked at before, like
//! at a login and with the same lockout; here it is only said what it is good for.

use super::approval::{Approval, Step};
use super::error::GrantError;
use super::means::{Asked, Means};
use crate::domain::{LoginMethod, Wishes};
use crate::store::Grant;
use crate::vault::new_family_id;

pub(super) fn approve(asked: Asked<'_>, means: &Means<'_>) -> Result<Approval, GrantError> {
    let client = asked.client;
    let user = asked.person.ok_or(GrantError::Invalid("name or password is wrong"))?;
    // What is wrong with them is said by those who stand outside.
    let scopes = means.scopes.asked(&client.scopes, asked.form.find("scope"));
    let grant = Grant {
        family_id: new_family_id(),
        client_id: client.id.clone(),
        user_id: user.id.clone(),
        // There is no browser whose session it could be.
        session_id: String::new(),
        scopes: scopes.unwrap_or_else(|_| client.scopes.clone()),
        audience: means.audience.to_vec(),
        logged_in_at: means.now,
        method: LoginMethod::PASSWORD,
        wishes: Wishes::default(),
    };
    Ok(Approval::person(grant, Step::Vouched { once: None, refresh: true }))
}
