//! How does a client ask a person who is not before its browser? (OpenID Connect CIBA, KM-018, KM-037)
//!
//! It names the person; they find the request on a page of theirs, see who asks, for what, and the
//! words that the client shows as well, and answer. The client asks the token endpoint until then.

use http::Method;
use serde_json::json;

use super::account::{Visitor, visitor};
use super::audience::audience;
use super::device::decide;
use super::device_page::{self, Waiting};
use super::interaction::cookie;
use super::response::see_other;
use super::scope::scopes;
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, ping, reply, wanted};
use crate::domain::{Client, LoginMethod, User, UserName, Wishes, is_deceptive};
use crate::form::Form;
use crate::grant::{CIBA_OWNER, GrantKind, PAUSE_SECONDS};
use crate::issue::hint;
use crate::store::{DeviceState, Grant, StoredDevice};
use crate::vault::new_family_id;

/// How long a request waits, unless less is asked for.
const SECONDS: i64 = 300;
/// The longest words that both see, in characters.
const LONGEST_MESSAGE: usize = 64;
/// The most requests of one client at a time.
const MOST_OF_CLIENT: u32 = 10_000;
/// So many are shown to a person.
const LISTED: u32 = 20;
/// What the names of requests on the page are digested under.
const NAME_OWNER: &str = "request of a client";

/// `POST /bc-authorize`.
pub(super) async fn authorize(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let now = authority.clock.unix_seconds();
    let form = request.form()?;
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    if client.is_public() || !client.may_use(GrantKind::Ciba.name()) {
        return Err(Refusal::UnauthorizedGrant);
    }
    let scopes = scopes(authority, &client, form.find("scope"))?;
    if !scopes.contains("openid") {
        return Err(Refusal::ForbiddenScope);
    }
    let message = form.find("binding_message").unwrap_or_default();
    let hidden = |c: char| c.is_control() || is_deceptive(c);
    if message.chars().count() > LONGEST_MESSAGE || message.chars().any(hidden) {
        return Err(Refusal::Denied("invalid_binding_message", "it has 64 characters at most"));
    }
    let seconds = match form.find("requested_expiry").map(str::parse::<i64>) {
        None => SECONDS,
        Some(Ok(seconds)) if seconds > 0 => seconds.min(SECONDS),
        Some(_) => return Err(Refusal::invalid("requested_expiry is a number of seconds")),
    };
    let user = named(authority, &client, &form, now).await?;
    let code = chassis::random::token(32);
    let bell = match client.terms.notify {
        None => String::new(),
        Some(_) => ping::kept(authority, &code, form.find("client_notification_token"))?,
    };
    let device = StoredDevice {
        grant: Grant {
            family_id: new_family_id(),
            client_id: client.id.clone(),
            user_id: String::new(),
            session_id: String::new(),
            scopes,
            audience: audience(&authority.rules.audience, &form)?.into_owned(),
            logged_in_at: 0,
            method: LoginMethod::default(),
            wishes: Wishes::default(),
        },
        // A request for nobody waits like the others and is never answered: whether somebody has an
        // account is not for clients to find out.
        for_user: user.map_or_else(|| "-".to_owned(), |user| user.id),
        message: message.to_owned(),
        bell,
        state: DeviceState::Waiting,
        pause_seconds: PAUSE_SECONDS,
        asked_at: 0,
        expires_at: now.saturating_add(seconds),
    };
    let digest = authority.pepper.digest(CIBA_OWNER, &code);
    let name = authority.pepper.digest(NAME_OWNER, &code);
    if !authority.store.add_device(&digest, &name, &device, MOST_OF_CLIENT).await? {
        return Err(Refusal::Full("too many requests are waiting".into()));
    }
    tracing::debug!(client = %client.id, "a client asks for somebody");
    Ok(reply::private(&json!({
        "auth_req_id": code,
        "expires_in": seconds,
        "interval": PAUSE_SECONDS,
    })))
}

/// Who is meant: exactly one hint says it.
async fn named(
    authority: &Authority,
    client: &Client,
    form: &Form,
    now: i64,
) -> Result<Option<User>, Refusal> {
    let (login, token) = (form.find("login_hint"), form.find("id_token_hint"));
    if form.find("login_hint_token").is_some() {
        return Err(Refusal::invalid("login_hint_token is not taken here"));
    }
    let stored = match (login, token) {
        (Some(name), None) => match UserName::parse(name) {
            Ok(name) => authority.store.user_named(&name).await?,
            Err(_) => None,
        },
        (None, Some(token)) => {
            let ring = authority.keeper.ring();
            let found = hint(token, authority.issuer.as_str(), &ring, now);
            // Whom another client knows is not for this one to ask for.
            let found = found.filter(|found| found.client_id == client.id.as_str());
            let unknown = || Refusal::invalid("id_token_hint is no ID token of this client");
            authority.store.user(&found.ok_or_else(unknown)?.subject).await?
        }
        _ => return Err(Refusal::invalid("exactly one of login_hint and id_token_hint is needed")),
    };
    Ok(stored.map(|stored| stored.user).filter(|user| !user.disabled))
}

/// The page for people.
pub(super) async fn page(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let path = authority.issuer.local("approvals");
    if request.method != Method::POST {
        return match visitor(authority, request, &path).await? {
            Ok(visitor) => show(&visitor, &path).await,
            Err(instead) => Ok(instead),
        };
    }
    let form = request.form()?;
    let ticket = Ticket::open(authority, form.find("request"), cookie(request).as_deref())?;
    if !ticket.is_of_page(&path) {
        return Err(Refusal::invalid("this form belongs to another page"));
    }
    let visitor = match visitor(authority, request, &path).await? {
        Ok(visitor) => visitor,
        Err(instead) => return Ok(instead),
    };
    let allowed = match form.find("answer") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(Refusal::invalid("the answer is missing")),
    };
    // Only what waits for this person is theirs to answer.
    let name = form.find("waiting").unwrap_or_default();
    let waiting = waiting(&visitor).await?;
    if let Some((digest, asked)) = waiting.into_iter().find(|(digest, _)| digest == name)
        && decide(&visitor, asked.grant.clone(), &digest, allowed).await?
    {
        ping::ring(authority, &asked).await?;
    }
    // A page that is loaded anew does nothing again.
    see_other(&path)
}

async fn waiting(visitor: &Visitor<'_>) -> Result<Vec<(String, StoredDevice)>, Refusal> {
    let now = visitor.authority.clock.unix_seconds();
    Ok(visitor.authority.store.waiting_for(&visitor.user.id, now, LISTED).await?)
}

async fn show(visitor: &Visitor<'_>, path: &str) -> Result<Reply, Refusal> {
    let authority = visitor.authority;
    let mut shown = Vec::new();
    for (digest, asked) in waiting(visitor).await? {
        // One whose client has been removed meanwhile goes with it.
        let found = authority.store.client(&asked.grant.client_id).await?;
        if let Some(stored) = found {
            let roles = visitor.user.roles();
            let scopes = authority.scopes.of_person(&asked.grant.scopes, &roles);
            shown.push(Waiting {
                name: digest,
                client: stored.client.name,
                message: asked.message,
                wanted: wanted::items(&authority.scopes, scopes.iter()),
            });
        }
    }
    let mark = visitor.mark(path)?;
    Ok(device_page::waiting(path, &mark, visitor.user.name.as_str(), &shown))
}
