//! Which scopes does a token get?
//!
//! What was asked for, if the client may have all of it, or what is usual, if it asked for nothing (RFC
//! 6749 section 3.3); of that, what those may have for whom the token is (KM-105).

use super::{Authority, Refusal};
use crate::domain::{Client, ScopeRefusal, Scopes, User};

pub(super) fn scopes(
    authority: &Authority,
    client: &Client,
    asked: Option<&str>,
) -> Result<Scopes, Refusal> {
    authority.scopes.asked(&client.scopes, asked).map_err(|refusal| match refusal {
        ScopeRefusal::Malformed(error) => Refusal::MalformedScope(error),
        ScopeRefusal::Forbidden => Refusal::ForbiddenScope,
    })
}

/// The scopes of a token that comes from an authorization: all of them, or fewer (RFC 6749
/// section 6, KM-074).
pub(super) fn narrowed(granted: &Scopes, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let Some(asked) = asked else { return Ok(granted.clone()) };
    let asked = Scopes::parse(asked).map_err(Refusal::MalformedScope)?;
    if asked.is_subset(granted) { Ok(asked) } else { Err(Refusal::ForbiddenScope) }
}

/// What is left of scopes for a person, or for a client that acts for itself (`None`). Where nothing is
/// left, there is no token.
pub(super) fn held(
    authority: &Authority,
    scopes: &Scopes,
    user: Option<&User>,
) -> Result<Scopes, Refusal> {
    let held = match user {
        Some(user) => authority.scopes.of_person(scopes, &user.roles()),
        None => authority.scopes.of_client(scopes),
    };
    if held.is_empty() && !scopes.is_empty() { Err(Refusal::ForbiddenScope) } else { Ok(held) }
}
