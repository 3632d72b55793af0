//! What does a client have to know of an API before it can ask for a token? (RFC 9728)
//!
//! It is told under the API's own path, and each challenge says where. What it says is no secret: who
//! may call, and what they may do, is decided elsewhere.

use chassis::proxies::Proxies;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use plan::ApiPlan;
use serde::Serialize;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use crate::body::Body;
use crate::called::called;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::received::Received;

const PREFIX: &str = "/.well-known/oauth-protected-resource";

/// RFC 9728 §2.
#[derive(Serialize)]
struct Metadata<'a> {
    resource: String,
    authorization_servers: Vec<&'a str>,
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: Vec<&'static str>,
    tls_client_certificate_bound_access_tokens: bool,
}

/// The path of the API that is asked about; `None`: the call is another one.
pub fn asked_about(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).filter(|rest| rest.starts_with('/'))
}

/// Where more about an API is told, for a call of it. `path` is the API's own.
pub fn place(proxies: &Proxies, received: &Received, path: &str) -> String {
    let called = called(proxies, received);
    format!("{}://{}{PREFIX}{path}", called.scheme, called.authority)
}

/// What the API at `path` asks for.
pub fn describe(
    generation: &Generation,
    proxies: &Proxies,
    received: &Received,
    path: &str,
) -> Result<Response<Body>, Fault> {
    let hit = generation.plan.find(received.host_name(), path);
    let hit = hit.filter(|hit| hit.rest.is_empty() && hit.api.broken.is_none());
    let api = hit.ok_or(Fault::NoApi)?.api;
    if !api.security.schemes.has(Scheme::Oauth2) {
        return Err(Fault::NoApi);
    }
    if !matches!(received.method, Method::GET | Method::HEAD) {
        return Err(Fault::MethodNotAllowed { allow: "GET, HEAD".to_owned() });
    }
    let called = called(proxies, received);
    let issuers = api.key_managers.iter().filter_map(|name| generation.issuer_of(name));
    let metadata = Metadata {
        resource: format!("{}://{}{path}", called.scheme, called.authority),
        authorization_servers: issuers.collect(),
        scopes_supported: scopes(api),
        bearer_methods_supported: ["header"],
        dpop_signing_alg_values_supported: jose::PROOF_ALGORITHMS
            .map(jose::Algorithm::name)
            .to_vec(),
        // They are taken, which is what this says; others are, too, unless the API says otherwise.
        tls_client_certificate_bound_access_tokens: true,
    };
    // Text and lists always have a JSON form, so nothing is lost by the default.
    let text = serde_json::to_string(&metadata).unwrap_or_default();
    let mut answer = Response::new(Body::full(text));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(answer)
}

/// Every scope that an operation asks for, in order.
fn scopes(api: &ApiPlan) -> Vec<&str> {
    let operations = api.operations().iter();
    let mut all: Vec<&str> = operations.flat_map(|one| one.scopes.iter().map(|it| &**it)).collect();
    all.sort_unstable();
    all.dedup();
    all
}
