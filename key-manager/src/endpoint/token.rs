//! The token endpoint (RFC 6749 section 3.2, KM-012).
//!
//! The same steps for every grant, ours or a plug-in's, in this order: form, client, grant, binding,
//! [the grant's own question], person, lockout, scope, audience, [what was shown is used up], issuance.
//! A grant cannot leave one out.

use serde_json::{Map, Value, json};

use super::audience::audience;
use super::bound::Bound;
use super::login::{Shown, agent};
use super::report::{Begun, Known, report};
use super::scope::{held, narrowed, scopes};
use super::{Authority, Refusal, Reply, Request, credentials, details, reply};
use crate::domain::User;
use crate::form::Form;
use crate::grant::{Asked, GrantKind, Offered};
use crate::issue::{Identity, Order, Source, identify, issue};

/// What comes out of an exchange (RFC 8693 section 2.2.1).
const ISSUED_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) async fn token(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let (begun, mut known) = (Begun::now(authority), Known::default());
    let answered = grant_token(authority, request, &mut known).await;
    report(authority, request, begun, &known, &answered);
    let result = answered.as_ref().map_or_else(|refusal| refusal.code().1, |_| "ok");
    let grant = if known.grant.is_empty() { "none" } else { known.grant };
    authority.meter.token(grant, result);
    if result != "ok" {
        authority.audit.count("token.refused", "", result, grant);
    }
    answered
}

/// `known` becomes what the counters and the collector are told.
async fn grant_token(
    authority: &Authority,
    request: &Request,
    known: &mut Known,
) -> Result<Reply, Refusal> {
    let now = authority.clock.unix_seconds();
    let form = request.form()?;
    let asked = form.find("grant_type");
    let kind = asked.and_then(|name| authority.grants.find(name).ok());
    known.grant = kind.as_ref().map_or("other", Offered::label);

    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    known.client = client.id.to_string();
    if asked.is_none() {
        return Err(Refusal::invalid("grant_type is missing"));
    }
    let kind = kind.ok_or(Refusal::UnsupportedGrantType)?;
    if !client.may_use(kind.name()) {
        return Err(Refusal::UnauthorizedGrant);
    }
    if client.is_public() && !kind.is_for_public_clients() {
        return Err(Refusal::UnauthorizedGrant);
    }
    let bound = Bound::read(authority, request, &client, "token", now)?;
    let ring = authority.keeper.ring();
    let means = authority.means(&request.peer, &ring);
    let agent = agent(request);
    let confirmation = &bound.confirmation;
    let typed = match &kind {
        Offered::BuiltIn(GrantKind::Password) => typed(authority, request, &form).await?,
        _ => None,
    };
    let shown =
        Asked { client: &client, form: &form, confirmation, agent: &agent, person: typed.as_ref() };
    let approval = kind.approve(shown, &means).await?;
    let user = if approval.is_of_person() {
        approval.subject().clone_into(&mut known.user);
        Some(person(authority, approval.subject(), &kind).await?)
    } else {
        None
    };
    let ended_until = user.as_ref().map_or(0, |user| user.ended_until);
    let roles = user.as_ref().map(User::roles).unwrap_or_default();
    let asked = form.find("scope");
    let scopes = match approval.scopes() {
        Some(granted) => narrowed(granted, asked)?,
        None => scopes(authority, &client, asked)?,
    };
    let scopes = held(authority, &scopes, user.as_ref())?;
    let audience = audience(approval.audience().unwrap_or(&authority.rules.audience), &form)?;
    let wanted = form.find("authorization_details");
    let details = match approval.details() {
        Some(granted) => details::narrowed(granted, wanted),
        None => authority.details.read(wanted, &client.terms.details),
    };
    let details =
        details.map_err(|wrong| Refusal::Denied("invalid_authorization_details", wrong.0))?;
    bound.spend(authority, &client, now).await?;
    let refresh = approval.settle(shown, &means).await?;

    let order = Order {
        client: &client,
        subject: approval.subject(),
        scopes: &scopes,
        audience: &audience,
        person: approval.grant(),
        roles: &roles,
        source: approval.exchanged().map(|from| Source {
            family: from.family.as_deref(),
            act: &from.act,
            until: from.until,
        }),
        longest_seconds: approval.limits().seconds,
        claims: &approval.limits().claims,
        details: &details,
        confirmation: &bound.confirmation,
        // As with a client: what is issued after an end in the same second is dated to the next.
        now: now.max(ended_until.saturating_add(1)),
    };
    let issued = issue(order, authority.origin(&ring)).await?;
    tracing::debug!(client = %client.id, grant = kind.name(), %scopes, "token issued");
    known.scope = scopes.to_string();
    authority.fraud.issued(client.id.as_str());
    if let Some(grant) = approval.grant().filter(|_| client.is_public()) {
        authority.fraud.refreshed(grant, request.peer.address);
    }
    authority.audit.count("token.issued", client.id.as_str(), "ok", kind.label());
    let mut body = Map::new();
    body.insert("access_token".to_owned(), json!(issued.token));
    body.insert("token_type".to_owned(), json!(bound.confirmation.token_type()));
    body.insert("expires_in".to_owned(), json!(issued.expires_in));
    if !scopes.is_empty() {
        body.insert("scope".to_owned(), json!(scopes.to_string()));
    }
    if !details.is_empty() {
        body.insert("authorization_details".to_owned(), json!(details));
    }
    if approval.exchanged().is_some() {
        body.insert("issued_token_type".to_owned(), json!(ISSUED_TYPE));
    }
    if let Some(token) = refresh {
        body.insert("refresh_token".to_owned(), json!(token.as_str()));
    }
    if let Some(grant) = approval.grant().filter(|_| scopes.contains("openid")) {
        let wished = user.iter().flat_map(|user| user.claims_named(&grant.wishes.id_token));
        let claims: Map<_, _> = wished.collect();
        let identity = Identity {
            client: &client,
            grant,
            nonce: approval.nonce(),
            access_token: Some(issued.token.as_str()),
            code: None,
            state: None,
            claims: &claims,
            now,
        };
        let token = identify(identity, authority.origin(&ring)).await?;
        body.insert("id_token".to_owned(), json!(token));
    }
    let mut reply = reply::private(&Value::Object(body));
    bound.renew(authority, &mut reply, now);
    Ok(reply)
}

/// Who typed their name and their password into the request (RFC 6749 section 4.3.2), if that is all
/// that they have to show.
async fn typed(
    authority: &Authority,
    request: &Request,
    form: &Form,
) -> Result<Option<User>, Refusal> {
    let field = |name| form.find(name).unwrap_or_default();
    let (name, password) = (field("username"), field("password"));
    match credentials::alone(authority, request.peer.address, name, password).await? {
        Shown::Known(user) => Ok(Some(user)),
        Shown::Unknown | Shown::Locked { .. } => Ok(None),
    }
}

/// The person that a token is for, who may still log in.
async fn person(authority: &Authority, id: &str, grant: &Offered) -> Result<User, Refusal> {
    let stored = authority.store.user(id).await?;
    let user = stored.map(|stored| stored.user).filter(|user| !user.disabled);
    let user = user.ok_or(Refusal::InvalidGrant("the person may not log in"))?;
    if grant.needs_lockout() && authority.lockout().is_locked_out(&user.name).await? {
        return Err(Refusal::InvalidGrant("the person may not log in right now"));
    }
    Ok(user)
}
