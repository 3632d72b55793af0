//! What has a person to do before a client gets its code: log in, agree, or nothing?
//!
//! Each step is looked at anew from the session and the sealed request, so none can be skipped by
//! posting to the next one.

use http::{HeaderValue, header};

use super::authorize::{Denial, NO_SCOPE, admitted, client, deny, grant};
use super::choice::choices;
use super::pages::{self, ConsentPage, LoginPage};
use super::response::see_other;
use super::scope::held;
use super::ticket::Ticket;
use super::{
    Authority, Refusal, Reply, Request, SignUp, login, passkeys, second_factor, sign_up,
    small_print, wanted,
};
use crate::audit::Event;
use crate::domain::{Client, LoginMethod, Scopes, User};
use crate::store::StoredSession;

/// `__Host-`: only this host can set it, over TLS only (RFC 6265bis section 4.1.3.2).
const COOKIE: &str = "__Host-turnpike";

/// What the login page calls the person's own page.
pub(super) const OWN_PAGE: &str = "your account";

/// A new request; `create`: it asks for a new account.
pub(super) async fn begin(
    authority: &Authority,
    request: &Request,
    client: &Client,
    mut ticket: Ticket,
    create: bool,
) -> Result<Reply, Refusal> {
    let cookie = cookie(request);
    match standing(authority, &ticket, cookie.as_deref()).await? {
        Some((session, user, cookie)) => {
            proceed(authority, ticket, &session, &user, cookie, Some(client)).await
        }
        None if ticket.silent => {
            refuse(authority, &ticket, Denial("login_required", "nobody is logged in")).await
        }
        None if create => {
            let fresh = bind(authority, &mut ticket, cookie.as_deref());
            let mut page = sign_up::page(authority, &ticket, "", None).await?;
            if let Some(fresh) = fresh {
                keep(&mut page, &fresh)?;
            }
            Ok(page)
        }
        None => {
            let name = ticket.hint.clone();
            let cookie = cookie.as_deref();
            let mut page = ask_login(authority, &client.name, ticket, cookie, &name, false)?;
            small_print::add(&mut page, &client.about);
            Ok(page)
        }
    }
}

/// Binds a request to its browser; answers the cookie that it is to keep, if it had none. One that
/// has one keeps it: it may be logged in, and other pages may be open.
fn bind(authority: &Authority, ticket: &mut Ticket, cookie: Option<&str>) -> Option<String> {
    let fresh = cookie.is_none().then(|| chassis::random::token(32));
    ticket.bind(authority, fresh.as_deref().or(cookie).unwrap_or_default());
    fresh
}

/// The session behind a cookie, whose person needs not log in anew for this.
async fn standing<'c>(
    authority: &Authority,
    ticket: &Ticket,
    cookie: Option<&'c str>,
) -> Result<Option<(StoredSession, User, &'c str)>, Refusal> {
    let Some(cookie) = cookie else { return Ok(None) };
    let now = authority.clock.unix_seconds();
    let found = login::find(authority, cookie).await?;
    let fits = |session: &StoredSession, user: &User| {
        !ticket.login && is_fresh(ticket, session, now) && ticket.admits(&user.id)
    };
    let found = found.filter(|(session, user)| fits(session, user));
    Ok(found.map(|(session, user)| (session, user, cookie)))
}

/// Goes on with a session, unless its login lacks something.
async fn proceed(
    authority: &Authority,
    mut ticket: Ticket,
    session: &StoredSession,
    user: &User,
    cookie: &str,
    client: Option<&Client>,
) -> Result<Reply, Refusal> {
    let missing = second_factor::missing(authority, &ticket, user, Some(session)).await?;
    match (missing, client) {
        (Some(_), _) if ticket.silent => {
            let denial = Denial("interaction_required", "a second factor is wanted");
            refuse(authority, &ticket, denial).await
        }
        (Some(missing), _) => {
            ticket.bind(authority, cookie);
            second_factor::ask(authority, ticket, user, missing, session.method).await
        }
        (None, Some(client)) => agree(authority, client, ticket, session, user, cookie).await,
        (None, None) => arrive(authority, ticket, session, user, cookie).await,
    }
}

