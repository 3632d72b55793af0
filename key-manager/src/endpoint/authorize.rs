//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2, KM-010).
//!
//! Whoever is wrong about the client or where it is hears so on a page and is sent nowhere. Every
//! other answer goes to the client, with the issuer in it (RFC 9207).

use http::Method;

use super::audience::audience;
use super::front::Front;
use super::request_object::{self, Opening};
use super::response::{Mode, Way, see_other};
use super::scope::{held, scopes};
use super::ticket::Ticket;
use super::{Authority, Refusal, Reply, Request, SignUp, claims, front, interaction, pushed};
use crate::domain::{Client, ClientId, LoginMethod, ResponseType, Scopes, User, Wishes};
use crate::form::Form;
use crate::grant::{CODE_OWNER, GrantKind, PKCE_METHOD, is_challenge, is_thumbprint};
use crate::issue::hint;
use crate::store::{Grant, StoredCode, StoredSession};
use crate::vault::new_family_id;

/// The longest query of an authorization request.
const LONGEST_QUERY: usize = 8 * 1024;

/// A code is good so long (KM-030).
const CODE_SECONDS: i64 = 60;

/// The longest `login_hint` that is shown, in characters.
const LONGEST_HINT: usize = 256;

/// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0.
const UNMET: &str = "unmet_authentication_requirements";

/// None of the scopes is for this person.
pub(super) const NO_SCOPE: Denial =
    Denial("invalid_scope", "the person may have none of these scopes");

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
        (Some(_), None) if client.terms.request_uris.is_empty() => {
            denied("request_uri_not_supported", "request_uri is one of /par, and no other")
        }
        _ if client.requests.pushed || authority.require_pushed => {
            denied("invalid_request", "requests are handed over at /par first")
        }
        (Some(uri), None) => {
            if !client.terms.request_uris.iter().any(|known| known == uri) {
                return denied("invalid_request_uri", "the client has not registered the address");
            }
            let object = authority.objects.read(uri).await?;
            request_object::open(authority, client, &object).await.map(Some)
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
    let kind = form.find("response_type").filter(|_| authority.legacy_response_types);
    let kind = kind.and_then(|text| text.parse().ok()).unwrap_or(ResponseType::CODE);
    let mode = Mode::of(form.find("response_mode"), kind);
    let mode = mode.unwrap_or(Mode::usual(kind));
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
    let kind = form.find("response_type").ok_or(invalid("response_type is missing"))?;
    let kind = response_type(authority, client, kind)?;
    let mode = Mode::of(form.find("response_mode"), kind);
    let mode = mode.ok_or(invalid("response_mode is none of discovery that fits response_type"))?;
    let key = form.find("dpop_jkt");
    if key.is_some_and(|key| !is_thumbprint(key)) {
        return Err(invalid("dpop_jkt is 43 characters of base64url"));
    }
    if kind.id_token && form.find("nonce").is_none() {
        return Err(invalid("nonce is missing"));
    }
    if kind.code && !client.may_use(GrantKind::AuthorizationCode.name()) {
        return Err(Denial("unauthorized_client", "the client may not use authorization_code"));
    }
    let challenge = challenge(client, form, kind).map_err(invalid)?;
    let scopes = scopes(authority, client, form.find("scope"))
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
    let details = form.find("authorization_details");
    let details = authority.details.read(details, &client.terms.details);
    let details = details.map_err(|wrong| Denial("invalid_authorization_details", wrong.0))?;
    let max_age = form.find("max_age").map(str::parse::<u32>).transpose();
    let claims = claims::read(form.find("claims")).map_err(invalid)?;
    let subject = meant(authority, client, form, claims.subject)?;
    let acr = wanted(form.find("acr_values").unwrap_or_default().split(' '));
    let acr = acr.or(wanted(claims.acr.iter().map(String::as_str)));
    if claims.acr_essential && acr.is_none() && !claims.acr.is_empty() {
        return Err(Denial(UNMET, "the login cannot prove what is asked for"));
    }
    Ok(Ticket {
        client_id: client.id.to_string(),
        redirect_uri: redirect.to_owned(),
        state: form.find("state").map(str::to_owned),
        kind,
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
        acr: acr.unwrap_or_default().to_owned(),
        wishes: Wishes { details, ..claims.wishes },
        subject,
        hint: form.find("login_hint").unwrap_or_default().chars().take(LONGEST_HINT).collect(),
        max_age: max_age.map_err(|_| invalid("max_age is a number of seconds"))?,
        asked_at: authority.clock.unix_seconds(),
        browser: String::new(),
    })
}

