//! How does a client register itself, and look after its registration? (RFC 7591, RFC 7592, KM-019)
//!
//! Whoever registers one gets a token that manages it, and it alone. A change gives a new token and
//! ends the old one.

use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::introspect::live;
use super::{Authority, Refusal, Reply, Request, reply};
use crate::domain::ClientId;
use crate::registration::{self, Access, REGISTER_SCOPE, Registered, application, metadata};
use crate::store::StoredClient;

/// `POST /register`.
pub(super) async fn register(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    match authority.registration.access {
        Access::Nobody => return Err(Refusal::NotFound),
        Access::Token => may_register(authority, request).await?,
        Access::Everybody => {}
    }
    let asked = body(request)?;
    let asked = application(&asked, &authority.registration)?;
    let made = registration::register_openly(authority, &asked).await?;
    tracing::debug!(client = %made.registered.client.id, "client registered itself");
    Ok(told(authority, &made.registered, Some(&made.token), StatusCode::CREATED))
}

/// `/register/{client_id}`: GET, PUT, DELETE.
pub(super) async fn manage(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    if authority.registration.access == Access::Nobody {
        return Err(Refusal::NotFound);
    }
    let stored = managed(authority, request).await?;
    match request.method {
        Method::GET => {
            let registered = Registered { client: stored.client, secret: Zeroizing::default() };
            Ok(told(authority, &registered, None, StatusCode::OK))
        }
        Method::PUT => {
            let asked = body(request)?;
            let id = asked.get("client_id").and_then(Value::as_str);
            if id != Some(stored.client.id.as_str()) {
                return Err(Refusal::invalid("client_id is not the one of this registration"));
            }
            let asked = application(&asked, &authority.registration)?;
            let made = registration::change(authority, stored, &asked).await?;
            Ok(told(authority, &made.registered, Some(&made.token), StatusCode::OK))
        }
        Method::DELETE => {
            registration::remove(authority, &stored.client.id).await?;
            let mut reply = reply::empty();
            *reply.status_mut() = StatusCode::NO_CONTENT;
            Ok(reply)
        }
        _ => Err(Refusal::Method("GET, PUT, DELETE")),
    }
}

async fn may_register(authority: &Authority, request: &Request) -> Result<(), Refusal> {
    let shown = bearer(request)?;
    let token = live(authority, shown).await?.ok_or(Refusal::InvalidToken)?;
    let may = token.scopes.iter().any(|scope| scope == REGISTER_SCOPE);
    // Without a proof, which is not read here, whoever has found a bound token could use it.
    if may && token.confirmation.is_empty() { Ok(()) } else { Err(Refusal::InvalidToken) }
}

/// The client that a request is about, whose token it shows. An unknown client and a wrong token
/// look the same (RFC 7592 section 3).
async fn managed(authority: &Authority, request: &Request) -> Result<StoredClient, Refusal> {
    let shown = bearer(request)?;
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let id = ClientId::parse(name).map_err(|_| Refusal::InvalidToken)?;
    let stored = authority.store.client(&id).await?;
    let digest = stored.as_ref().and_then(|stored| stored.registration.as_deref());
    let owner = registration::token_owner(&id);
    if !authority.pepper.matches(&owner, shown, digest.unwrap_or_default()) {
        return Err(Refusal::InvalidToken);
    }
    stored.ok_or(Refusal::InvalidToken)
}

fn bearer(request: &Request) -> Result<&str, Refusal> {
    let mut headers = request.headers.get_all(header::AUTHORIZATION).iter();
    let (header, more) = (headers.next().ok_or(Refusal::NoToken)?, headers.next());
    let text = header.to_str().map_err(|_| Refusal::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidToken)?;
    if more.is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::InvalidToken);
    }
    Ok(token.trim())
}

fn body(request: &Request) -> Result<Map<String, Value>, Refusal> {
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::invalid("the body is not application/json"));
    }
    let body = request.body.as_ref().ok_or(Refusal::TooLarge)?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        _ => Err(Refusal::invalid("the body is no JSON object")),
    }
}

fn told(
    authority: &Authority,
    registered: &Registered,
    token: Option<&str>,
    status: StatusCode,
) -> Reply {
    let client = &registered.client;
    let mut all = metadata(client);
    if !registered.secret.is_empty() {
        all.insert("client_secret".to_owned(), json!(registered.secret.as_str()));
        // It does not expire.
        all.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    let address = authority.issuer.address(&format!("register/{}", client.id));
    all.insert("registration_client_uri".to_owned(), json!(address));
    if let Some(token) = token {
        all.insert("registration_access_token".to_owned(), json!(token));
    }
    let mut reply = reply::private(&Value::Object(all));
    *reply.status_mut() = status;
    reply
}