/// Goes on with a session that lacks nothing.
pub(super) async fn arrive(
    authority: &Authority,
    ticket: Ticket,
    session: &StoredSession,
    user: &User,
    cookie: &str,
) -> Result<Reply, Refusal> {
    if ticket.is_own() {
        return see_other(&ticket.redirect_uri);
    }
    let client = client(authority, &ticket.client_id).await?;
    admitted(&client, &ticket.redirect_uri)?;
    agree(authority, &client, ticket, session, user, cookie).await
}

/// The answer of the login page.
pub(super) async fn log_in(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let before = cookie(request);
    let ticket = Ticket::open(authority, form.find("request"), before.as_deref())?;
    let whither = whither(authority, &ticket).await?;
    let name = form.find("name").unwrap_or_default();
    let password = form.find("password").unwrap_or_default();
    let user = login::recognise(authority, request.peer.address, name, password).await?;
    let Some(user) = user else {
        return ask_login(authority, &whither, ticket, before.as_deref(), name, true);
    };
    let method = LoginMethod::PASSWORD;
    enter(authority, request, ticket, &user, before.as_deref(), method).await
}

/// Begins a session with one factor, unless that is not enough; `before` is the cookie that there
/// was.
pub(super) async fn enter(
    authority: &Authority,
    request: &Request,
    mut ticket: Ticket,
    user: &User,
    before: Option<&str>,
    method: LoginMethod,
) -> Result<Reply, Refusal> {
    if let Some(missing) = second_factor::missing(authority, &ticket, user, None).await? {
        return second_factor::ask(authority, ticket, user, missing, method).await;
    }
    // A new cookie, so that one that was known before the login is worth nothing after it.
    let (session, cookie) = login::begin(authority, user, method, request, before).await?;
    ticket.login = false;
    let mut reply = arrive(authority, ticket, &session, user, &cookie).await?;
    keep(&mut reply, &cookie)?;
    Ok(reply)
}

/// What a person reads of where a login leads.
pub(super) async fn whither(authority: &Authority, ticket: &Ticket) -> Result<String, Refusal> {
    if ticket.is_own() {
        return Ok(OWN_PAGE.to_owned());
    }
    let client = client(authority, &ticket.client_id).await?;
    admitted(&client, &ticket.redirect_uri)?;
    Ok(client.name)
}

/// From a page that had nothing to ask.
pub(super) async fn go_on(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let cookie = cookie(request);
    let ticket = Ticket::open(authority, form.find("request"), cookie.as_deref())?;
    let Some((session, user, bound)) = standing(authority, &ticket, cookie.as_deref()).await?
    else {
        let whither = whither(authority, &ticket).await?;
        return ask_login(authority, &whither, ticket, cookie.as_deref(), "", false);
    };
    proceed(authority, ticket, &session, &user, bound, None).await
}

/// The answer of the consent page.
pub(super) async fn decide(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let cookie = cookie(request);
    let ticket = Ticket::open(authority, form.find("request"), cookie.as_deref())?;
    let client = client(authority, &ticket.client_id).await?;
    admitted(&client, &ticket.redirect_uri)?;
    let Some((session, user, bound)) = standing(authority, &ticket, cookie.as_deref()).await?
    else {
        return ask_login(authority, &client.name, ticket, cookie.as_deref(), "", false);
    };
    if second_factor::missing(authority, &ticket, &user, Some(&session)).await?.is_some() {
        return proceed(authority, ticket, &session, &user, bound, Some(&client)).await;
    }
    if form.find("answer") != Some("allow") {
        let event = Event::of("consent.refused").by(&user.id).client(client.id.as_str());
        authority.audit.record(event.outcome("refused").from(request.peer.address)).await?;
        let denial = Denial("access_denied", "the person did not agree");
        return refuse(authority, &ticket, denial).await;
    }
    let now = authority.clock.unix_seconds();
    let scopes = Scopes::parse(&ticket.scopes).map_err(Refusal::MalformedScope)?;
    let event = Event::of("consent.given").by(&user.id).client(client.id.as_str());
    let agreed = ticket.wishes.consents(&scopes);
    let event = event.from(request.peer.address).with("scopes", &agreed.to_string());
    authority.audit.noting(event).add_consent(&user.id, &client.id, &agreed, now).await?;
    tracing::info!(client = %client.id, user = user.id, %scopes, "consent given");
    grant(authority, &client, &ticket, &session, &user).await
}

