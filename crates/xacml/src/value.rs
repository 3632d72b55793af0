//! Is this text a value of its type?
//!
//! The lexical forms of XML Schema part 2 and of appendix A.2. `string`, `anyURI`, `x500Name` and
//! `xpathExpression` take any text here: nothing in a text alone makes it none of them, or it takes
//! the reader of whoever uses it to say.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::identifier::DataType;

/// Whether a text, without blanks around it, is a value of a type; if not, what one looks like.
pub(crate) fn check(data_type: DataType, text: &str) -> Result<(), &'static str> {
    let (is_value, example) = match data_type {
        DataType::String | DataType::AnyUri | DataType::X500Name | DataType::XPathExpression => {
            (true, "")
        }
        DataType::Boolean => (matches!(text, "true" | "false" | "1" | "0"), "true"),
        DataType::Integer => (is_integer(text), "42"),
        DataType::Double => (is_double(text), "4.2E1"),
        DataType::Time => (time(text).is_some_and(is_zone), "09:30:00Z"),
        DataType::Date => (date(text).is_some_and(is_zone), "2026-12-31Z"),
        DataType::DateTime => (is_date_time(text), "2026-12-31T09:30:00Z"),
        DataType::HexBinary => (is_hex(text), "0FB7"),
        DataType::Base64Binary => (is_base64(text), "D7c="),
        DataType::DayTimeDuration => (is_duration(text, "D", "HMS"), "P3DT10H30M"),
        DataType::YearMonthDuration => (is_duration(text, "YM", ""), "P1Y2M"),
        DataType::Rfc822Name => (is_mail(text), "ann@example.com"),
        DataType::IpAddress => (is_address(text), "192.0.2.0/255.255.255.0:80-443"),
        DataType::DnsName => (is_host(text), "*.example.com:443"),
    };
    if is_value { Ok(()) } else { Err(example) }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_integer(text: &str) -> bool {
    is_digits(unsigned(text))
}

fn is_double(text: &str) -> bool {
    if matches!(text, "INF" | "-INF" | "NaN") {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let is_mantissa = match unsigned(mantissa).split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(unsigned(mantissa)),
    };
    is_mantissa && exponent.is_none_or(is_integer)
}

/// Takes a number with exactly so many digits, between these bounds, off the front.
fn number(text: &str, digits: usize, least: u32, most: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = is_digits(number).then(|| number.parse().ok()).flatten()?;
    (least..=most).contains(&value).then_some((value, rest))
}

/// Takes a time of day off the front.
fn time(text: &str) -> Option<&str> {
    let (hour, rest) = number(text, 2, 0, 24)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2, 0, 59)?;
    let (second, mut rest) = number(rest.strip_prefix(':')?, 2, 0, 59)?;
    let mut fraction = "";
    if let Some(digits) = rest.strip_prefix('.') {
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        (fraction, rest) = digits.split_at_checked(length)?;
        if fraction.is_empty() {
            return None;
        }
    }
    // The end of a day may be written as 24:00:00.
    let is_over = hour == 24 && (minute, second) != (0, 0);
    let is_beyond = hour == 24 && fraction.bytes().any(|byte| byte != b'0');
    (!is_over && !is_beyond).then_some(rest)
}

/// Takes a day off the front.
fn date(text: &str) -> Option<&str> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (year, rest) = unsigned.split_at_checked(length)?;
    if length < 4 || (length > 4 && year.starts_with('0')) {
        return None;
    }
    let (month, rest) = number(rest.strip_prefix('-')?, 2, 1, 12)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2, 1, 31)?;
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    };
    (day <= last).then_some(rest)
}

