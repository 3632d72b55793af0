//! Is a provider's token good, in its own word? (RFC 7662)

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, header, request};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::error::FederationError;
use super::member::Member;
use crate::domain::ProviderClient;

const WHAT: &str = "the introspection endpoint";

/// What the provider says of the token; `None`: it is not good, or not the provider's.
pub async fn introspect(
    member: &Member,
    token: &str,
) -> Result<Option<Map<String, Value>>, FederationError> {
    let provider = &member.provider;
    if !provider.enabled {
        return Err(FederationError::Disabled);
    }
    let own = |said: &Map<String, Value>| {
        // What another issuer says is good is not this one's.
        said.get("iss").is_none_or(|issuer| issuer.as_str() == Some(&provider.issuer))
    };
    if let Some(connector) = &member.connector {
        let said = connector.introspect(token).await;
        return Ok(member.went(said.map_err(FederationError::from))?.filter(own));
    }
    let asked = provider.introspection.as_ref().ok_or(FederationError::NotAsked)?;
    let there = || member.metadata().and_then(|metadata| metadata.introspection.clone());
    let answer = async {
        let endpoint = asked.endpoint.clone().or_else(there);
        let endpoint = endpoint.ok_or(FederationError::NoEndpoint("introspection endpoint"))?;
        ask(member, &endpoint, &asked.client, token).await
    };
    let said = member.went(answer.await)?;
    let active = said.get("active") == Some(&Value::Bool(true));
    Ok(Some(said).filter(|said| active && own(said)))
}

async fn ask(
    member: &Member,
    endpoint: &Url,
    client: &ProviderClient,
    token: &str,
) -> Result<Map<String, Value>, FederationError> {
    let form = [("token", token), ("token_type_hint", "access_token")];
    let (request, body) = as_client(client, &form);
    let answer = member.outbound.send(endpoint, request, body).await;
    let answer = answer.map_err(|source| FederationError::Outbound { what: WHAT, source })?;
    if !answer.status().is_success() {
        return Err(FederationError::Status { what: WHAT, status: answer.status().as_u16() });
    }
    let said: Map<String, Value> =
        serde_json::from_slice(answer.body()).map_err(|_| FederationError::Json { what: WHAT })?;
    // Anything may be JSON; only this is an answer (RFC 7662 section 2.2).
    if said.get("active").is_some_and(Value::is_boolean) {
        Ok(said)
    } else {
        Err(FederationError::Json { what: WHAT })
    }
}

/// A form, posted in the name of our client.
pub(super) fn as_client(
    client: &ProviderClient,
    form: &[(&str, &str)],
) -> (request::Builder, Bytes) {
    let encoded =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut body = Zeroizing::new(String::new());
    for (name, value) in form {
        let _ = write!(body, "{name}={}&", encoded(value));
    }
    let secret = client.secret.0.expose();
    let mut request = Request::builder()
        .method(Method::POST)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if client.in_form {
        let _ = write!(body, "client_id={}&client_secret={}", encoded(&client.id), encoded(secret));
    } else {
        // RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
        let pair = Zeroizing::new(format!("{}:{}", encoded(&client.id), encoded(secret)));
        let field = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
        request = request.header(header::AUTHORIZATION, field);
        // Without the last `&`.
        body.pop();
    }
    (request, Bytes::copy_from_slice(body.as_bytes()))
}
