//! What does a client see of a kept answer?
//!
//! The whole, a part of it, or that what the client has still holds (RFC 9111 §4.3.2).

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::answer::Kept;
use crate::directives::items;
use crate::freshness::{date, parse_date};
use crate::range::{Asked, asked};
use crate::storing::Question;

/// An answer for a client.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The status.
    pub status: StatusCode,
    /// The fields, `Age` among them.
    pub headers: HeaderMap,
    /// The body; none where the client asked with HEAD.
    pub body: Bytes,
}

impl Kept {
    /// What the client sees. `confirmed`: the server has just been asked whether it holds.
    pub fn shown(&self, question: &Question<'_>, now: i64, confirmed: bool) -> Shown {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        headers.clone_from(&self.headers);
        headers.insert(AGE, HeaderValue::from(self.age(now) / 1000));
        if !confirmed {
            for name in &self.worth.said.no_cache_fields {
                headers.remove(name);
            }
        }
        let mut shown = Shown { status: self.status, headers, body: self.body.clone() };
        if self.status == StatusCode::OK {
            if is_known(question.headers, &self.headers, self.answered) {
                return unchanged(shown);
            }
            if *question.method == Method::GET {
                shown.cut(asked(question.headers, &self.headers, self.body.len()), self.body.len());
            }
        }
        if *question.method == Method::HEAD {
            shown.headers.insert(CONTENT_LENGTH, HeaderValue::from(shown.body.len()));
            shown.body = Bytes::new();
        }
        shown
    }
}

impl Shown {
    fn cut(&mut self, asked: Asked, length: usize) {
        let (status, told, body) = match asked {
            Asked::Whole => return,
            Asked::Part(range) => {
                let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                // INVARIANT: the range lies within the body; it was cut to its length.
                (StatusCode::PARTIAL_CONTENT, told, self.body.slice(range))
            }
            Asked::Nowhere => {
                (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{length}"), Bytes::new())
            }
        };
        self.status = status;
        self.body = body;
        if let Ok(told) = HeaderValue::try_from(told) {
            self.headers.insert(CONTENT_RANGE, told);
        }
    }
}

/// RFC 9110 §15.4.5: what guides the client in keeping what it has.
fn unchanged(mut shown: Shown) -> Shown {
    const TOLD: [HeaderName; 8] =
        [AGE, CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY];
    let mut headers = HeaderMap::with_capacity(TOLD.len() + 2);
    for (name, value) in shown.headers.iter().filter(|(name, _)| TOLD.contains(name)) {
        headers.append(name.clone(), value.clone());
    }
    shown.status = StatusCode::NOT_MODIFIED;
    shown.headers = headers;
    shown.body = Bytes::new();
    shown
}

/// Whether the client holds the same thing already (RFC 9110 §13.2.2; `If-None-Match` goes first).
fn is_known(request: &HeaderMap, kept: &HeaderMap, answered: i64) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let own = kept.get(ETAG).map(|tag| opaque(tag.as_bytes()));
        return items(request, &IF_NONE_MATCH)
            .any(|tag| tag == b"*" || own.is_some_and(|own| own == opaque(tag)));
    }
    let Some(since) = request.get(IF_MODIFIED_SINCE) else { return false };
    if kept.get(LAST_MODIFIED) == Some(since) {
        return true;
    }
    let Some(since) = parse_date(since.as_bytes()) else { return false };
    // What does not say when it changed did so at the latest when it was made.
    let changed = date(kept, &LAST_MODIFIED).or_else(|| date(kept, &DATE)).unwrap_or(answered);
    changed <= since
}

/// The weak comparison leaves out whether a tag is weak.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
