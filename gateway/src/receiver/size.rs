//! How large is something that people write like `256MiB`?

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || D::Error::custom(format!("`{text}` is no size; write it like 16MiB"));
    parse(&text).ok_or_else(wrong)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    format!("{bytes}B").serialize(serializer)
}

fn parse(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let (number, unit) = units.find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(*unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        let check = |text, bytes| assert_eq!(parse(text), bytes, "{text}");
        check("1GiB", Some(1 << 30));
        check("16 MiB", Some(16 << 20));
        check("0B", Some(0));
        for bad in ["", "1", "-1MiB", "1MB", "1.5GiB", "99999999999GiB"] {
            check(bad, None);
        }
    }
}
