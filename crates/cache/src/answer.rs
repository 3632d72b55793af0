//! What is kept of an answer?
//!
//! Its head without what belongs to a connection, and its body, both in memory of their own: a kept
//! slice of a read buffer would keep the whole buffer.

use bytes::Bytes;
use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::directives::items;
use crate::freshness::{Times, date, initial_age};
use crate::marks::Mark;
use crate::rules::Rules;
use crate::storing::{NotKept, Question, Worth, worth};
use crate::vary::Variant;

/// Tags of one answer; further ones are not seen.
const MOST_TAGS: usize = 64;
/// What an answer takes in memory beside what can be counted.
const OVERHEAD: usize = 512;

/// An answer that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How old it was when it came, and when that was.
    pub(crate) initial_age: i64,
    pub(crate) answered: i64,
    pub(crate) worth: Worth,
    /// What it was marked with when it was asked for.
    pub(crate) marks: Vec<Mark>,
    /// Up to which loss of validity it knows.
    pub(crate) begun: u64,
}

/// An answer whose head may be kept; its body is still to come.
#[derive(Clone, Debug)]
pub struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    initial_age: i64,
    answered: i64,
    worth: Worth,
    tags: Vec<Box<[u8]>>,
}

impl Draft {
    /// Judges the head of an answer.
    pub fn of(
        question: &Question<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        rules: &Rules,
        times: Times,
    ) -> Result<Self, NotKept> {
        let worth = worth(question, status, headers, rules, times.answered)?;
        Ok(Self {
            status,
            initial_age: initial_age(headers, times),
            answered: times.answered,
            tags: tags(headers, rules),
            headers: copied(headers, times.answered),
            worth,
        })
    }

    /// Tags that it can be purged by.
    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.tags.iter().map(AsRef::as_ref)
    }

    pub(crate) fn finish(self, body: Bytes, marks: Vec<Mark>, begun: u64) -> Kept {
        let Self { status, headers, initial_age, answered, worth, .. } = self;
        Kept { status, headers, body, initial_age, answered, worth, marks, begun }
    }
}

impl Kept {
    /// The same answer after the server said that it still holds (RFC 9111 §4.3.4), to be shown,
    /// and the draft to be kept in its place unless the new fields forbid it.
    pub fn confirmed(
        &self,
        question: &Question<'_>,
        news: &HeaderMap,
        rules: &Rules,
        times: Times,
    ) -> (Self, Result<Draft, NotKept>) {
        let mut headers = self.headers.clone();
        for name in news.keys().filter(|name| is_updated(name)) {
            headers.remove(name);
            for value in news.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        // How old it was before does not matter any more.
        for age in news.get_all(AGE) {
            headers.append(AGE, age.clone());
        }
        if !news.contains_key(DATE) {
            headers.remove(DATE);
        }
        let draft = Draft::of(question, self.status, &headers, rules, times);
        let confirmed = Self {
            initial_age: initial_age(&headers, times),
            answered: times.answered,
            headers: copied(&headers, times.answered),
            ..self.clone()
        };
        (confirmed, draft)
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// How the server can be asked whether it still holds; `None`: it cannot.
    pub fn validators(&self) -> Option<(Option<&HeaderValue>, Option<&HeaderValue>)> {
        let (tag, modified) = (self.headers.get(ETAG), self.headers.get(LAST_MODIFIED));
        (tag.is_some() || modified.is_some()).then_some((tag, modified))
    }

    pub(crate) const fn variant(&self) -> &Variant {
        &self.worth.variant
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let fields =
            |(name, value): (&HeaderName, &HeaderValue)| 96 + name.as_str().len() + value.len();
        OVERHEAD
            + self.body.len()
            + self.headers.iter().map(fields).sum::<usize>()
            + self.worth.variant.bytes()
            + self.marks.len() * size_of::<Mark>()
    }
}

fn tags(headers: &HeaderMap, rules: &Rules) -> Vec<Box<[u8]>> {
    let listed = rules.tag_fields.iter().flat_map(|field| items(headers, field));
    // One field separates by commas and the other by blanks; both are taken.
    let words = listed.flat_map(|item| item.split(u8::is_ascii_whitespace));
    words.filter(|word| !word.is_empty()).take(MOST_TAGS).map(Into::into).collect()
}

/// Copies the fields that are kept into one new piece of memory.
fn copied(headers: &HeaderMap, answered: i64) -> HeaderMap {
    let kept = || headers.iter().filter(|(name, _)| is_kept(name));
    let all: Vec<u8> = kept().flat_map(|(_, value)| value.as_bytes()).copied().collect();
    let mut rest = Bytes::from(all);
    let mut copy = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in kept() {
        let bytes = rest.split_to(value.len().min(rest.len()));
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes) {
            copy.append(name.clone(), value);
        }
    }
    // A recipient with a clock dates what is not dated (RFC 9110 §6.6.1).
    if date(&copy, &DATE).is_none()
        && !copy.contains_key(DATE)
        && let Ok(now) = HeaderValue::try_from(http_date(answered))
    {
        copy.insert(DATE, now);
    }
    copy
}

pub(crate) fn http_date(at: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(at).unwrap_or(0));
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

/// RFC 9111 §3.1: what belongs to a connection or to a proxy is not kept, and the age is counted.
fn is_kept(name: &HeaderName) -> bool {
    const OTHERS: [&str; 6] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authentication-info",
        "cache-status",
        "age",
    ];
    ![
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        CONTENT_LENGTH,
    ]
    .contains(name)
        && !OTHERS.contains(&name.as_str())
}

/// RFC 9111 §3.2: what describes the body that is kept stays as it is.
fn is_updated(name: &HeaderName) -> bool {
    ![CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, AGE].contains(name)
        && name.as_str() != "content-md5"
        && is_kept(name)
}
