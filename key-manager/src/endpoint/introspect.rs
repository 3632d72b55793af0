//! Introspection (RFC 7662, KM-014): is this token good?
//!
//! A client hears about its own tokens and about those that are meant for it, unless the operator
//! lets it hear about all (`turnpike:introspect`). Everything else,
//! whatever it is, is `{"active":false}`: never an error, so that nothing can be guessed.

use http::header;
use serde_json::{Value, json};

use super::{Authority, Refusal, Reply, Request, reply};
use crate::client_auth::AuthError;
use crate::domain::{Client, LiveToken};
use crate::issue::cnf;
use crate::store::StoreError;

/// Whoever is registered with this scope hears about every token, like a gateway of somebody else's.
const INTROSPECT_SCOPE: &str = "turnpike:introspect";

/// The media type of a signed answer.
const SIGNED: &str = "application/token-introspection+jwt";

pub(super) async fn introspect(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let form = request.form()?;
    let now = authority.clock.unix_seconds();
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    // Whoever has only a name hears nothing about tokens (RFC 7662 section 2.1).
    if client.is_public() {
        return Err(Refusal::InvalidClient(AuthError::Wrong));
    }
    let token = form.find("token").ok_or_else(|| Refusal::invalid("token is missing"))?;
    let found = live(authority, token).await?.filter(|token| may_hear(&client, token));
    authority.meter.introspected(found.is_some());
    let said = found.map_or_else(|| json!({ "active": false }), |token| shown(&token));
    if wants_signed(request) {
        sign(authority, &client, &said).await
    } else {
        Ok(reply::private(&said))
    }
}

/// RFC 9701 section 4.
fn wants_signed(request: &Request) -> bool {
    let mut accepted = request.headers.get_all(header::ACCEPT).iter();
    let wanted = |part: &str| {
        let mut words = part.split(';').map(str::trim);
        words.next().is_some_and(|media| media.eq_ignore_ascii_case(SIGNED))
            && !words.any(|word| matches!(word, "q=0" | "q=0.0"))
    };
    accepted.any(|value| value.to_str().is_ok_and(|text| text.split(',').any(wanted)))
}

/// The answer as a JWT for the one who asked (RFC 9701 section 5): it can be kept as a proof.
async fn sign(authority: &Authority, client: &Client, said: &Value) -> Result<Reply, Refusal> {
    let claims = json!({
        "iss": authority.issuer.as_str(),
        "aud": client.id.as_str(),
        "iat": authority.clock.unix_seconds(),
        "token_introspection": said,
    });
    let ring = authority.keeper.ring();
    let signer = ring.signer(client.algorithm.unwrap_or(authority.rules.algorithm))?;
    let signed = signer.sign("token-introspection+jwt", &claims).await?;
    Ok(reply::private_text(signed, SIGNED))
}

/// For a gateway, which may hear about every token: the token, and all that is said of it as a JSON object.
pub async fn introspect_for_gateway(
    authority: &Authority,
    token: &str,
) -> Result<Option<(LiveToken, String)>, StoreError> {
    let found = live(authority, token).await?;
    authority.meter.introspected(found.is_some());
    Ok(found.map(|token| {
        let mut said = shown(&token);
        // With the family a gateway can end what it remembers before it asks again.
        if let (Some(map), Some(family)) = (said.as_object_mut(), &token.family) {
            let ours = map.entry("km").or_insert_with(|| json!({}));
            ours.as_object_mut().map(|ours| ours.insert("fam".to_owned(), json!(family)));
        }
        (token, said.to_string())
    }))
}

pub(super) async fn live(
    authority: &Authority,
    token: &str,
) -> Result<Option<LiveToken>, StoreError> {
    let Some(token) = authority.recognise(token) else { return Ok(None) };
    Ok((!authority.log.has_ended(&token).await?).then_some(token))
}

fn may_hear(client: &Client, token: &LiveToken) -> bool {
    let id = client.id.as_str();
    token.client_id == id
        || token.audience.iter().any(|audience| audience == id)
        || client.scopes.contains(INTROSPECT_SCOPE)
}

fn shown(token: &LiveToken) -> Value {
    let mut body = json!({
        "active": true,
        "client_id": token.client_id,
        "token_type": token.confirmation.token_type(),
        "exp": token.expires_at,
        "iat": token.issued_at,
        "sub": token.subject,
        "aud": token.audience,
        "iss": token.issuer,
        "jti": token.jti,
    });
    if let (Some(map), false) = (body.as_object_mut(), token.scopes.is_empty()) {
        map.insert("scope".to_owned(), json!(token.scopes.join(" ")));
    }
    if let (Some(map), false) = (body.as_object_mut(), token.details.is_empty()) {
        map.insert("authorization_details".to_owned(), json!(token.details));
    }
    if let (Some(map), false) = (body.as_object_mut(), token.roles.is_empty()) {
        map.insert("roles".to_owned(), json!(token.roles));
    }
    if let (Some(map), false) = (body.as_object_mut(), token.restrictions.is_empty()) {
        map.insert("km".to_owned(), json!({ "rst": token.restrictions }));
    }
    if let (Some(map), Some(act)) = (body.as_object_mut(), &token.act) {
        map.insert("act".to_owned(), act.clone());
    }
    if let (Some(map), Some(cnf)) = (body.as_object_mut(), cnf(&token.confirmation)) {
        map.insert("cnf".to_owned(), cnf);
    }
    body
}
