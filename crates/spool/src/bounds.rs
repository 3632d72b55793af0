//! How much room may events take that wait for the collector?

use serde::{Deserialize, Deserializer, de::Error as _};

/// Less would drop events that are only on their way.
const LEAST_BYTES: u64 = 1 << 20;

/// How large a spool may get. In configuration a size like `256MiB`, at least 1 MiB.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes on disk, all segments together.
    pub total: u64,
    /// Bytes of one segment, after which the next one starts.
    pub segment: u64,
}

impl Bounds {
    /// Segments of an eighth of the whole, at most 8 MiB.
    pub fn of(total: u64) -> Self {
        Self { total, segment: (total / 8).clamp(64 << 10, 8 << 20) }
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no size of at least 1 MiB; write it like 256MiB"))
        })?;
        Ok(Self::of(bytes))
    }
}

fn parse(text: &str) -> Option<u64> {
    chassis::config::size::parse(text).filter(|bytes| *bytes >= LEAST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit_and_not_below_a_mebibyte() {
        let check = |text, bytes| assert_eq!(parse(text), bytes, "{text}");
        check("256MiB", Some(256 << 20));
        check("2 GiB", Some(2 << 30));
        check("1048576B", Some(1 << 20));
        for bad in ["", "256", "1023KiB", "-1MiB", "1MB", "99999999999GiB"] {
            check(bad, None);
        }
    }
}
