//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2, KM-010).
//!
//! Whoever is wrong about the client or where it is hears so on a page and is sent nowhere. Every
//! other answer goes to the client, with the issuer in it (RFC 9207).

use http::{HeaderValue, Method, Response, StatusCode, header};
use url::form_urlencoded::Serializer;

use super::audience::audience;
use super::scope::scopes;
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, SignUp, interaction};
use crate::domain::{Client, ClientId, LoginMethod, Scopes, User};
use crate::form::Form;
use crate::grant::{CODE_OWNER, GrantKind, PKCE_METHOD, is_challenge};
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
        return again_by_get(request);
    }
    let query = request.query.as_deref().unwrap_or_default();
    if query.len() > LONGEST_QUERY {
        return Err(Refusal::invalid("the request is too long"));
    }
    let form = Form::parse(query.as_bytes())?;
    let client = client(authority, form.find("client_id").unwrap_or_default()).await?;
    let redirect = form.find("redirect_uri").unwrap_or_default();
    admitted(&client, redirect)?;
    match read(authority, &client, redirect, &form) {
        Ok(ticket) => {
            let create = form.find("prompt") == Some("create");
            interaction::begin(authority, request, &client, ticket, create).await
        }
        Err(denial) => deny(authority, redirect, form.find("state"), denial),
    }
}

/// A post from elsewhere comes without the cookie of our session; the same by GET has it.
fn again_by_get(request: &Request) -> Result<Reply, Refusal> {
    // Read only to refuse what is no form.
    request.form()?;
    let body = request.body.as_deref().unwrap_or_default();
    let query = std::str::from_utf8(body).ok().filter(|query| query.len() <= LONGEST_QUERY);
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

fn read(
    authority: &Authority,
    client: &Client,
    redirect: &str,
    form: &Form,
) -> Result<Ticket, Denial> {
    let invalid = |why| Denial("invalid_request", why);
    if form.find("request").is_some() {
        return Err(Denial("request_not_supported", "request objects are not supported"));
    }
    if form.find("request_uri").is_some() {
        return Err(Denial("request_uri_not_supported", "request_uri is not supported"));
    }
    match form.find("response_type") {
        Some("code") => {}
        Some(_) => return Err(Denial("unsupported_response_type", "response_type is code")),
        None => return Err(invalid("response_type is missing")),
    }
    if form.find("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("response_mode is query"));
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
        None if client.allow_no_pkce && method.is_none() => Ok(None),
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
        expires_at: authority.clock.unix_seconds().saturating_add(CODE_SECONDS),
        used_at: None,
    };
    authority.store.add_code(&authority.pepper.digest(CODE_OWNER, &code), &stored).await?;
    tracing::debug!(client = %client.id, user = user.id, "code issued");
    let pairs = [("code", code.as_str())];
    send(authority, &ticket.redirect_uri, ticket.state.as_deref(), &pairs)
}

/// Sends the person back with an error.
pub(super) fn deny(
    authority: &Authority,
    redirect: &str,
    state: Option<&str>,
    denial: Denial,
) -> Result<Reply, Refusal> {
    let Denial(error, description) = denial;
    tracing::debug!(error, description, "authorization denied");
    send(authority, redirect, state, &[("error", error), ("error_description", description)])
}

fn send(
    authority: &Authority,
    redirect: &str,
    state: Option<&str>,
    pairs: &[(&str, &str)],
) -> Result<Reply, Refusal> {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(pairs);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    // RFC 9207: a client of several servers knows which one answered.
    query.append_pair("iss", authority.issuer.as_str());
    let mark = if redirect.contains('?') { '&' } else { '?' };
    see_other(&format!("{redirect}{mark}{}", query.finish()))
}

/// 303: whatever brought the browser here, it goes on with a GET and without the password.
pub(super) fn see_other(location: &str) -> Result<Reply, Refusal> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| Refusal::invalid("the request holds characters that a URL has not"))?;
    let mut reply = Response::new(bytes::Bytes::new());
    *reply.status_mut() = StatusCode::SEE_OTHER;
    let headers = reply.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(reply)
}
