//! How is a span of time written? As `250ms`, `30s`, `5m`, `12h`, `7d`, or sums of these: `1m30s`.
//!
//! For serde: `#[serde(with = "chassis::config::duration")]`.

use std::time::Duration;

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde::ser::Serializer;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no span of time; write it like 250ms, 30s, 5m, 12h or 7d")]
pub struct NotASpan(String);

/// Reads a span; a number without a unit is refused, but `0` is clear.
pub fn parse(text: &str) -> Result<Duration, NotASpan> {
    let mut rest = text.trim();
    let mut total_ms: Option<u64> = (rest == "0").then(|| {
        rest = "";
        0
    });
    while !rest.is_empty() {
        let part = leading_span(&mut rest);
        let sum = part.and_then(|part| total_ms.unwrap_or(0).checked_add(part));
        total_ms = Some(sum.ok_or_else(|| NotASpan(text.to_owned()))?);
    }
    total_ms.map(Duration::from_millis).ok_or_else(|| NotASpan(text.to_owned()))
}

/// Writes a span in the largest unit that leaves no rest.
pub fn show(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = |unit: &&(&str, u64)| ms.is_multiple_of(unit.1) && ms >= unit.1;
    let (name, size) = UNITS.iter().rev().find(fits).copied().unwrap_or(("ms", 1));
    format!("{}{name}", ms.checked_div(size).unwrap_or(0))
}

/// For serde.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For serde.
pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*span))
}

/// Takes one number and its unit off the front, in milliseconds.
fn leading_span(rest: &mut &str) -> Option<u64> {
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (number, after) = rest.split_at_checked(digits)?;
    let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
    let (unit, after) = after.split_at_checked(letters)?;
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    *rest = after;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, milliseconds: Option<u64>, shown: &str) {
        let span = parse(text).ok();
        assert_eq!(span, milliseconds.map(Duration::from_millis), "{text}");
        assert_eq!(span.map(show).unwrap_or_default(), shown, "{text}");
    }

    #[test]
    fn spans_are_read_and_shown_in_their_largest_unit() {
        check("250ms", Some(250), "250ms");
        check("30s", Some(30_000), "30s");
        check("1m30s", Some(90_000), "90s");
        check("24h", Some(86_400_000), "1d");
        check("0", Some(0), "0ms");
        check("0s", Some(0), "0ms");
    }

    #[test]
    fn what_has_no_unit_or_overflows_is_no_span() {
        for text in ["", "10", "s", "1 fortnight", "-5s", "99999999999999999999s", "1s2", "9e9s"] {
            check(text, None, "");
        }
        check("18446744073709551615d", None, "");
    }
}
