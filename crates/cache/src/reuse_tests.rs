//! What a kept answer is good for, and what clients see of it.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::{Directives, Draft, Fit, Kept, Question, Rules, Times};

const NOW: i64 = 784_111_777_000;

pub(crate) fn headers(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

pub(crate) fn question<'r>(method: &'r Method, headers: &'r HeaderMap) -> Question<'r> {
    let said = Directives::of_request(headers);
    Question { method, headers, said, is_authorized: false, has_body: false }
}

fn kept(answer: &str, rules: &Rules) -> Kept {
    let none = HeaderMap::new();
    let question = question(&Method::GET, &none);
    let times = Times { asked: NOW, answered: NOW };
    let draft = Draft::of(&question, StatusCode::OK, &headers(answer), rules, times).unwrap();
    draft.finish(Bytes::from_static(b"0123456789"), Vec::new(), 0)
}

/// What an answer is good for `seconds` after it came, for a request that says `asked`.
#[track_caller]
fn check(answer: &str, seconds: i64, asked: &str, expected: Fit) {
    let asked = Directives::of_request(&headers(asked));
    let fit = kept(answer, &Rules::default()).fit(&asked, NOW + seconds * 1000);
    assert_eq!(fit, expected, "{answer} after {seconds} s for {asked:?}");
}

#[test]
fn an_answer_is_fresh_until_its_lifetime_is_over() {
    let answer = "cache-control: max-age=10";
    check(answer, 9, "", Fit::Fresh);
    check(answer, 10, "", Fit::Ask);
    check("cache-control: max-age=10\nage: 5", 5, "", Fit::Ask);
    check("cache-control: no-cache, max-age=10\netag: \"1\"", 0, "", Fit::Ask);
}

#[test]
fn a_request_may_want_it_fresher_or_take_it_staler() {
    let answer = "cache-control: max-age=10";
    check(answer, 3, "cache-control: max-age=2", Fit::Ask);
    check(answer, 3, "cache-control: min-fresh=8", Fit::Ask);
    check(answer, 3, "cache-control: no-cache", Fit::Ask);
    check(answer, 12, "cache-control: max-stale", Fit::Stale);
    check(answer, 12, "cache-control: max-stale=1", Fit::Ask);
    check("cache-control: max-age=10, must-revalidate", 12, "cache-control: max-stale", Fit::Ask);
    check("cache-control: s-maxage=10", 12, "cache-control: max-stale", Fit::Ask);
}

#[test]
fn a_stale_answer_is_given_while_another_is_fetched() {
    let answer = "cache-control: max-age=10, stale-while-revalidate=5";
    check(answer, 14, "", Fit::Renew);
    check(answer, 15, "", Fit::Ask);
    check(&format!("{answer}, must-revalidate"), 14, "", Fit::Ask);
}

#[test]
fn a_stale_answer_helps_out_only_as_long_as_it_may() {
    let rules = Rules { stale_if_error: Duration::from_mins(1), ..Rules::default() };
    let helps = |answer: &str, seconds: i64| kept(answer, &rules).helps_out(NOW + seconds * 1000);
    assert!(helps("cache-control: max-age=10", 69));
    assert!(!helps("cache-control: max-age=10", 70));
    assert!(helps("cache-control: max-age=10, stale-if-error=5", 14));
    assert!(!helps("cache-control: max-age=10, stale-if-error=5", 15));
    assert!(!helps("cache-control: max-age=10, must-revalidate", 11));
    assert!(!helps("cache-control: s-maxage=10", 11));
}

/// What `request` ("METHOD" and lines) sees five seconds later: the status, the body, then the
/// fields that are asked for in `shows`.
#[track_caller]
fn check_shown(answer: &str, request: &str, shows: &[&str], expected: &str) {
    let (method, fields) = request.split_once('\n').unwrap_or((request, ""));
    let (method, fields) = (method.parse().unwrap(), headers(fields));
    let shown =
        kept(answer, &Rules::default()).shown(&question(&method, &fields), NOW + 5000, false);
    let mut said = format!("{} {}", shown.status.as_u16(), str::from_utf8(&shown.body).unwrap());
    for name in shows {
        let value = shown.headers.get(*name).map_or("-", |value| value.to_str().unwrap());
        let _ = write!(said, " {name}={value}");
    }
    assert_eq!(said, expected, "{request}");
}

const TAGGED: &str = "cache-control: max-age=10\netag: \"a\"\nx: y\n\
                      last-modified: Sun, 06 Nov 1994 08:00:00 GMT";

#[test]
fn a_kept_answer_tells_its_age() {
    check_shown(TAGGED, "GET", &["age", "x"], "200 0123456789 age=5 x=y");
    let aged = "cache-control: max-age=100\nage: 30";
    check_shown(aged, "GET", &["age"], "200 0123456789 age=35");
}

#[test]
fn a_head_is_answered_from_what_get_brought() {
    check_shown(TAGGED, "HEAD", &["content-length", "x"], "200  content-length=10 x=y");
}

#[test]
fn who_has_the_same_thing_is_told_so() {
    let told = "304  etag=\"a\" x=-";
    for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
        check_shown(TAGGED, &format!("GET\nif-none-match: {tags}"), &["etag", "x"], told);
    }
    let other = "200 0123456789 etag=\"a\"";
    check_shown(TAGGED, "GET\nif-none-match: \"b\"", &["etag"], other);
    let since = |date: &str| format!("GET\nif-modified-since: {date}");
    check_shown(TAGGED, &since("Sun, 06 Nov 1994 08:00:00 GMT"), &["x"], "304  x=-");
    check_shown(TAGGED, &since("Sunday, 06-Nov-94 09:00:00 GMT"), &["x"], "304  x=-");
    check_shown(TAGGED, &since("Sun, 06 Nov 1994 07:00:00 GMT"), &["x"], "200 0123456789 x=y");
    let both = "GET\nif-none-match: \"b\"\nif-modified-since: Sun, 06 Nov 1994 08:00:00 GMT";
    check_shown(TAGGED, both, &[], "200 0123456789");
}

#[test]
fn a_part_is_cut_out_of_the_whole() {
    let part = "206 23 content-range=bytes 2-3/10";
    check_shown(TAGGED, "GET\nrange: bytes=2-3", &["content-range"], part);
    let nowhere = "416  content-range=bytes */10";
    check_shown(TAGGED, "GET\nrange: bytes=10-", &["content-range"], nowhere);
}

#[test]
fn fields_that_must_not_be_sent_unasked_are_left_out() {
    let answer = "cache-control: max-age=10, no-cache=\"x-secret\"\nx-secret: 1\nx: y";
    check_shown(answer, "GET", &["x-secret", "x"], "200 0123456789 x-secret=- x=y");
}

#[test]
fn a_confirmed_answer_takes_over_what_is_new() {
    let old =
        kept("cache-control: max-age=1\netag: \"a\"\nx: old\nstays: 1\nage: 7", &Rules::default());
    let none = HeaderMap::new();
    let question = question(&Method::GET, &none);
    let news = headers("cache-control: max-age=60\netag: \"b\"\nx: new\ncontent-length: 3");
    let times = Times { asked: NOW + 5000, answered: NOW + 5000 };
    let (_, draft) = old.confirmed(&question, &news, &Rules::default(), times);
    let new = draft.unwrap().finish(old.body().clone(), Vec::new(), 0);
    let shown = new.shown(&question, NOW + 6000, false);
    let field = |name| shown.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(
        [field("x"), field("stays"), field("etag"), field("age"), field("cache-control")],
        [Some("new"), Some("1"), Some("\"a\""), Some("1"), Some("max-age=60")]
    );
}
