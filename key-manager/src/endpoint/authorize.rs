//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2, KM-010).
//!
//! Whoever is wrong about the client or where it is hears so on a page and is sent nowhere. Every
//! other answer goes to the client, with the issuer in it (RFC 9207).

use http::Method;

use super::audience::audience;
use super::request_object::{self, Opening};
use super::response::{Mode, Way, see_other};
use super::scope::scopes;
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, SignUp, interaction, pushed};
use crate::domain::{Client, ClientId, LoginMethod, Scopes, User};
use crate::form::Form;
use crate::grant::{CODE_OWNER, GrantKind, PKCE_METHOD, is_challenge, is_thumbprint};
use crate::store::{Grant, StoredCode, StoredSession};
use crate::vault::new_family_id;

/// The longest query of an authorization request.
const LONGEST_QUERY: usize = 8 * 1024;

/// A code is good so long (KM-030).
const CODE_SECONDS: i64 = 60;

/// An error that the client hears of, by its code and what is said to its developer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denial(pub(super) &'static str, pub(super) &'static str);

pub(super) async fn authorize(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    if request.method == Method::POST {
        return again_by_get(request, LONGEST_QUERY);
    }
    let query = request.query.as_deref().unwrap_or_default();
    if query.len() > LONGEST_QUERY {
        return Err(Refusal::invalid("the request is too long"));
    }
    let form = Form::parse(query.as_bytes())?;
    let client = client(authority, form.find("client_id").unwrap_or_default()).await?;
    let asked = match asked(authority, &client, &form).await {
        Ok(asked) => asked,
        Err(Opening::Denied(denial)) => {
            return astray(authority, &client, &form, denial).await;
        }
        Err(Opening::Failed(refusal)) => return Err(refusal),
    };
    let form = asked.as_ref().unwrap_or(&form);
    let redirect = form.find("redirect_uri").unwrap_or_default();
    admitted(&client, redirect)?;
    match read(authority, &client, redirect, form) {
        Ok(ticket) => {
            let create = form.find("prompt") == Some("create");
            interaction::begin(authority, request, &client, ticket, create).await
        }
        Err(denial) => astray(authority, &client, form, denial).await,
    }
}

/// The request, where it is not in the parameters themselves: it was handed over before, or the
/// client has signed it.
async fn asked(
    authority: &Authority,
    client: &Client,
    form: &Form,
) -> Result<Option<Form>, Opening> {
    let denied = |code, why| Err(Opening::Denied(Denial(code, why)));
    match (form.find("request_uri"), form.find("request")) {
        (Some(_), Some(_)) => {
            denied("invalid_request", "request and request_uri exclude each other")
        }
        (Some(name), None) if name.starts_with(pushed::PREFIX) => {
            pushed::take(authority, client, name).await.map(Some).map_err(Opening::Failed)
        }
        (Some(_), None) => {
            denied("request_uri_not_supported", "request_uri is one of /par, and no other")
        }
        _ if client.requests.pushed || authority.require_pushed => {
            denied("invalid_request", "requests are handed over at /par first")
        }
        (None, Some(object)) => request_object::open(authority, client, object).await.map(Some),
        (None, None) if client.requests.signed => {
            denied("invalid_request", "the client signs its requests")
        }
        (None, None) => Ok(None),
    }
}

/// Tells the client what is wrong, if it can be told: at an address of its own.
async fn astray(
    authority: &Authority,
    client: &Client,
    form: &Form,
    denial: Denial,
) -> Result<Reply, Refusal> {
    let redirect = form.find("redirect_uri").unwrap_or_default();
    admitted(client, redirect)?;
    let mode = form.find("response_mode").and_then(Mode::parse).unwrap_or(Mode::USUAL);
    deny(authority, &Way::to(client, redirect, mode, form.find("state")), denial).await
}

/// A post from elsewhere comes without the cookie of our session; the same by GET has it.
pub(super) fn again_by_get(request: &Request, longest: usize) -> Result<Reply, Refusal> {
    // Read only to refuse what is no form.
    request.form()?;
    let body = request.body.as_deref().unwrap_or_default();
    let query = std::str::from_utf8(body).ok().filter(|query| query.len() <= longest);
    let query = query.ok_or_else(|| Refusal::invalid("the request is too long"))?;
    see_other(&format!("{}?{query}", request.path))
}

/// The client of a request.
pub(super) async fn client(authority: &Authority, id: &str) -> Result<Client, Refusal> {
    let unknown = || Refusal::invalid("the application is not known here");
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    Ok(authority.store.client(&id).await?.ok_or_else(unknown)?.client)
}

/// Whether a person may be sent there at all (KM-054).
pub(super) fn admitted(client: &Client, redirect: &str) -> Result<(), Refusal> {
    if client.redirects_to(redirect) {
        Ok(())
    } else {
        Err(Refusal::invalid("the application asks to go on at an address that is not its own"))
    }
}

