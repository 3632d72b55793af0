//! Which length does a `Content-Length` field say?

/// More does not fit the signed numbers that others count with, and would be another number to them.
const MOST: u64 = i64::MAX.unsigned_abs();

/// The number in the field, or the one number that a list of them repeats (RFC 9110 §8.6).
pub fn one_length(value: &[u8]) -> Option<u64> {
    let mut numbers = value.split(|byte| *byte == b',').map(|number| {
        let digits = number.trim_ascii();
        let more = |sum: u64, digit: &u8| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            sum.checked_mul(10)?.checked_add(u64::from(digit))
        };
        digits.iter().try_fold(0, more).filter(|_| !digits.is_empty())
    });
    let first: u64 = numbers.next()??;
    (first <= MOST && numbers.all(|other| other == Some(first))).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<u64>) {
        assert_eq!(one_length(value.as_bytes()), expected, "{value:?}");
    }

    #[test]
    fn a_plain_number_is_a_length() {
        check("0", Some(0));
        check(" 15 ", Some(15));
        check("9223372036854775807", Some(MOST));
    }

    #[test]
    fn a_number_may_be_repeated_but_not_contradicted() {
        check("5, 5,5", Some(5));
        check("5, 6", None);
    }

    #[test]
    fn what_another_reader_may_take_for_another_number_is_none() {
        for value in ["", "+5", "-5", "0x5", "5.0", "5 5", "5,", "9223372036854775808", "٥"] {
            check(value, None);
        }
    }
}
