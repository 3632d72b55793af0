//! How does an application get a client at a provider? (RFC 7591, RFC 7592, KM-092)

use bytes::Bytes;
use chassis::Secret;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::error::FederationError;
use super::member::Member;
use crate::rpc::Connected;

const WHAT: &str = "the registration endpoint";

/// A client that is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub name: String,
    pub grant_types: Vec<String>,
    pub scopes: Vec<String>,
    pub redirect_uris: Vec<String>,
}

/// A client that was made.
#[derive(Debug)]
pub struct Registered {
    pub client_id: String,
    /// Empty: it has none.
    pub secret: Secret,
    /// Where tokens are got, if that is known.
    pub token_endpoint: String,
}

/// How a client that was made is removed again (RFC 7592 section 2.3).
#[derive(Clone, Debug)]
pub(super) struct Handle {
    url: Url,
    token: Secret,
}

#[derive(Deserialize)]
struct Answer {
    client_id: String,
    client_secret: Option<String>,
    registration_client_uri: Option<String>,
    registration_access_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Makes a client.
pub async fn register(member: &Member, wanted: &Wanted) -> Result<Registered, FederationError> {
    let provider = &member.provider;
    if !provider.enabled {
        return Err(FederationError::Disabled);
    }
    if let Some(connector) = &member.connector {
        let Wanted { name, grant_types, scopes, redirect_uris } = wanted;
        let made = connector.create(name, grant_types, scopes, redirect_uris).await;
        let made = member.went(made.map_err(FederationError::from))?;
        let Connected { client_id, secret, token_endpoint } = made;
        return Ok(Registered { client_id, secret, token_endpoint });
    }
    let registration = provider.registration.as_ref().ok_or(FederationError::NotAsked)?;
    let metadata = member.metadata();
    let there = || metadata.as_ref().and_then(|metadata| metadata.registration.clone());
    let endpoint = registration.endpoint.clone().or_else(there);
    let endpoint = endpoint.ok_or(FederationError::NoEndpoint("registration endpoint"))?;
    let mut request = Request::builder()
        .method(Method::POST)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = &registration.token {
        let field = format!("Bearer {}", token.0.expose());
        request = request.header(header::AUTHORIZATION, field);
    }
    let body = Bytes::from(body(wanted));
    let made = member.went(send(member, &endpoint, request, body).await)?;
    if let (Some(uri), Some(token)) =
        (&made.registration_client_uri, made.registration_access_token)
        && let Some(url) = Url::parse(uri).ok().filter(|url| url.scheme() == "https")
    {
        member.keep_handle(&made.client_id, Handle { url, token: Secret::new(token) });
    }
    let token = metadata.as_ref().and_then(|metadata| metadata.token.as_ref());
    Ok(Registered {
        client_id: made.client_id,
        secret: Secret::new(made.client_secret.unwrap_or_default()),
        token_endpoint: token.map(Url::to_string).unwrap_or_default(),
    })
}

/// Whether a client is there; `None`: a provider without a connector cannot be asked.
pub async fn find(member: &Member, client_id: &str) -> Result<Option<bool>, FederationError> {
    let Some(connector) = &member.connector else { return Ok(None) };
    let found = connector.retrieve(client_id).await;
    Ok(Some(member.went(found.map_err(FederationError::from))?.is_some()))
}

/// Removes a client that was made a short while ago. One that nobody here remembers stays.
pub async fn unregister(member: &Member, client_id: &str) -> Result<(), FederationError> {
    if let Some(connector) = &member.connector {
        let gone = connector.delete(client_id).await;
        return member.went(gone.map_err(FederationError::from));
    }
    let Some(Handle { url, token }) = member.take_handle(client_id) else {
        tracing::warn!(
            provider = member.provider.name,
            client_id,
            "a client there is left as it is"
        );
        return Ok(());
    };
    let request = Request::builder()
        .method(Method::DELETE)
        .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
    let answer = member.outbound.send(&url, request, Bytes::new()).await;
    let answer = answer.map_err(|source| FederationError::Outbound { what: WHAT, source })?;
    let (status, there) = (answer.status(), answer.status().as_u16());
    if status.is_success() || there == 401 || there == 404 {
        Ok(())
    } else {
        Err(FederationError::Status { what: WHAT, status: there })
    }
}

fn body(wanted: &Wanted) -> String {
    let grants: &[String] = &wanted.grant_types;
    let usual = ["client_credentials".to_owned()];
    let grants = if grants.is_empty() { &usual } else { grants };
    let codes = grants.iter().any(|grant| grant == "authorization_code");
    let responses: &[&str] = if codes { &["code"] } else { &[] };
    let scope = Some(wanted.scopes.join(" ")).filter(|scope| !scope.is_empty());
    let mut metadata = json!({
        "client_name": wanted.name,
        "grant_types": grants,
        "response_types": responses,
        "redirect_uris": wanted.redirect_uris,
        "token_endpoint_auth_method": "client_secret_basic",
    });
    if let (Some(scope), Some(members)) = (scope, metadata.as_object_mut()) {
        members.insert("scope".to_owned(), scope.into());
    }
    metadata.to_string()
}

async fn send(
    member: &Member,
    endpoint: &Url,
    request: http::request::Builder,
    body: Bytes,
) -> Result<Answer, FederationError> {
    let answer = member.outbound.send(endpoint, request, body).await;
    let answer = answer.map_err(|source| FederationError::Outbound { what: WHAT, source })?;
    if !answer.status().is_success() {
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || "_-. ".contains(*letter);
        return Err(match serde_json::from_slice::<Refusal>(answer.body()) {
            Ok(refusal) => {
                let code = refusal.error.chars().filter(plain).take(80).collect();
                FederationError::Refused { what: WHAT, code }
            }
            Err(_) => FederationError::Status { what: WHAT, status: answer.status().as_u16() },
        });
    }
    serde_json::from_slice(answer.body()).map_err(|_| FederationError::Json { what: WHAT })
}
