//! Sizes of memory and disk: `64MiB`.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// Reads a size; `None` where it is none.
pub fn parse(text: &str) -> Option<u64> {
    let (number, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// Reads a size out of a configuration, as a number of bytes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no size; write it like 64MiB")))
}

/// Writes a number of bytes as a size.
pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{bytes}B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        let check = |text, bytes| assert_eq!(parse(text), bytes, "{text}");
        check("256MiB", Some(256 << 20));
        check("2 GiB", Some(2 << 30));
        check("0B", Some(0));
        for bad in ["", "256", "-1MiB", "1MB", "99999999999GiB"] {
            check(bad, None);
        }
    }
}
