//! May an answer be kept?
//!
//! RFC 9111 §3 for a shared cache, and two reservations of our own: what sets a cookie is not kept
//! unless the rules say so, and neither is what could never be given again.

use http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};

use crate::directives::Directives;
use crate::freshness::{from_seconds, is_understood, lifetime, millis};
use crate::rules::Rules;
use crate::vary::Variant;

/// A request as a cache sees it.
#[derive(Clone, Debug)]
pub struct Question<'r> {
    /// The method.
    pub method: &'r Method,
    /// The fields of the request.
    pub headers: &'r HeaderMap,
    /// What they say about caching.
    pub said: Directives,
    /// Whether an `Authorization` field goes on to the server (RFC 9111 §3.5).
    pub is_authorized: bool,
    /// Whether it has a body, which is no part of the key.
    pub has_body: bool,
}

/// What is known about an answer that may be kept, apart from its body.
#[derive(Clone, Debug)]
pub(crate) struct Worth {
    pub(crate) lifetime: i64,
    pub(crate) stale_while: i64,
    pub(crate) stale_if_error: i64,
    pub(crate) said: Directives,
    pub(crate) variant: Variant,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// Only answers to GET are.
    Method,
    /// The request or the answer says so.
    NoStore,
    /// It is for one user.
    Private,
    /// The request carried a credential to the server, and the answer does not say `public`.
    Authorization,
    /// It fits no other request.
    Vary,
    /// It sets a cookie.
    Cookie,
    /// It is a part, or its status is not one that is kept.
    Status,
    /// It could not be given again without being asked for anew.
    Useless,
    /// Its body is longer than is kept.
    TooLong,
}

impl NotKept {
    /// A word for the `detail` of `Cache-Status`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Vary => "vary",
            Self::Cookie => "set-cookie",
            Self::Status => "status",
            Self::Useless => "no-freshness",
            Self::TooLong => "too-long",
        }
    }
}

pub(crate) fn worth(
    question: &Question<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    rules: &Rules,
    answered: i64,
) -> Result<Worth, NotKept> {
    let said = Directives::of_answer(headers);
    refused(question, status, headers, &said, rules)?;
    let variant = Variant::of(headers, question.headers).ok_or(NotKept::Vary)?;
    let fresh = lifetime(status, headers, &said, rules, answered).ok_or(NotKept::Useless)?;
    let forbids = said.must_revalidate || said.s_maxage.is_some() || said.no_cache;
    let stale = |word: Option<u64>, rule| match word {
        _ if forbids => 0,
        Some(seconds) => from_seconds(seconds),
        None => millis(rule),
    };
    let stale_while = stale(said.stale_while_revalidate, rules.stale_while_revalidate);
    let stale_if_error = stale(said.stale_if_error, rules.stale_if_error);
    let can_be_checked = headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
    if fresh <= 0 && stale_while <= 0 && stale_if_error <= 0 && !can_be_checked {
        return Err(NotKept::Useless);
    }
    Ok(Worth { lifetime: fresh, stale_while, stale_if_error, said, variant })
}

fn refused(
    question: &Question<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    said: &Directives,
    rules: &Rules,
) -> Result<(), NotKept> {
    let partial = status == StatusCode::PARTIAL_CONTENT || status == StatusCode::NOT_MODIFIED;
    // Who says `must-understand` says `no-store` for those who do not (RFC 9111 §5.2.2.3).
    let understood = said.must_understand && is_understood(status);
    let opened = said.public || said.must_revalidate || said.s_maxage.is_some();
    let checks = [
        (*question.method != Method::GET || question.has_body, NotKept::Method),
        (question.said.no_store || (said.no_store && !understood), NotKept::NoStore),
        (said.private, NotKept::Private),
        (question.is_authorized && !opened, NotKept::Authorization),
        (headers.contains_key(SET_COOKIE) && !rules.keeps_cookies, NotKept::Cookie),
        (partial || status.is_informational(), NotKept::Status),
        (said.must_understand && !understood, NotKept::Status),
        // A part that does not say so by its status is a mistake of the server's: RFC 9110 §14.4
        // gives the field no meaning there, and it is kept like any other.
        (
            status == StatusCode::RANGE_NOT_SATISFIABLE && headers.contains_key(CONTENT_RANGE),
            NotKept::Status,
        ),
    ];
    checks.into_iter().find(|(hits, _)| *hits).map_or(Ok(()), |(_, why)| Err(why))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reuse_tests::headers;

    /// What becomes of an answer to `request` ("METHOD" and lines of fields): "kept" or why not.
    #[track_caller]
    fn check(request: &str, status: u16, answer: &str, expected: &str) {
        let (method, fields) = request.split_once('\n').unwrap_or((request, ""));
        let (method, fields) = (method.parse().unwrap(), headers(fields));
        let question = Question {
            method: &method,
            said: Directives::of_request(&fields),
            is_authorized: fields.contains_key("authorization"),
            headers: &fields,
            has_body: false,
        };
        let rules = Rules { ttl: Some(Duration::from_mins(5)), ..Rules::default() };
        let status = StatusCode::from_u16(status).unwrap();
        let said = match worth(&question, status, &headers(answer), &rules, 0) {
            Ok(_) => "kept",
            Err(why) => why.word(),
        };
        assert_eq!(said, expected, "{request} / {status} {answer}");
    }

    #[test]
    fn answers_to_get_are_kept_when_nobody_objects() {
        check("GET", 200, "x: y", "kept");
        check("GET", 404, "x: y", "kept");
        check("GET", 599, "cache-control: max-age=5", "kept");
        check("GET", 200, "cache-control: no-cache\netag: \"1\"", "kept");
        check("HEAD", 200, "x: y", "method");
        check("POST", 200, "cache-control: max-age=5", "method");
        check("GET", 206, "cache-control: max-age=5", "status");
        check("GET", 500, "x: y", "no-freshness");
        check("GET", 200, "cache-control: max-age=0", "no-freshness");
    }

    #[test]
    fn who_says_no_is_heard() {
        check("GET", 200, "cache-control: no-store, max-age=5", "no-store");
        check("GET\ncache-control: no-store", 200, "x: y", "no-store");
        check("GET", 200, "cache-control: private, max-age=5", "private");
        check("GET", 200, "cache-control: private=\"set-cookie\"", "private");
        check("GET", 200, "vary: *", "vary");
        check("GET", 200, "set-cookie: a=1\ncache-control: max-age=5", "set-cookie");
    }

    #[test]
    fn the_configured_time_never_overrules_an_objection() {
        for objection in ["no-store", "private", "private, public", "no-store, public"] {
            let expected = objection.split(',').next().unwrap();
            check("GET", 200, &format!("cache-control: {objection}"), expected);
        }
    }

    #[test]
    fn an_answer_to_a_credential_is_kept_when_it_says_so() {
        let asked = "GET\nauthorization: x";
        check(asked, 200, "cache-control: max-age=5", "authorization");
        for word in ["public", "must-revalidate", "s-maxage=5"] {
            check(asked, 200, &format!("cache-control: max-age=5, {word}"), "kept");
        }
    }

    #[test]
    fn a_status_that_must_be_understood_is() {
        check("GET", 599, "cache-control: must-understand, max-age=5", "status");
        check("GET", 599, "cache-control: must-understand, no-store, max-age=5", "no-store");
        check("GET", 200, "cache-control: must-understand, no-store, max-age=5", "kept");
    }
}