/// Whether the login is as young as was asked.
fn is_fresh(ticket: &Ticket, session: &StoredSession, now: i64) -> bool {
    let age = now.saturating_sub(session.logged_in_at);
    ticket
        .max_age
        .is_none_or(|most| age <= i64::from(most) || session.logged_in_at >= ticket.asked_at)
}

async fn agree(
    authority: &Authority,
    client: &Client,
    mut ticket: Ticket,
    session: &StoredSession,
    user: &User,
    cookie: &str,
) -> Result<Reply, Refusal> {
    let scopes = Scopes::parse(&ticket.scopes).map_err(Refusal::MalformedScope)?;
    // Nobody is asked for what they cannot give.
    let Ok(scopes) = held(authority, &scopes, Some(user)) else {
        return refuse(authority, &ticket, NO_SCOPE).await;
    };
    ticket.scopes = scopes.to_string();
    let given = authority.store.consent(&user.id, &client.id).await?;
    let wishes = &ticket.wishes;
    // KM-104: asked again when more is wanted than was given.
    let given = wishes.consents(&scopes).is_subset(&given) && wishes.details.is_empty();
    let agreed = client.first_party || given;
    if agreed && !ticket.consent {
        return grant(authority, client, &ticket, session, user).await;
    }
    if ticket.silent {
        let denial = Denial("consent_required", "the person has not agreed yet");
        return refuse(authority, &ticket, denial).await;
    }
    ticket.bind(authority, cookie);
    let claims = ticket.wishes.beyond(&scopes).into_iter();
    let wanted = wanted::items(&authority.scopes, scopes.iter().chain(claims));
    let mut page = pages::consent(&ConsentPage {
        client: &client.name,
        user: user.name.as_str(),
        action: &authority.issuer.local("consent"),
        request: &ticket.seal(authority)?,
        redirect: &ticket.redirect_uri,
        wanted: &wanted,
        details: &ticket.wishes.details,
    });
    small_print::add(&mut page, &client.about);
    Ok(page)
}

/// `whither` is the name of the client, or of the person's own page.
pub(super) fn ask_login(
    authority: &Authority,
    whither: &str,
    mut ticket: Ticket,
    cookie: Option<&str>,
    name: &str,
    wrong: bool,
) -> Result<Reply, Refusal> {
    let fresh = bind(authority, &mut ticket, cookie);
    let passkey = passkeys::login_form(authority, &ticket)?;
    let mut page = pages::login(&LoginPage {
        client: whither,
        action: &authority.issuer.local("login"),
        request: &ticket.seal(authority)?,
        redirect: &ticket.redirect_uri,
        name,
        wrong,
        sign_up: (authority.login.signup != SignUp::Off)
            .then(|| authority.issuer.local("signup"))
            .as_deref(),
        passkey: passkey.as_deref(),
        elsewhere: &authority.issuer.local("federation"),
        providers: &choices(authority),
    });
    if let Some(fresh) = fresh {
        keep(&mut page, &fresh)?;
    }
    Ok(page)
}

async fn refuse(authority: &Authority, ticket: &Ticket, denial: Denial) -> Result<Reply, Refusal> {
    deny(authority, &ticket.way(), denial).await
}

pub(super) fn cookie(request: &Request) -> Option<String> {
    let lines = request.headers.get_all(header::COOKIE).iter();
    let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut values = named.filter(|(name, value)| *name == COOKIE && !value.is_empty());
    values.next().map(|(_, value)| value.to_owned()).filter(|value| value.len() <= 128)
}

pub(super) fn keep(reply: &mut Reply, cookie: &str) -> Result<(), Refusal> {
    let line = format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax");
    let line = HeaderValue::from_str(&line).map_err(|error| Refusal::Failed(Box::new(error)))?;
    reply.headers_mut().insert(header::SET_COOKIE, line);
    Ok(())
}

/// Takes the cookie away.
pub(super) fn forget(reply: &mut Reply) {
    const LINE: &str = "__Host-turnpike=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
    reply.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static(LINE));
}
