//! The key set (KM-016).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{Authority, Reply, Request, reply};

/// A key is published long before it signs, so a kept set stays good for a while.
const CACHE: &str = "public, max-age=300";

pub(super) fn jwks(authority: &Authority, request: &Request) -> Reply {
    let ring = authority.keeper.ring();
    let mut answer = reply::public(ring.jwks().to_owned(), CACHE);
    if let Ok(tag) = HeaderValue::from_str(ring.tag()) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    if has(&request.headers, ring.tag()) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer.headers_mut().remove(header::CONTENT_TYPE);
        answer.body_mut().clear();
    }
    answer
}

/// Whether the asker holds the set with this tag (RFC 9110 section 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    held.flat_map(|tags| tags.split(','))
        .map(|held| held.trim().trim_start_matches("W/"))
        .any(|held| held == tag || held == "*")
}
