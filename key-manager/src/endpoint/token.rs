//! The token endpoint (RFC 6749 section 3.2, KM-012).
//!
//! The same steps for every grant, in this order: form, client, grant, binding, [the grant's own
//! question], scope, audience, issuance. A grant cannot leave one out.

use serde_json::json;

use super::audience::audience;
use super::bound::Bound;
use super::scope::scopes;
use super::{Authority, Refusal, Reply, Request, reply};
use crate::domain::AuthMethod;
use crate::grant::GrantKind;
use crate::issue::{Order, issue};

pub(super) async fn token(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let mut grant = "none";
    let answered = grant_token(authority, request, &mut grant).await;
    let result = answered.as_ref().map_or_else(|refusal| refusal.code().1, |_| "ok");
    authority.meter.token(grant, result);
    answered
}

/// `named` becomes the grant that was asked for, for the counters.
async fn grant_token(
    authority: &Authority,
    request: &Request,
    named: &mut &'static str,
) -> Result<Reply, Refusal> {
    let now = authority.clock.unix_seconds();
    let form = request.form()?;
    let asked = form.find("grant_type");
    let kind = asked.and_then(|name| name.parse::<GrantKind>().ok());
    *named = kind.map_or("other", GrantKind::name);

    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    if asked.is_none() {
        return Err(Refusal::invalid("grant_type is missing"));
    }
    let kind = kind.ok_or(Refusal::UnsupportedGrantType)?;
    if !client.may_use(kind.name()) {
        return Err(Refusal::UnauthorizedGrant);
    }
    if client.authentication.method == AuthMethod::None && !kind.is_for_public_clients() {
        return Err(Refusal::UnauthorizedGrant);
    }
    let bound = Bound::read(authority, request, &client, "token", now)?;
    let approval = kind.approve(&client);
    let scopes = scopes(&client, form.find("scope"))?;
    let audience = audience(&authority.rules.audience, &form)?;
    let order = Order {
        client: &client,
        subject: &approval.subject,
        scopes: &scopes,
        audience: &audience,
        confirmation: &bound.confirmation,
        now,
    };
    bound.spend(authority, &client, now).await?;
    let issued = issue(order, &authority.rules, &authority.keeper.ring())?;
    tracing::debug!(client = %client.id, grant = kind.name(), %scopes, "token issued");
    let mut body = json!({
        "access_token": issued.token,
        "token_type": bound.confirmation.token_type(),
        "expires_in": issued.expires_in,
    });
    if let (Some(map), false) = (body.as_object_mut(), scopes.is_empty()) {
        map.insert("scope".to_owned(), json!(scopes.to_string()));
    }
    let mut reply = reply::private(&body);
    bound.renew(authority, &mut reply, now);
    Ok(reply)
}
