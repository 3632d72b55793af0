//! What does a question ask?
//!
//! Whatever is wrong with it is answered with the name of its field.

use detect::span::HOUR_US;
use prost_types::{Duration, Timestamp};
use tonic::Status;
use turnpike_proto::usage::v1;

use crate::question::Window;
use crate::report::{Filter, Interval, Keys};
use detect::span::SECOND_US;

const LONGEST_NAME: usize = 256;
/// The most keys that one question is about.
const MOST_KEYS: usize = 1000;

/// The filter of a question; absent: everything of the last hour.
pub fn filter(filter: Option<v1::Filter>, now_us: i64) -> Result<Filter, Status> {
    let v1::Filter { since, until, api, application } = filter.unwrap_or_default();
    let until_us = until.map_or(Ok(now_us), |until| instant("filter.until", until))?;
    let since_us = since
        .map_or(Ok(until_us.saturating_sub(HOUR_US)), |since| instant("filter.since", since))?;
    if since_us > until_us {
        return Err(refused("filter.since", "is after filter.until"));
    }
    let (api, api_version) = match api.split_once(':') {
        Some((_, "")) => return Err(refused("filter.api", "has no version behind the colon")),
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (api.as_str(), None),
    };
    if api_version.is_some() && api.is_empty() {
        return Err(refused("filter.api", "has no name in front of the colon"));
    }
    for (field, text) in [("filter.api", api), ("filter.application", application.as_str())] {
        if text.len() > LONGEST_NAME {
            return Err(refused(field, "is longer than any name"));
        }
    }
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (api, application) = (named(api), named(&application));
    Ok(Filter { window: Window { since_us, until_us }, api, api_version, application })
}

/// The keys that a question is about.
pub fn keys(asked: v1::LastUsedRequest) -> Result<Keys, Status> {
    let v1::LastUsedRequest { application, keys } = asked;
    if application.is_empty() || application.len() > LONGEST_NAME {
        return Err(refused("application", "is no name"));
    }
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(refused("keys", "are none, or more than 1000"));
    }
    if keys.iter().any(|key| key.is_empty() || key.len() > LONGEST_NAME) {
        return Err(refused("keys", "has one that no key is called"));
    }
    Ok(Keys { application, keys })
}

/// The interval of a question; absent: the whole time.
pub fn interval(interval: Option<Duration>) -> Result<Interval, Status> {
    let Some(interval) = interval else { return Ok(Interval(None)) };
    match duration_us(interval) {
        Some(length) if length >= SECOND_US => Ok(Interval(Some(length))),
        Some(_) => Err(refused("interval", "is shorter than a second")),
        None => Err(refused("interval", "is no duration")),
    }
}

/// Microseconds of a duration; of a finer one the next longer.
pub fn duration_us(Duration { seconds, nanos }: Duration) -> Option<i64> {
    let (whole, part) = seconds.checked_mul(SECOND_US).zip(sub_second_us(nanos))?;
    whole.checked_add(part)
}

/// Microseconds since the Unix epoch; of a finer instant the next one.
pub fn instant(field: &'static str, at: Timestamp) -> Result<i64, Status> {
    let us = at.seconds.checked_mul(SECOND_US).zip(sub_second_us(at.nanos));
    us.and_then(|(whole, part)| whole.checked_add(part))
        .ok_or_else(|| refused(field, "is no instant"))
}

fn sub_second_us(nanos: i32) -> Option<i64> {
    (0..1_000_000_000).contains(&nanos).then(|| (i64::from(nanos) + 999) / 1000)
}

/// A question that makes no sense: its field, and why.
pub fn refused(field: &str, why: &str) -> Status {
    Status::invalid_argument(format!("{field} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100 * HOUR_US;

    /// `asked` is "since until api application" in seconds of the epoch, `-` for absent; the answer
    /// is the same in microseconds, or the refusal.
    #[track_caller]
    fn check(asked: &str, understood: &str) {
        let words: Vec<&str> = asked.split(' ').collect();
        let at = |word: &str| word.parse().ok().map(|seconds| Timestamp { seconds, nanos: 1 });
        let name = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
        let proto = v1::Filter {
            since: at(words[0]),
            until: at(words[1]),
            api: name(words[2]),
            application: name(words[3]),
        };
        let said = match filter(Some(proto), NOW) {
            Ok(Filter { window, api, api_version, application }) => {
                let or = |name: Option<String>| name.unwrap_or_else(|| "-".to_owned());
                format!(
                    "{} {} {} {} {}",
                    window.since_us,
                    window.until_us,
                    or(api),
                    or(api_version),
                    or(application)
                )
            }
            Err(status) => status.message().to_owned(),
        };
        assert_eq!(said, understood);
    }

    #[test]
    fn nothing_said_is_the_last_hour() {
        check("- - - -", "356400000000 360000000000 - - -");
    }

    #[test]
    fn the_hour_ends_where_the_window_ends() {
        check("- 7200 - -", "3600000001 7200000001 - - -");
    }

    #[test]
    fn an_api_may_come_with_its_version() {
        check("1 2 orders shop", "1000001 2000001 orders - shop");
        check("1 2 orders:1.0.0 -", "1000001 2000001 orders 1.0.0 -");
    }

    #[test]
    fn what_is_wrong_is_named() {
        check("3 2 - -", "filter.since is after filter.until");
        check("1 2 orders: -", "filter.api has no version behind the colon");
        check("1 2 :1 -", "filter.api has no name in front of the colon");
        check("1 9223372036854775 - -", "filter.until is no instant");
        check(&format!("1 2 - {}", "x".repeat(257)), "filter.application is longer than any name");
    }

    #[test]
    fn keys_are_asked_for_by_their_application() {
        let said = |application: &str, count: usize, key: &str| {
            let (application, keys) = (application.to_owned(), vec![key.to_owned(); count]);
            let asked = v1::LastUsedRequest { application, keys };
            keys_of(asked).map_err(|status| status.message().to_owned())
        };
        assert_eq!(said("shop", 2, "k"), Ok(2));
        assert_eq!(said("", 2, "k"), Err("application is no name".into()));
        assert_eq!(said("shop", 0, "k"), Err("keys are none, or more than 1000".into()));
        assert_eq!(said("shop", 1001, "k"), Err("keys are none, or more than 1000".into()));
        assert_eq!(said("shop", 1, ""), Err("keys has one that no key is called".into()));
    }

    fn keys_of(asked: v1::LastUsedRequest) -> Result<usize, Status> {
        keys(asked).map(|keys| keys.keys.len())
    }

    #[test]
    fn an_interval_is_a_second_or_more() {
        let us = |seconds, nanos| {
            interval(Some(Duration { seconds, nanos }))
                .map(|Interval(length)| length.unwrap_or(0))
                .map_err(|status| status.message().to_owned())
        };
        assert_eq!(interval(None).unwrap(), Interval(None));
        assert_eq!(us(60, 0), Ok(60_000_000));
        assert_eq!(us(0, 999_999_000), Err("interval is shorter than a second".into()));
        assert_eq!(us(-60, 0), Err("interval is shorter than a second".into()));
        assert_eq!(us(i64::MAX, 0), Err("interval is no duration".into()));
        assert_eq!(us(1, -5), Err("interval is no duration".into()));
    }
}
