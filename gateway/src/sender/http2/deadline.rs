//! How long does a gRPC client wait?
//!
//! The `grpc-timeout` field, as the gRPC protocol over HTTP/2 writes it: up to eight digits and the
//! letter of a unit. The backend is told what is left of it.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most that eight digits say.
const MOST: u128 = 99_999_999;

/// How long the client that sent `headers` waits; `None` where it does not say so, or not rightly.
pub fn told(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Tells what is left at `now` until `deadline`, where `headers` tell a time at all.
pub(super) fn tell(headers: &mut HeaderMap, deadline: Option<Instant>, now: Instant) {
    let (Some(deadline), Some(told)) = (deadline, headers.get_mut(&TIMEOUT)) else { return };
    let left = deadline.saturating_duration_since(now);
    let units = [(left.as_micros(), 'u'), (left.as_millis(), 'm'), (left.as_secs().into(), 'S')];
    let fits = units.into_iter().find(|(number, _)| *number <= MOST);
    let text = fits.map(|(number, unit)| format!("{}{unit}", number.max(1)));
    if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
        *told = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &'static str, expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(&TIMEOUT, HeaderValue::from_static(text));
        assert_eq!(told(&headers), expected, "{text}");
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        check("1H", Some(Duration::from_hours(1)));
        check("2M", Some(Duration::from_mins(2)));
        check("3S", Some(Duration::from_secs(3)));
        check("99999999m", Some(Duration::from_millis(99_999_999)));
        check("5u", Some(Duration::from_micros(5)));
        check("0n", Some(Duration::ZERO));
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        for text in ["", "S", "1", "1s", "100000000S", "-1S", "1.5S", " 1S"] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_left_is_told_in_the_finest_unit_that_fits() {
        let now = chassis::clock::Clock::system().instant();
        for (left, expected) in [
            (Duration::from_millis(1500), "1500000u"),
            (Duration::from_secs(1000), "1000000m"),
            (Duration::from_hours(100), "360000S"),
            (Duration::ZERO, "1u"),
        ] {
            let mut headers = HeaderMap::new();
            tell(&mut headers, Some(now + left), now);
            assert!(headers.is_empty(), "nobody asked");
            headers.insert(&TIMEOUT, HeaderValue::from_static("9H"));
            tell(&mut headers, Some(now + left), now);
            assert_eq!(headers.get(&TIMEOUT).unwrap(), expected);
        }
    }
}
