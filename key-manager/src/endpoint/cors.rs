//! Which pages of others may read an answer in their browser? (Fetch standard, KM-022)
//!
//! Those of a client that registered their origin, at the addresses that a client asks from its page.
//! No cookie counts there, so a question from elsewhere does no harm: it is asked, and its answer is
//! not shown. Keys and discovery are for everybody.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::paths::Endpoint;
use super::{Authority, Reply, Request, userinfo};
use crate::domain::ClientId;

/// The longest origin that is looked at, in bytes.
const LONGEST: usize = 256;

/// Whether pages of others may have answers of it.
const fn is_shared(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Token
            | Endpoint::Userinfo
            | Endpoint::Revoke
            | Endpoint::Jwks
            | Endpoint::Discovery
    )
}

const fn is_public(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Jwks | Endpoint::Discovery)
}

/// The answer to a browser that asks whether it may ask. `None`: this is no such question.
pub(super) fn preflight(endpoint: Endpoint, request: &Request) -> Option<Reply> {
    let asks = request.method == Method::OPTIONS
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = origin(request).filter(|_| asks && is_shared(endpoint))?;
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let fixed: [(HeaderName, &'static str); 4] = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, dpop"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
        (VARY, "origin"),
    ];
    for (name, value) in fixed {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    Some(reply)
}

/// Lets the page that asked read the answer, if it is one of its client's.
pub(super) async fn share(
    authority: &Authority,
    endpoint: Endpoint,
    request: &Request,
    reply: &mut Reply,
) {
    let Some(origin) = origin(request).filter(|_| is_shared(endpoint)) else { return };
    let headers = reply.headers_mut();
    if is_public(endpoint) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return;
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(client) = client(authority, endpoint, request) else { return };
    // Without the store nothing is shared; the answer itself says what is wrong.
    let Ok(Some(stored)) = authority.store.client(&client).await else { return };
    if stored.client.terms.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = HeaderValue::from_static("dpop-nonce, www-authenticate");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Whose request this is, by its own word: the answer goes to its page, whoever it is.
fn client(authority: &Authority, endpoint: Endpoint, request: &Request) -> Option<ClientId> {
    if endpoint == Endpoint::Userinfo {
        return userinfo::claimed(authority, request);
    }
    request.claimed()
}

fn origin(request: &Request) -> Option<&HeaderValue> {
    request.headers.get(ORIGIN).filter(|origin| origin.len() <= LONGEST)
}
