//! Is a number or a span of time within its bounds?

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::problem::{At, Problems};

/// A duration within `range`, or its default.
pub(super) fn span(
    given: Option<&prost_types::Duration>,
    default: Duration,
    range: &RangeInclusive<Duration>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Duration {
    optional_span(given, range, at, problems).unwrap_or(default)
}

/// A duration within `range`, where there is one.
pub(super) fn optional_span(
    given: Option<&prost_types::Duration>,
    range: &RangeInclusive<Duration>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Duration> {
    let given = Duration::try_from(*given?).ok().filter(|given| range.contains(given));
    if given.is_none() {
        let (least, most) = (range.start().as_secs_f64(), range.end().as_secs_f64());
        problems.add(at, format!("it is not from {least}s to {most}s"), "");
    }
    given
}

/// A number within `range`, or its default where none is given.
pub(super) fn number(
    given: u32,
    default: u32,
    range: &RangeInclusive<u32>,
    at: &At<'_>,
    problems: &mut Problems,
) -> u32 {
    if given == 0 {
        return default;
    }
    if range.contains(&given) {
        return given;
    }
    problems.add(at, format!("{given} is not from {} to {}", range.start(), range.end()), "");
    default
}

/// HTTP statuses within `range`, at most 16 of them, each once and in order.
pub(super) fn statuses(
    given: &[u32],
    range: &RangeInclusive<u32>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<u16> {
    const MOST: usize = 16;
    if given.len() > MOST {
        problems.add(at, format!("there are {}, at most {MOST}", given.len()), "");
        return Vec::new();
    }
    let mut list = Vec::with_capacity(given.len());
    for (index, status) in given.iter().enumerate() {
        match u16::try_from(*status) {
            Ok(fits) if range.contains(status) => list.push(fits),
            _ => {
                let reason = format!("{status} is not from {} to {}", range.start(), range.end());
                problems.add(&at.index(index), reason, "");
            }
        }
    }
    list.sort_unstable();
    list.dedup();
    list
}
