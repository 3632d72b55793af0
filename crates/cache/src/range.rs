//! Which part of a kept answer is asked for?
//!
//! RFC 9110 §14. One range of bytes is cut out; several are answered with the whole, which every
//! client has to take.

use std::ops::Range;

use http::HeaderMap;
use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Whole,
    Part(Range<usize>),
    /// There is no such part.
    Nowhere,
}

pub(crate) fn asked(request: &HeaderMap, kept: &HeaderMap, length: usize) -> Asked {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(range), None) = (lines.next(), lines.next()) else { return Asked::Whole };
    if !still_holds(request, kept) {
        return Asked::Whole;
    }
    let spec = range.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes="));
    spec.map_or(Asked::Whole, |spec| part(spec.trim(), length))
}

fn part(spec: &str, length: usize) -> Asked {
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Nowhere }
}

/// RFC 9110 §13.1.5: a part is of use only to who holds another part of the same thing.
fn still_holds(request: &HeaderMap, kept: &HeaderMap) -> bool {
    let Some(known) = request.get(IF_RANGE) else { return true };
    let is_tag = known.as_bytes().ends_with(b"\"");
    if is_tag {
        return !known.as_bytes().starts_with(b"W/") && kept.get(ETAG) == Some(known);
    }
    kept.get(LAST_MODIFIED) == Some(known)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// What `lines` ask of an answer of ten bytes with the tag "a".
    #[track_caller]
    fn check(lines: &str, expected: &Asked) {
        let mut request = HeaderMap::new();
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            request.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let mut kept = HeaderMap::new();
        kept.insert(ETAG, "\"a\"".parse().unwrap());
        assert_eq!(asked(&request, &kept, 10), *expected, "{lines}");
    }

    #[test]
    fn one_range_is_cut_out() {
        check("range: bytes=0-1", &Asked::Part(0..2));
        check("range: bytes=7-", &Asked::Part(7..10));
        check("range: bytes=-3", &Asked::Part(7..10));
        check("range: bytes=-30", &Asked::Part(0..10));
        check("range: bytes=0-99999999999999999999", &Asked::Part(0..10));
    }

    #[test]
    fn a_range_behind_the_end_is_nowhere() {
        check("range: bytes=10-", &Asked::Nowhere);
        check("range: bytes=10-12", &Asked::Nowhere);
        check("range: bytes=-0", &Asked::Nowhere);
    }

    #[test]
    fn what_is_no_single_range_asks_for_the_whole() {
        for range in ["bytes=0-1,3-4", "bytes=2-1", "lines=0-1", "bytes=a-b", "bytes=", "bytes=-"] {
            check(&format!("range: {range}"), &Asked::Whole);
        }
        check("x: y", &Asked::Whole);
    }

    #[test]
    fn a_part_is_for_who_holds_the_same_thing() {
        check("range: bytes=0-1\nif-range: \"a\"", &Asked::Part(0..2));
        check("range: bytes=0-1\nif-range: \"b\"", &Asked::Whole);
        check("range: bytes=0-1\nif-range: W/\"a\"", &Asked::Whole);
    }
}
