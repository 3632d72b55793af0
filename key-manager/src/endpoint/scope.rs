//! Which scopes does a token get?
//!
//! What was asked for, if the client may have all of it; all that it may have, if it asked for
//! nothing (RFC 6749 section 3.3).

use super::Refusal;
use crate::domain::{Client, Scopes};

pub(super) fn scopes(client: &Client, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let Some(asked) = asked else { return Ok(client.scopes.clone()) };
    let asked = Scopes::parse(asked).map_err(Refusal::MalformedScope)?;
    if asked.is_empty() {
        return Ok(client.scopes.clone());
    }
    if asked.is_subset(&client.scopes) { Ok(asked) } else { Err(Refusal::ForbiddenScope) }
}

/// The scopes of a token that comes from an authorization: all of them, or fewer (RFC 6749
/// section 6, KM-074).
pub(super) fn narrowed(granted: &Scopes, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let Some(asked) = asked else { return Ok(granted.clone()) };
    let asked = Scopes::parse(asked).map_err(Refusal::MalformedScope)?;
    if asked.is_subset(granted) { Ok(asked) } else { Err(Refusal::ForbiddenScope) }
}