/// Leap years follow from the last digits, and from whether the century is a multiple of four.
fn is_leap(year: &str) -> bool {
    let last = |digits: &str| -> u32 {
        let start = digits.len().saturating_sub(2);
        digits.get(start..).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let century = year.get(..year.len().saturating_sub(2)).unwrap_or_default();
    match last(year) {
        0 => last(century).is_multiple_of(4),
        years => years.is_multiple_of(4),
    }
}

fn is_date_time(text: &str) -> bool {
    let time_of = |rest: &str| rest.strip_prefix('T').and_then(time).is_some_and(is_zone);
    date(text).is_some_and(time_of)
}

/// Nothing, `Z`, or up to 14 hours before or behind.
fn is_zone(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else { return matches!(text, "" | "Z") };
    let Some((hours, rest)) = number(offset, 2, 0, 14) else { return false };
    let most = if hours == 14 { 0 } else { 59 };
    let minutes = rest.strip_prefix(':').and_then(|rest| number(rest, 2, 0, most));
    minutes.is_some_and(|(_, rest)| rest.is_empty())
}

/// `P`, amounts with these letters in their order, and behind a `T` those with the others.
fn is_duration(text: &str, days: &str, times: &str) -> bool {
    let Some(rest) = text.strip_prefix('-').unwrap_or(text).strip_prefix('P') else { return false };
    match rest.split_once('T') {
        Some((first, then)) => {
            let has_first = first.is_empty() || are_amounts(first, days);
            has_first && are_amounts(then, times)
        }
        None => are_amounts(rest, days),
    }
}

fn are_amounts(mut text: &str, mut letters: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let Some((amount, rest)) = text.split_at_checked(end) else { return false };
        let Some(letter) = rest.chars().next() else { return false };
        let Some((_, later)) = letters.split_once(letter) else { return false };
        let is_amount = match amount.split_once('.') {
            Some((whole, fraction)) => letter == 'S' && is_digits(whole) && is_digits(fraction),
            None => is_digits(amount),
        };
        if !is_amount {
            return false;
        }
        (letters, text) = (later, rest.get(1..).unwrap_or_default());
    }
    true
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_base64(text: &str) -> bool {
    let dense: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = dense.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = dense.get(..dense.len().saturating_sub(padding)).unwrap_or_default();
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    dense.len().is_multiple_of(4) && padding <= 2 && digits.iter().all(is_digit)
}

fn is_mail(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// `80`, `80-`, `-443` or `80-443`.
fn are_ports(text: &str) -> bool {
    let is_port = |text: &str| is_digits(text) && text.parse::<u16>().is_ok();
    match text.split_once('-') {
        Some((first, last)) => {
            (!first.is_empty() || !last.is_empty())
                && (first.is_empty() || is_port(first))
                && (last.is_empty() || is_port(last))
        }
        None => is_port(text),
    }
}

fn is_address(text: &str) -> bool {
    if text.starts_with('[') {
        return is_address_6(text);
    }
    let (address, ports) = match text.split_once(':') {
        Some((address, ports)) => (address, Some(ports)),
        None => (text, None),
    };
    let mut parts = address.splitn(2, '/');
    parts.all(|part| part.parse::<Ipv4Addr>().is_ok()) && ports.is_none_or(are_ports)
}

/// IPv6 addresses and their masks stand in brackets.
fn is_address_6(text: &str) -> bool {
    let one = |text: &str| -> Option<usize> {
        let inner = text.strip_prefix('[')?.split(']').next()?;
        inner.parse::<Ipv6Addr>().ok().map(|_| inner.len() + 2)
    };
    let Some(mut rest) = one(text).and_then(|length| text.get(length..)) else { return false };
    if let Some(mask) = rest.strip_prefix('/') {
        let Some(behind) = one(mask).and_then(|length| mask.get(length..)) else { return false };
        rest = behind;
    }
    rest.is_empty() || rest.strip_prefix(':').is_some_and(are_ports)
}

fn is_host(text: &str) -> bool {
    let (host, ports) = match text.split_once(':') {
        Some((host, ports)) => (host, Some(ports)),
        None => (text, None),
    };
    let host = host.strip_prefix("*.").unwrap_or(host);
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_plain)
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.').all(is_label) && ports.is_none_or(are_ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a type, and texts that are none.
    #[track_caller]
    fn check(data_type: DataType, values: &[&str], others: &[&str]) {
        let is_value = |text: &str| super::check(data_type, text).is_ok();
        for text in values {
            assert!(is_value(text), "{} {text}", data_type.name());
        }
        for text in others {
            assert!(!is_value(text), "{} {text}", data_type.name());
        }
        if let Err(example) = super::check(data_type, "?") {
            assert!(is_value(example), "{} {example}", data_type.name());
        }
    }

    #[test]
    fn numbers_and_truth() {
        check(DataType::Boolean, &["true", "0"], &["", "True", "yes"]);
        check(
            DataType::Integer,
            &["-0", "+7", "123456789012345678901234567890"],
            &["", "-", "1.0"],
        );
        let doubles = ["1", ".5", "5.", "-1.5e-3", "INF", "-INF", "NaN"];
        check(DataType::Double, &doubles, &["", ".", "e5", "1e", "1e.5", "inf", "0x1"]);
    }

    #[test]
    fn times() {
        let times = ["00:00:00", "24:00:00", "23:59:59.999-14:00", "12:00:00+05:30"];
        let none = ["24:00:01", "24:00:00.1", "12:00", "12:00:60", "12:00:00.", "12:00:00+14:01"];
        check(DataType::Time, &times, &none);
        let dates = ["2024-02-29", "2000-02-29Z", "-0044-03-15", "12026-01-01-05:00"];
        let none =
            ["2023-02-29", "1900-02-29", "2024-13-01", "24-01-01", "02024-01-01", "2024-04-31"];
        check(DataType::Date, &dates, &none);
        let points = ["2024-02-29T12:00:00", "2024-01-01T24:00:00Z"];
        check(DataType::DateTime, &points, &["2024-02-29", "2024-02-29 12:00:00", "T12:00:00"]);
        let spans = ["P1D", "-P1DT2H", "PT0.5S", "PT1H2M3S"];
        check(DataType::DayTimeDuration, &spans, &["P", "PT", "P1DT", "P1M", "PT1S1H", "P1.5D"]);
        check(
            DataType::YearMonthDuration,
            &["P1Y", "-P13M", "P1Y2M"],
            &["P", "P1M1Y", "P1D", "1Y"],
        );
    }

    #[test]
    fn bytes_and_names() {
        check(DataType::HexBinary, &["", "0fB7"], &["0", "0g"]);
        check(
            DataType::Base64Binary,
            &["", "AAAA", "AA ==\n", "A+/="],
            &["A", "A===", "A=AA", "-_=="],
        );
        check(DataType::Rfc822Name, &["a@b", "a@b@c"], &["", "a", "@b", "a@"]);
        let addresses = ["10.0.0.1", "10.0.0.0/255.0.0.0:80-", "[::1]", "[fe80::]/[ffc0::]:-443"];
        check(DataType::IpAddress, &addresses, &["10.0.0.0/8", "::1", "[::1", "10.0.0.1:", "a"]);
        let hosts = ["a", "*.example.com", "a.b.:80", "a:80-443"];
        check(DataType::DnsName, &hosts, &["", "*", "*.", "a..b", "a b", "a:-", "a:99999"]);
    }
}
