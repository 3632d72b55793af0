//! How does a person log out? (OpenID Connect RP-Initiated Logout 1.0, KM-020)
//!
//! An application that shows an ID token of the person's may end the login; anybody else makes the
//! person be asked. Nobody is sent to an address that the application has not registered.

use http::Method;
use serde::{Deserialize, Serialize};

use super::authorize::{again_by_get, client};
use super::farewell::end_session;
use super::interaction::{cookie, forget};
use super::response::see_other;
use super::{Authority, Refusal, Reply, Request, login, pages};
use crate::audit::Event;
use crate::domain::{Client, User};
use crate::form::Form;
use crate::issue::{Hint, hint};
use crate::store::StoredSession;

/// A page may be left open so long.
const SECONDS: i64 = 1800;
const PURPOSE: &str = "logout";
/// The longest query of a request: an ID token and an address fit.
const LONGEST_QUERY: usize = 16 * 1024;

/// What the page that asks carries, sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Leave {
    /// Where to, with `state`; empty: nowhere.
    to: String,
    /// The session that is meant: another one that began meanwhile is not.
    session: String,
    asked_at: i64,
}

pub(super) async fn log_out(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = if request.method == Method::POST {
        let form = request.form()?;
        if let Some(sealed) = form.find("request") {
            return confirmed(authority, request, sealed).await;
        }
        // A post from elsewhere comes without the cookie; the same by GET has it.
        return again_by_get(request, LONGEST_QUERY);
    } else {
        let query = request.query.as_deref().unwrap_or_default();
        if query.len() > LONGEST_QUERY {
            return Err(Refusal::invalid("the request is too long"));
        }
        Form::parse(query.as_bytes())?
    };
    let hint = shown(authority, &form)?;
    let to = whither(authority, &form, hint.as_ref()).await?;
    let cookie = cookie(request);
    let found = match &cookie {
        Some(cookie) => login::find(authority, cookie).await?,
        None => None,
    };
    let Some((session, user)) = found else { return gone(&to) };
    let meant = |hint: Hint| hint.session == session.id || hint.subject == user.id;
    if hint.is_some_and(meant) {
        return end(authority, request, &session, &user, &to).await;
    }
    let asked_at = authority.clock.unix_seconds();
    let leave = Leave { to, session: session.id, asked_at };
    let sealed = authority.seal(PURPOSE, &leave)?;
    let action = authority.issuer.local("logout");
    Ok(pages::log_out(user.name.as_str(), &action, &sealed, &leave.to))
}

/// The answer of the page that asks. The page names the session, and nobody but its browser has it.
async fn confirmed(
    authority: &Authority,
    request: &Request,
    sealed: &str,
) -> Result<Reply, Refusal> {
    let old = || Refusal::invalid("this page is too old");
    let leave: Leave = authority.open(PURPOSE, sealed).ok_or_else(old)?;
    if authority.clock.unix_seconds().saturating_sub(leave.asked_at) > SECONDS {
        return Err(old());
    }
    let found = match cookie(request) {
        Some(cookie) => login::find(authority, &cookie).await?,
        None => None,
    };
    match found.filter(|(session, _)| session.id == leave.session) {
        Some((session, user)) => end(authority, request, &session, &user, &leave.to).await,
        None => gone(&leave.to),
    }
}

/// The `id_token_hint`; one that does not hold is an error, not nothing.
fn shown(authority: &Authority, form: &Form) -> Result<Option<Hint>, Refusal> {
    let Some(text) = form.find("id_token_hint") else { return Ok(None) };
    let now = authority.clock.unix_seconds();
    let found = hint(text, authority.issuer.as_str(), &authority.keeper.ring(), now);
    found.map(Some).ok_or_else(|| Refusal::invalid("id_token_hint is no ID token of this server"))
}

/// Where the person is sent to afterwards, with `state`; empty: nowhere.
async fn whither(
    authority: &Authority,
    form: &Form,
    hint: Option<&Hint>,
) -> Result<String, Refusal> {
    let named = form.find("client_id");
    let id = match (named, hint) {
        (Some(named), Some(hint)) if named != hint.client_id => {
            return Err(Refusal::invalid("id_token_hint is not of this application"));
        }
        (Some(named), _) => Some(named),
        (None, hint) => hint.map(|hint| hint.client_id.as_str()),
    };
    let Some(redirect) = form.find("post_logout_redirect_uri") else { return Ok(String::new()) };
    let Some(id) = id else {
        return Err(Refusal::invalid("post_logout_redirect_uri needs client_id or id_token_hint"));
    };
    let client = client(authority, id).await?;
    if !is_registered(&client, redirect) {
        return Err(Refusal::invalid(
            "the application asks to go on at an address that is not its own",
        ));
    }
    let Some(state) = form.find("state") else { return Ok(redirect.to_owned()) };
    let mark = if redirect.contains('?') { '&' } else { '?' };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    Ok(format!("{redirect}{mark}{}", query.append_pair("state", state).finish()))
}

fn is_registered(client: &Client, redirect: &str) -> bool {
    client.logout_uris.iter().any(|known| known.admits(redirect))
}

/// Ends the login with everything that came from it.
async fn end(
    authority: &Authority,
    request: &Request,
    session: &StoredSession,
    user: &User,
    to: &str,
) -> Result<Reply, Refusal> {
    let event = Event::of("session.ended").by(&user.id).with("session", &session.id);
    let event = event.from(request.peer.address);
    let frames = end_session(authority, event, &user.id, &session.id).await?.unwrap_or_default();
    tracing::info!(user = user.id, "logged out");
    let mut reply = if frames.is_empty() { gone(to)? } else { pages::leaving(frames, to) };
    forget(&mut reply);
    Ok(reply)
}

fn gone(to: &str) -> Result<Reply, Refusal> {
    if to.is_empty() { Ok(pages::logged_out()) } else { see_other(to) }
}
