//! How does an API key get out of the query?
//!
//! It is moved into the field for keys before anything else looks at the call: there it is judged and
//! left out of what goes on, and no log, cache key or backend sees it.

use http::HeaderValue;
use plan::SecurityPlan;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use crate::escape::decoded;
use crate::fault::{BadRequest, Fault};
use crate::received::Received;

/// The request with its API key in the field for keys; `None`: there is none in the query.
pub fn with_key_in_field(
    received: &Received,
    security: &SecurityPlan,
) -> Result<Option<Box<Received>>, Fault> {
    let Some(name) = security.api_key.query.as_deref() else { return Ok(None) };
    if !security.schemes.has(Scheme::ApiKey) {
        return Ok(None);
    }
    let Some(found) = taken_out(received.target(), name) else { return Ok(None) };
    let unclear = || Fault::BadRequest(BadRequest::ApiKey);
    let (target, key) = found.map_err(|Unclear| unclear())?;
    let mut moved = received.with_target(&target).ok_or_else(unclear)?;
    let mut key = HeaderValue::from_bytes(&key).map_err(|_| unclear())?;
    key.set_sensitive(true);
    // One in the field, too, makes two, and is refused there.
    moved.headers.append(security.api_key.header.clone(), key);
    Ok(Some(Box::new(moved)))
}

/// The parameter stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unclear;

/// The same path and query without the parameter `name`, byte for byte, and its value, decoded; `None`:
/// it is not there.
fn taken_out(target: &str, name: &str) -> Option<Result<(String, Vec<u8>), Unclear>> {
    let (path, query) = target.split_once('?')?;
    let (mut others, mut value) = (Vec::new(), None);
    for pair in query.split('&') {
        let (spelled, said) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(spelled, true) != name.as_bytes() {
            others.push(pair);
        } else if value.replace(decoded(said, true)).is_some() {
            return Some(Err(Unclear));
        }
    }
    let others = others.join("&");
    let mark = if others.is_empty() { "" } else { "?" };
    value.map(|value| Ok((format!("{path}{mark}{others}"), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `key` says in the query, and the target without it.
    #[track_caller]
    fn check(query: &str, expected: Option<Result<(&str, &str), Unclear>>) {
        let said = taken_out(&format!("/p?{query}"), "key");
        let said = said
            .map(|found| found.map(|(target, value)| (String::from_utf8(value).unwrap(), target)));
        let expected = expected
            .map(|found| found.map(|(value, target)| (value.to_owned(), target.to_owned())));
        assert_eq!(said, expected, "{query}");
    }

    #[test]
    fn a_parameter_is_found_and_taken_out() {
        check("key=a", Some(Ok(("a", "/p"))));
        check("a=b&key=k%2Dx&c=%20d", Some(Ok(("k-x", "/p?a=b&c=%20d"))));
        check("k%65y=a&b", Some(Ok(("a", "/p?b"))));
        check("key&b", Some(Ok(("", "/p?b"))));
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        check("akey=a&keys=b&c=key=d", None);
        check("", None);
    }

    #[test]
    fn twice_is_unclear() {
        check("key=a&b&k%65y=c", Some(Err(Unclear)));
    }
}
