//! Which trace does a call belong to, and is what its client says of it well-formed?
//!
//! W3C Trace Context: what is malformed is not passed on, because the next one would have to start
//! a new trace for it, and a `tracestate` without its `traceparent` means nothing.

use http::{HeaderMap, HeaderName, HeaderValue};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Members that a `tracestate` may have (§3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// Whether the field called `name` says which trace a request belongs to.
pub fn is_said_by(name: &HeaderName) -> bool {
    *name == TRACEPARENT
}

/// The trace of a request; fields that are malformed are removed.
pub fn checked(headers: &mut HeaderMap) -> Option<[u8; 16]> {
    let value = headers.get(&TRACEPARENT)?;
    let trace = trace_id(value).filter(|_| headers.get_all(&TRACEPARENT).iter().count() == 1);
    if trace.is_none() {
        headers.remove(&TRACEPARENT);
        headers.remove(&TRACESTATE);
    } else if headers.contains_key(&TRACESTATE) && !is_state(headers) {
        headers.remove(&TRACESTATE);
    }
    trace
}

/// The trace id in a `traceparent` (§3.2): `00-<32 digits>-<16 digits>-<2 digits>`; a version to
/// come may add more behind.
pub fn trace_id(traceparent: &HeaderValue) -> Option<[u8; 16]> {
    let text = traceparent.as_bytes();
    let (known, more) = text.split_at_checked(55)?;
    let mut parts = known.split(|byte| *byte == b'-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let sizes = [version.len(), trace.len(), parent.len(), flags.len()] == [2, 32, 16, 2];
    let digits = [version, trace, parent, flags].concat().into_iter().all(is_digit);
    let is_nothing = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    let version_fits = match version {
        b"00" => more.is_empty(),
        b"ff" => false,
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    if !(sizes && digits && version_fits) || is_nothing(trace) || is_nothing(parent) {
        return None;
    }
    let mut id = [0; 16];
    for (to, pair) in id.iter_mut().zip(trace.chunks_exact(2)) {
        *to = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(id)
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_state(headers: &HeaderMap) -> bool {
    let mut members = 0;
    for field in headers.get_all(&TRACESTATE) {
        let Ok(text) = field.to_str() else { return false };
        for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            members += 1;
            let Some((key, value)) = member.split_once('=') else { return false };
            let key_fits = !key.is_empty()
                && key.len() <= 256
                && key.bytes().all(|byte| {
                    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@')
                });
            if !key_fits || value.is_empty() || value.len() > 256 || value.contains('=') {
                return false;
            }
        }
    }
    members <= MOST_MEMBERS
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What is left of both fields.
    #[track_caller]
    fn check(parents: &[&str], state: &str, left: [usize; 2]) {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(&TRACEPARENT, HeaderValue::from_str(parent).unwrap());
        }
        headers.insert(&TRACESTATE, HeaderValue::from_str(state).unwrap());
        let trace = checked(&mut headers);
        let count = |name| headers.get_all(name).iter().count();
        assert_eq!([count(&TRACEPARENT), count(&TRACESTATE)], left, "{parents:?} {state}");
        assert_eq!(trace.is_some(), left[0] == 1, "{parents:?}");
    }

    #[test]
    fn what_is_well_formed_is_passed_on() {
        check(&[GOOD], "congo=t61rcWkgMzE,rojo@vendor=00f067aa0ba902b7", [1, 1]);
        check(&[&GOOD.replace("-01", "-00")], "a=1", [1, 1]);
        check(&[&format!("{}-more", GOOD.replacen("00", "cc", 1))], "a=1", [1, 1]);
    }

    #[test]
    fn a_malformed_parent_is_dropped_with_its_state() {
        for bad in [
            String::new(),
            GOOD.replace("00-", "ff-"),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("-01", "-0g"),
        ] {
            check(&[&bad], "a=1", [0, 0]);
        }
        check(&[GOOD, GOOD], "a=1", [0, 0]);
    }

    #[test]
    fn a_malformed_state_is_dropped_alone() {
        for bad in ["a", "A=1", "a=1=2", "=1"] {
            check(&[GOOD], bad, [1, 0]);
        }
        check(&[GOOD], &vec!["a=1"; 33].join(","), [1, 0]);
    }
}
