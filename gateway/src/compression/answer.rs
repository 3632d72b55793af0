//! What becomes of the head of an answer that is compressed?
//!
//! RFC 9110 §8.4 and §8.8.3: another coding is another representation. Its length is not known, its
//! tag is weak, and whoever keeps it has to know that it depends on `Accept-Encoding`.

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use plan::CompressionPlan;
use turnpike_proto::config::v1::compression::Coding;

use super::choose::choose;
use super::encoder::Encoders;
use super::squeeze::Squeezing;
use crate::body::Body;
use crate::received::Received;

/// Compresses an answer, if its client takes that and it is worth it.
pub fn compress(
    plan: &CompressionPlan,
    encoders: &Encoders,
    received: &Received,
    response: &mut Response<Body>,
) {
    let with_head = received.method == Method::HEAD;
    let nothing = response.body().is_empty() && !with_head;
    if !is_plain(response) || (nothing && response.status() != StatusCode::NOT_MODIFIED) {
        return;
    }
    let choice = choose(&received.headers, &plan.codings);
    // Who does not take it as it is gets it compressed, whatever it is.
    if choice.takes_plain && !is_worth(plan, response) {
        return;
    }
    vary(response.headers_mut());
    let Some(coding) = choice.coding else { return };
    if response.status() == StatusCode::NOT_MODIFIED {
        weaken(response.headers_mut());
        return;
    }
    if !with_head {
        let Some(encoder) = encoders.start(coding) else { return };
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = Body::stream(Squeezing::new(body, encoder));
    }
    let headers = response.headers_mut();
    weaken(headers);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name(coding)));
    headers.remove(CONTENT_LENGTH);
    // Parts of this representation cannot be asked for.
    headers.remove(ACCEPT_RANGES);
}

const fn name(coding: Coding) -> &'static str {
    match coding {
        Coding::Gzip => "gzip",
        Coding::Br => "br",
        Coding::Zstd => "zstd",
    }
}

/// Whether it may be changed at all: it has a body of its own, whole, not encoded and not summed.
fn is_plain(response: &Response<Body>) -> bool {
    const SUMS: [&str; 4] = ["content-md5", "digest", "content-digest", "repr-digest"];
    let (status, headers) = (response.status(), response.headers());
    let bodiless = status.is_informational()
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
        );
    let untouchable = headers.get_all(CACHE_CONTROL).iter().any(|line| {
        let words = line.to_str().unwrap_or_default().split(',');
        words.map(str::trim).any(|word| word.eq_ignore_ascii_case("no-transform"))
    });
    !bodiless
        && !untouchable
        && !matches!(response.body(), Body::Tunnel(_))
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !SUMS.iter().any(|sum| headers.contains_key(*sum))
}

/// Whether it is of a type that becomes smaller, and long enough. A 304 says neither; what it is
/// about was compressed if this client takes that.
fn is_worth(plan: &CompressionPlan, response: &Response<Body>) -> bool {
    let headers = response.headers();
    if response.status() == StatusCode::NOT_MODIFIED {
        return headers.contains_key(ETAG);
    }
    let told = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // An answer to HEAD has no body and may tell how long it would be.
    let length = response.body().length().filter(|length| *length > 0).or(told);
    let long_enough = length.is_none_or(|length| length >= plan.min_bytes);
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    long_enough && shrinks(plan, kind)
}

fn shrinks(plan: &CompressionPlan, kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if plan.types.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return true;
    }
    // Events are compressed only for who names them: some clients wait for a whole part.
    if kind.eq_ignore_ascii_case("text/event-stream") {
        return false;
    }
    let starts = |known: &str| {
        known.ends_with('/')
            && kind.get(..known.len()).is_some_and(|it| it.eq_ignore_ascii_case(known))
    };
    let ends = |suffix: &str| {
        let start = kind.len().saturating_sub(suffix.len());
        kind.get(start..).is_some_and(|it| it.eq_ignore_ascii_case(suffix))
    };
    plan.types.iter().any(|known| starts(known))
        || (plan.suffixes && (ends("+json") || ends("+xml")))
}

/// Adds `Accept-Encoding` to what the answer depends on.
fn vary(headers: &mut HeaderMap) {
    let known = headers.get_all(VARY).iter().any(|line| {
        let names = line.to_str().unwrap_or_default().split(',').map(str::trim);
        names.into_iter().any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    });
    if !known {
        headers.append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    }
}

/// The same content in another coding is the same in meaning and not in bytes.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}
