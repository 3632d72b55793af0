//! Revocation (RFC 7009, KM-013): a client ends a token of its own.
//!
//! A token that is unknown or has ended already is no error: what the client wanted is true.

use super::{Authority, Refusal, Reply, Request, reply};
use crate::issue::recognise;

pub(super) async fn revoke(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let now = authority.clock.unix_seconds();
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    // `token_type_hint` only helps a search, and there is nothing to search (section 2.1).
    let token = form.find("token").ok_or_else(|| Refusal::invalid("token is missing"))?;
    let ring = authority.keeper.ring();
    let Some(token) = recognise(token, authority.issuer.as_str(), &ring, now) else {
        return Ok(reply::empty());
    };
    if token.client_id != client.id.as_str() {
        return Err(Refusal::ForeignToken);
    }
    if let Some(sequence) = authority.log.end_token(&token).await? {
        authority.meter.revoked("token");
        tracing::info!(client = %client.id, jti = token.jti, sequence, "token revoked by its client");
    }
    Ok(reply::empty())
}