pub(super) fn read(
    authority: &Authority,
    client: &Client,
    redirect: &str,
    form: &Form,
) -> Result<Ticket, Denial> {
    let invalid = |why| Denial("invalid_request", why);
    match form.find("response_type") {
        Some("code") => {}
        Some(_) => return Err(Denial("unsupported_response_type", "response_type is code")),
        None => return Err(invalid("response_type is missing")),
    }
    let mode = match form.find("response_mode") {
        None => Mode::USUAL,
        Some(name) => Mode::parse(name).ok_or(invalid("response_mode is not one of discovery"))?,
    };
    let key = form.find("dpop_jkt");
    if key.is_some_and(|key| !is_thumbprint(key)) {
        return Err(invalid("dpop_jkt is 43 characters of base64url"));
    }
    if !client.may_use(GrantKind::AuthorizationCode.name()) {
        return Err(Denial("unauthorized_client", "the client may not use authorization_code"));
    }
    let challenge = challenge(client, form).map_err(invalid)?;
    let scopes = scopes(client, form.find("scope"))
        .map_err(|_| Denial("invalid_scope", "the client may not have such a scope"))?;
    let audience = audience(&authority.rules.audience, form)
        .map_err(|_| Denial("invalid_target", "the resource is not known here"))?;
    let prompts: Vec<&str> = form.find("prompt").unwrap_or_default().split(' ').collect();
    let known = ["", "none", "login", "consent", "select_account"];
    let creates = authority.login.signup != SignUp::Off;
    let is_known = |prompt: &&str| known.contains(prompt) || (creates && *prompt == "create");
    if !prompts.iter().all(is_known) {
        return Err(invalid("prompt is none, login, consent or select_account"));
    }
    let asks = |prompt| prompts.contains(&prompt);
    if (asks("none") || asks("create")) && prompts.len() > 1 {
        return Err(invalid("prompt=none and prompt=create stand alone"));
    }
    let max_age = form.find("max_age").map(str::parse::<u32>).transpose();
    Ok(Ticket {
        client_id: client.id.to_string(),
        redirect_uri: redirect.to_owned(),
        state: form.find("state").map(str::to_owned),
        mode,
        algorithm: client.algorithm.map_or(String::new(), |algorithm| algorithm.name().to_owned()),
        key: key.map(str::to_owned),
        nonce: form.find("nonce").map(str::to_owned),
        challenge: challenge.map(str::to_owned),
        scopes: scopes.to_string(),
        audience: audience.into_owned(),
        // One account is chosen by logging in with it.
        login: asks("login") || asks("select_account") || asks("create"),
        consent: asks("consent"),
        silent: asks("none"),
        acr: wanted(form.find("acr_values").unwrap_or_default()).to_owned(),
        max_age: max_age.map_err(|_| invalid("max_age is a number of seconds"))?,
        asked_at: authority.clock.unix_seconds(),
        browser: String::new(),
    })
}

/// The first of the wishes that is known here: they stand in the order of preference (`OpenID`
/// Connect Core section 3.1.2.1).
fn wanted(acr_values: &str) -> &str {
    let mut known = acr_values
        .split(' ')
        .filter(|acr| matches!(*acr, LoginMethod::ONE_FACTOR | LoginMethod::TWO_FACTORS));
    known.next().unwrap_or_default()
}

/// KM-031: S256 for every client but those that are allowed to do without.
fn challenge<'f>(client: &Client, form: &'f Form) -> Result<Option<&'f str>, &'static str> {
    let (challenge, method) = (form.find("code_challenge"), form.find("code_challenge_method"));
    match challenge {
        None if client.requests.without_pkce && method.is_none() => Ok(None),
        None => Err("code_challenge is missing"),
        // A method that is left out would mean `plain`.
        Some(_) if method != Some(PKCE_METHOD) => Err("code_challenge_method is S256"),
        Some(challenge) if !is_challenge(challenge) => {
            Err("code_challenge is 43 characters of base64url")
        }
        Some(_) => Ok(challenge),
    }
}

/// Sends the person back with a code.
pub(super) async fn grant(
    authority: &Authority,
    client: &Client,
    ticket: &Ticket,
    session: &StoredSession,
    user: &User,
) -> Result<Reply, Refusal> {
    let scopes = Scopes::parse(&ticket.scopes).map_err(Refusal::MalformedScope)?;
    let code = chassis::random::token(32);
    let stored = StoredCode {
        grant: Grant {
            family_id: new_family_id(),
            client_id: client.id.clone(),
            user_id: user.id.clone(),
            session_id: session.id.clone(),
            scopes,
            audience: ticket.audience.clone(),
            logged_in_at: session.logged_in_at,
            method: session.method,
        },
        redirect_uri: ticket.redirect_uri.clone(),
        challenge: ticket.challenge.clone(),
        nonce: ticket.nonce.clone(),
        key: ticket.key.clone(),
        expires_at: authority.clock.unix_seconds().saturating_add(CODE_SECONDS),
        used_at: None,
    };
    authority.store.add_code(&authority.pepper.digest(CODE_OWNER, &code), &stored).await?;
    tracing::debug!(client = %client.id, user = user.id, "code issued");
    ticket.way().send(authority, &[("code", code.as_str())]).await
}

/// Sends the person back with an error.
pub(super) async fn deny(
    authority: &Authority,
    way: &Way<'_>,
    denial: Denial,
) -> Result<Reply, Refusal> {
    let Denial(error, description) = denial;
    tracing::debug!(error, description, "authorization denied");
    way.send(authority, &[("error", error), ("error_description", description)]).await
}
