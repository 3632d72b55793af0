//! How does a client hand over its request before the browser comes? (RFC 9126, KM-011)
//!
//! It proves who it is first, and the browser carries only a name of the request: nobody on the way
//! reads it or changes it. A name is good once.

use http::StatusCode;
use serde_json::json;

use super::authorize::{self, Denial};
use super::request_object::{self, Opening};
use super::{Authority, Refusal, Reply, Request, reply};
use crate::domain::Client;
use crate::form::Form;
use crate::store::StoredPush;

/// What the names begin with (RFC 9126 section 2.2).
pub(super) const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How long a name is good; FAPI 2.0 allows less than 600.
const SECONDS: i64 = 90;
/// What the digests of names belong to.
const OWNER: &str = "pushed request";
/// What proves the client and is no part of the request.
const PROVING: [&str; 4] =
    ["client_secret", "client_assertion", "client_assertion_type", "request"];

pub(super) async fn push(authority: &Authority, request: &Request) -> Result<Reply, Refusal> {
    let now = authority.clock.unix_seconds();
    let form = request.form()?;
    let client = authority.clients.authenticate(request.presented(&form), now).await?;
    let proof = authority.proofs.read(&request.headers, "POST", "par", now)?;
    if form.find("request_uri").is_some() {
        return Err(Refusal::invalid("request_uri is not for this address"));
    }
    let mut asked = match form.find("request") {
        None if client.requests.signed => {
            return Err(Refusal::invalid("the client signs its requests"));
        }
        None => form.without(&PROVING),
        Some(object) => match request_object::open(authority, &client, object).await {
            Ok(asked) => asked,
            Err(Opening::Denied(denial)) => return Err(Refusal::Denied(denial.0, denial.1)),
            Err(Opening::Failed(refusal)) => return Err(refusal),
        },
    };
    if asked.find("client_id").is_some_and(|id| id != client.id.as_str()) {
        return Err(Refusal::invalid("client_id is not that of the client"));
    }
    if asked.find("client_id").is_none() {
        asked.add("client_id", client.id.as_str())?;
    }
    if let Some(proof) = &proof {
        // RFC 9449 section 10.1: the proof says which key the code will be good with.
        match asked.find("dpop_jkt") {
            Some(key) if key != proof.key => {
                return Err(Refusal::invalid("dpop_jkt is not the key of the DPoP proof"));
            }
            Some(_) => {}
            None => asked.add("dpop_jkt", &proof.key)?,
        }
    }
    let redirect = asked.find("redirect_uri").unwrap_or_default();
    authorize::admitted(&client, redirect)?;
    let read = authorize::read(authority, &client, redirect, &asked);
    read.map_err(|Denial(error, why)| Refusal::Denied(error, why))?;
    if let Some(proof) = &proof {
        authority.proofs.spend(authority.store.as_ref(), &client.id, proof, now).await?;
    }
    let name = chassis::random::token(32);
    let stored = StoredPush {
        client_id: client.id.clone(),
        parameters: asked.to_text(),
        expires_at: now.saturating_add(SECONDS),
    };
    authority.store.add_pushed(&authority.pepper.digest(OWNER, &name), &stored).await?;
    tracing::debug!(client = %client.id, "authorization request pushed");
    let told = json!({ "request_uri": format!("{PREFIX}{name}"), "expires_in": SECONDS });
    let mut reply = reply::private(&told);
    *reply.status_mut() = StatusCode::CREATED;
    Ok(reply)
}

/// The request behind a name, once.
pub(super) async fn take(
    authority: &Authority,
    client: &Client,
    name: &str,
) -> Result<Form, Refusal> {
    let gone = || Refusal::invalid("the request of the application is too old, or was used before");
    let name = name.strip_prefix(PREFIX).ok_or_else(gone)?;
    let digest = authority.pepper.digest(OWNER, name);
    let taken = authority.store.take_pushed(&digest, &client.id).await?;
    let now = authority.clock.unix_seconds();
    let taken = taken.filter(|pushed| now < pushed.expires_at).ok_or_else(gone)?;
    Ok(Form::parse(taken.parameters.as_bytes())?)
}
