//! How old is an answer, and how long is it fresh?
//!
//! RFC 9111 §4.2. All times are milliseconds since the Unix epoch, all spans milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::directives::Directives;
use crate::rules::Rules;

/// Older than any lifetime.
const ANCIENT: i64 = i64::MAX / 4;
/// A guess is never longer than this.
const MOST_HEURISTIC: i64 = 24 * 3600 * 1000;

/// When an answer was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent.
    pub asked: i64,
    /// When the head of the answer was there.
    pub answered: i64,
}

/// An HTTP date in any of its three forms.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    headers.get(name).and_then(|value| parse_date(value.as_bytes()))
}

pub(crate) fn parse_date(value: &[u8]) -> Option<i64> {
    let time: SystemTime = httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// `corrected_initial_age` of §4.2.3. An `Age` that is no single number makes the answer ancient.
pub(crate) fn initial_age(headers: &HeaderMap, times: Times) -> i64 {
    let apparent = date(headers, &DATE).map_or(0, |date| (times.answered - date).max(0));
    let mut ages = headers.get_all(AGE).iter();
    let told = match (ages.next(), ages.next()) {
        (None, _) => 0,
        (Some(age), None) => {
            let text = age.to_str().ok().filter(|text| !text.is_empty());
            let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let seconds = digits.map(|text| text.parse::<i64>().unwrap_or(ANCIENT / 1000));
            seconds.map_or(ANCIENT, |seconds| seconds.min(ANCIENT / 1000) * 1000)
        }
        (Some(_), Some(_)) => ANCIENT,
    };
    let delay = (times.answered - times.asked).max(0);
    apparent.max(told.saturating_add(delay)).min(ANCIENT)
}

/// `freshness_lifetime` of §4.2.1: what the answer says, else the configured time, else a guess.
/// `None`: nothing makes it reusable.
pub(crate) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    said: &Directives,
    rules: &Rules,
    answered: i64,
) -> Option<i64> {
    if let Some(explicit) = explicit(headers, said, answered) {
        return Some(explicit);
    }
    if said.no_cache {
        return Some(0);
    }
    if !(said.public || is_heuristic(status)) {
        return None;
    }
    if let Some(ttl) = rules.ttl {
        return Some(millis(ttl));
    }
    let modified = date(headers, &LAST_MODIFIED)?;
    let since = date(headers, &DATE).unwrap_or(answered) - modified;
    let share = since.max(0).saturating_mul(i64::from(rules.heuristic_percent)) / 100;
    Some(share.min(MOST_HEURISTIC))
}

fn explicit(headers: &HeaderMap, said: &Directives, answered: i64) -> Option<i64> {
    if let Some(seconds) = said.s_maxage.or(said.max_age) {
        return Some(from_seconds(seconds));
    }
    if said.targeted || !headers.contains_key(EXPIRES) {
        return None;
    }
    // An Expires that cannot be read lies in the past (§5.3), and so does one that stands twice.
    let single = headers.get_all(EXPIRES).iter().nth(1).is_none();
    let expires = date(headers, &EXPIRES).filter(|_| single);
    let from = date(headers, &DATE).unwrap_or(answered);
    Some(expires.map_or(0, |expires| (expires - from).max(0)))
}

pub(crate) fn from_seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(ANCIENT / 1000).min(ANCIENT / 1000) * 1000
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(ANCIENT).min(ANCIENT)
}

/// The statuses whose answers may be kept although they say nothing about it (RFC 9110 §15.1).
pub(crate) const fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The statuses whose meaning for a cache is known here (§5.2.2.3).
pub(crate) fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status)
        || matches!(
            status.as_u16(),
            201 | 202 | 205 | 302 | 303 | 307 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451
                | 500..=508 | 511
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reuse_tests::headers;

    const NOW: i64 = 784_111_777_000;

    /// Seconds of freshness that an answer has which was asked for two seconds before it came.
    #[track_caller]
    fn check(status: u16, lines: &str, rules: &Rules, expected: Option<i64>) {
        let headers = headers(lines);
        let said = Directives::of_answer(&headers);
        let status = StatusCode::from_u16(status).unwrap();
        let fresh = lifetime(status, &headers, &said, rules, NOW);
        assert_eq!(fresh.map(|ms| ms / 1000), expected, "{status} {lines}");
    }

    #[test]
    fn what_the_answer_says_comes_first() {
        let rules = Rules { ttl: Some(Duration::from_mins(5)), ..Rules::default() };
        let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\nexpires: Sun, 06 Nov 1994 08:50:37 GMT";
        check(200, "cache-control: max-age=9, s-maxage=7", &rules, Some(7));
        check(200, &format!("cache-control: max-age=9\n{date}"), &rules, Some(9));
        check(200, date, &rules, Some(60));
        check(200, "expires: 0", &rules, Some(0));
        check(200, &format!("{date}\nexpires: Sun, 06 Nov 1994 09:50:37 GMT"), &rules, Some(0));
        check(500, "cache-control: max-age=9", &rules, Some(9));
    }

    #[test]
    fn the_configured_time_is_for_answers_that_say_nothing() {
        let rules = Rules { ttl: Some(Duration::from_mins(5)), ..Rules::default() };
        check(200, "x: y", &rules, Some(300));
        check(404, "x: y", &rules, Some(300));
        check(500, "x: y", &rules, None);
        check(500, "cache-control: public", &rules, Some(300));
        check(200, "cache-control: no-cache", &rules, Some(0));
    }

    #[test]
    fn a_guess_is_a_share_of_the_time_since_the_last_change() {
        let guess = Rules::default();
        let lines = "date: Sun, 06 Nov 1994 08:49:37 GMT\n\
                     last-modified: Sun, 06 Nov 1994 08:47:57 GMT";
        check(200, lines, &guess, Some(10));
        check(201, lines, &guess, None);
        check(200, "x: y", &guess, None);
        let old = "last-modified: Sun, 06 Nov 1904 08:47:57 GMT";
        check(200, old, &guess, None);
        check(200, "last-modified: Tue, 06 Nov 1984 08:47:57 GMT", &guess, Some(24 * 3600));
    }

    /// Seconds that an answer is old when it comes, two seconds after it was asked for.
    #[track_caller]
    fn check_age(lines: &str, expected: i64) {
        let age = initial_age(&headers(lines), Times { asked: NOW - 2000, answered: NOW });
        assert_eq!(age / 1000, expected, "{lines}");
    }

    #[test]
    fn the_age_counts_the_way_and_the_caches_before() {
        check_age("x: y", 2);
        check_age("age: 10", 12);
        check_age("age: 1\ndate: Sun, 06 Nov 1994 08:49:07 GMT", 30);
        check_age("date: Sun, 06 Nov 1994 09:49:07 GMT", 2);
    }

    #[test]
    fn an_age_that_is_no_number_is_ancient() {
        for age in ["abc", "-7200", "7200.0", "0, 0", "0;a", ""] {
            check_age(&format!("age: {age}"), ANCIENT / 1000);
        }
        check_age("age: 0\nage: 0", ANCIENT / 1000);
        check_age("age: 99999999999999999999", ANCIENT / 1000);
    }
}