/// The first of the wishes that is known here: they stand in the order of preference (`OpenID`
/// Connect Core section 3.1.2.1).
fn wanted<'f>(mut asked: impl Iterator<Item = &'f str>) -> Option<&'f str> {
    asked.find(|acr| matches!(*acr, LoginMethod::ONE_FACTOR | LoginMethod::TWO_FACTORS))
}

/// Who has to be the one that logs in, by an ID token that the client got or by name; empty: anybody.
fn meant(
    authority: &Authority,
    client: &Client,
    form: &Form,
    named: String,
) -> Result<String, Denial> {
    let Some(text) = form.find("id_token_hint") else { return Ok(named) };
    let now = authority.clock.unix_seconds();
    let found = hint(text, authority.issuer.as_str(), &authority.keeper.ring(), now);
    let found = found.filter(|hint| hint.client_id == client.id.as_str());
    let Some(hint) = found else {
        return Err(Denial("invalid_request", "id_token_hint is no ID token of this client"));
    };
    if !named.is_empty() && named != hint.subject {
        return Err(Denial("invalid_request", "claims and id_token_hint name different people"));
    }
    Ok(hint.subject)
}

/// What the answer is, if the client may have it so (KM-035).
fn response_type(
    authority: &Authority,
    client: &Client,
    text: &str,
) -> Result<ResponseType, Denial> {
    let unsupported = Denial("unsupported_response_type", "response_type is none of discovery");
    let kind: ResponseType = text.parse().map_err(|_| unsupported)?;
    if !kind.is_legacy() {
        return Ok(kind);
    }
    if !authority.legacy_response_types {
        return Err(unsupported);
    }
    if !client.terms.response_types.contains(&kind) {
        return Err(Denial("unauthorized_client", "the client may not use this response_type"));
    }
    if kind.token && (client.authentication.dpop_bound || client.authentication.certificate_bound) {
        return Err(Denial("unauthorized_client", "the tokens of the client are bound to its key"));
    }
    Ok(kind)
}

/// KM-031: S256 for every client but those that are allowed to do without.
fn challenge<'f>(
    client: &Client,
    form: &'f Form,
    kind: ResponseType,
) -> Result<Option<&'f str>, &'static str> {
    let (challenge, method) = (form.find("code_challenge"), form.find("code_challenge_method"));
    match challenge {
        None if !kind.code => Ok(None),
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
    if !ticket.admits(&user.id) {
        return deny(
            authority,
            &ticket.way(),
            Denial("login_required", "somebody else is logged in"),
        )
        .await;
    }
    let scopes = Scopes::parse(&ticket.scopes).map_err(Refusal::MalformedScope)?;
    // Looked at once more: the page may be older than a change.
    let Ok(scopes) = held(authority, &scopes, Some(user)) else {
        return deny(authority, &ticket.way(), NO_SCOPE).await;
    };
    let granted = Grant {
        family_id: new_family_id(),
        client_id: client.id.clone(),
        user_id: user.id.clone(),
        session_id: session.id.clone(),
        scopes,
        audience: ticket.audience.clone(),
        logged_in_at: session.logged_in_at,
        method: session.method,
        wishes: ticket.wishes.clone(),
    };
    let mut code = None;
    if ticket.kind.code {
        let made = chassis::random::token(32);
        let stored = StoredCode {
            grant: granted.clone(),
            redirect_uri: ticket.redirect_uri.clone(),
            challenge: ticket.challenge.clone(),
            nonce: ticket.nonce.clone(),
            key: ticket.key.clone(),
            expires_at: authority.clock.unix_seconds().saturating_add(CODE_SECONDS),
            used_at: None,
        };
        authority.store.add_code(&authority.pepper.digest(CODE_OWNER, &made), &stored).await?;
        code = Some(made);
    }
    tracing::debug!(client = %client.id, user = user.id, kind = %ticket.kind, "authorized");
    let beside = Front {
        client,
        grant: &granted,
        user,
        kind: ticket.kind,
        nonce: ticket.nonce.as_deref(),
        state: ticket.state.as_deref(),
        code: code.as_deref(),
    };
    let beside = front::answer(authority, beside).await?;
    let pairs = code.as_deref().map(|code| ("code", code)).into_iter();
    let pairs = pairs.chain(beside.iter().map(|(name, value)| (*name, value.as_str())));
    ticket.way().send(authority, &pairs.collect::<Vec<_>>()).await
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
