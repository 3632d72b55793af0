//! How does a person log in with an account that they have elsewhere? (KM-095)
//!
//! What was asked of us travels along in the `state`, sealed, and counts only together with the cookie of
//! the browser that set out, for the provider that it was sent to, and for a short while. Each provider has
//! its own way back, so that none can answer for another.

use serde::{Deserialize, Serialize};

use super::interaction::{ask_login, cookie, enter, whither};
use super::response::see_other;
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request};
use crate::accounts::{self, AccountError};
use crate::audit::Event;
use crate::domain::LoginMethod;
use crate::federation::{self, FederationError, Member, Secrets};
use crate::form::Form;

/// A login elsewhere may take so long.
const SECONDS: i64 = 600;

const PURPOSE: &str = "login at a provider";

/// A login under way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journey {
    ticket: Ticket,
    provider: String,
    /// Of that time: another server may have been put under the name since.
    issuer: String,
    secrets: Secrets,
    /// Unix seconds.
    at: i64,
}

/// The button was pressed.
pub(super) async fn depart(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let before = cookie(request);
    let ticket = Ticket::open(authority, form.find("request"), before.as_deref())?;
    whither(authority, &ticket).await?;
    let member = member(authority, form.find("provider").unwrap_or_default())?;
    let secrets = Secrets::random();
    let journey = Journey {
        ticket,
        provider: member.provider.name.clone(),
        issuer: member.provider.issuer.clone(),
        secrets: secrets.clone(),
        at: authority.clock.unix_seconds(),
    };
    let state = authority.seal(PURPOSE, &journey)?;
    let url = federation::depart(&member, &way_back(authority, &member), &secrets, &state);
    see_other(url.map_err(refused)?.as_str())
}

/// The browser is back.
pub(super) async fn arrived(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let query = Form::parse(request.query.as_deref().unwrap_or_default().as_bytes())?;
    let before = cookie(request);
    let journey = open(authority, query.find("state"), before.as_deref())?;
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let member = member(authority, &journey.provider)?;
    let same = journey.provider == name && journey.issuer == member.provider.issuer;
    // RFC 9207: whoever names themselves must be who was asked, and who said they would has to.
    let names_itself = member.metadata().is_some_and(|metadata| metadata.names_itself);
    let named = match query.find("iss") {
        Some(issuer) => issuer == member.provider.issuer,
        None => !names_itself,
    };
    if !same || !named {
        return Err(Refusal::invalid("this is not the server that was asked"));
    }
    let whither = whither(authority, &journey.ticket).await?;
    let Some(code) = query.find("code").filter(|_| query.find("error").is_none()) else {
        // Whoever changed their mind there may log in otherwise.
        return ask_login(authority, &whither, journey.ticket, before.as_deref(), "", false);
    };
    let redirect = way_back(authority, &member);
    let person = federation::arrive(&member, &redirect, journey.secrets, code).await;
    let person = match person {
        Ok(person) => person,
        Err(error) => {
            let event = Event::of("login.failed").outcome("refused").from(request.peer.address);
            authority.audit.record(event.with("provider", &member.provider.name)).await?;
            return Err(refused(error));
        }
    };
    let user = accounts::of_provider(authority, &member.provider, &person).await;
    let user = user.map_err(|error| match error {
        AccountError::Nobody => {
            Refusal::invalid("nobody here has this account; ask the operator to link it")
        }
        AccountError::Store(error) => error.into(),
        other => Refusal::Failed(Box::new(other)),
    })?;
    if user.disabled {
        return Err(Refusal::invalid("this account may not log in"));
    }
    tracing::info!(user = user.id, provider = member.provider.name, "logged in elsewhere");
    let method = LoginMethod::PROVIDER;
    enter(authority, request, journey.ticket, &user, before.as_deref(), method).await
}

fn open(
    authority: &Authority,
    sealed: Option<&str>,
    cookie: Option<&str>,
) -> Result<Journey, Refusal> {
    let old = || Refusal::invalid("this login is too old, or its browser keeps no cookies");
    let journey = sealed.and_then(|sealed| authority.open(PURPOSE, sealed));
    let journey: Journey = journey.ok_or_else(old)?;
    let age = authority.clock.unix_seconds().saturating_sub(journey.at);
    let own = journey.ticket.is_of(authority, cookie);
    if age <= SECONDS && own { Ok(journey) } else { Err(old()) }
}

fn member(authority: &Authority, name: &str) -> Result<std::sync::Arc<Member>, Refusal> {
    authority.federation.in_use(name).map_err(refused)
}

/// Registered there, and compared there byte for byte.
fn way_back(authority: &Authority, member: &Member) -> String {
    authority.issuer.address(&format!("federation/{}", member.provider.name))
}

fn refused(error: FederationError) -> Refusal {
    match error {
        FederationError::Unknown | FederationError::Disabled | FederationError::NotAsked => {
            Refusal::invalid("nobody logs in there")
        }
        FederationError::IdToken(_) | FederationError::Refused { .. } => {
            Refusal::invalid("the login there does not count here")
        }
        other => Refusal::Unavailable(Box::new(other)),
    }
}
