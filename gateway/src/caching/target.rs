//! What does a call that changes something make invalid?
//!
//! RFC 9111 §4.4: what it was sent to and what its answer names in `Location` and
//! `Content-Location`, each with any query and for all callers. A backend names things by its own
//! paths or by those that clients use; both are understood.

use cache::{Store, Under};
use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderValue, Uri};

use crate::handlers::Permit;
use crate::received::Received;

/// Makes invalid what the answer to this call says has changed.
pub(super) fn invalidate(
    store: &Store,
    permit: &Permit<'_>,
    received: &Received,
    answer: &HeaderMap,
) {
    let (api, rest) = (&*permit.matched().api().id, permit.matched().rest());
    let own = path(rest);
    store.invalidate(Under::Path(api, own));
    let all = received.path();
    // What clients put in front of what the backend sees.
    let context = all.get(..all.len().saturating_sub(own.len())).unwrap_or_default();
    for name in [LOCATION, CONTENT_LOCATION] {
        let Some(named) = answer.get(name).and_then(|named| located(named, received)) else {
            continue;
        };
        let named = path(&named);
        let bases = permit.endpoint().servers.iter().map(|server| server.url.base.as_str());
        for prefix in bases.chain([context]) {
            if let Some(rest) = named.strip_prefix(prefix) {
                store.invalidate(Under::Path(api, rest));
            }
        }
    }
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// The path that a location names, if it is one of the same origin.
fn located(named: &HeaderValue, received: &Received) -> Option<String> {
    let named = named.to_str().ok()?;
    if named.contains("://") {
        let uri: Uri = named.parse().ok()?;
        // Another host's things are not this one's to forget.
        let ours = uri.authority()?.as_str().eq_ignore_ascii_case(received.host());
        return ours.then(|| uri.path().to_owned());
    }
    if named.starts_with('/') {
        return Some(named.to_owned());
    }
    // Relative to what was asked for.
    let folder = received.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(format!("{folder}/{named}"))
}
