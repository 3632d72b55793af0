//! Revocation (RFC 7009, KM-013): a client ends a token of its own.
//!
//! A token that is unknown or has ended already is no error: what the client wanted is true.

use super::{Authority, Refusal, Reply, Request, reply};
use crate::audit::Event;
use crate::domain::Client;
use crate::vault::family_of;

pub(super) async fn revoke(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let now = authority.clock.unix_seconds();
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    // `token_type_hint` only helps a search, and there is nothing to search (section 2.1).
    let token = form.find("token").ok_or_else(|| Refusal::invalid("token is missing"))?;
    if let Some(family) = family_of(token) {
        return revoke_family(authority, request, &client, &family, token).await;
    }
    let Some(token) = authority.recognise(token) else {
        return Ok(reply::empty());
    };
    if token.client_id != client.id.as_str() {
        return Err(Refusal::ForeignToken);
    }
    let event = Event::of("token.revoked").by(client.id.as_str()).client(client.id.as_str());
    let event = event.from(request.peer.address).with("jti", &token.jti);
    if let Some(sequence) = authority.noting(event).end_token(&token).await? {
        authority.meter.revoked("token");
        tracing::info!(client = %client.id, jti = token.jti, sequence, "token revoked by its client");
    }
    Ok(reply::empty())
}

/// A refresh token ends with everything that came with it (section 2.1).
async fn revoke_family(
    authority: &Authority,
    request: &Request,
    client: &Client,
    id: &str,
    token: &str,
) -> Result<Reply, Refusal> {
    let Some(family) = authority.store.family(id).await? else { return Ok(reply::empty()) };
    let digest = authority.pepper.digest(id, token);
    let former = family.former_digest.as_ref() == Some(&digest);
    if family.digest != digest && !former {
        return Ok(reply::empty());
    }
    if family.grant.client_id != client.id {
        return Err(Refusal::ForeignToken);
    }
    let event = Event::of("family.revoked").by(client.id.as_str()).client(client.id.as_str());
    let event = event.from(request.peer.address).with("family", id);
    if let Some(sequence) = authority.noting(event).end_family(id).await? {
        authority.meter.revoked("family");
        tracing::info!(client = %client.id, family = id, sequence, "family revoked by its client");
    }
    Ok(reply::empty())
}
