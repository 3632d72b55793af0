//! How much room may events take that wait for the collector, and what do all of them say?

use chassis::config::Secret;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::spool::Bounds;

/// Less would drop events that are only on their way.
const LEAST_BYTES: u64 = 1 << 20;

/// The section `[usage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Size of the spool on disk, above which the oldest events are dropped; like `256MiB`.
    #[serde(deserialize_with = "size")]
    pub spool_limit: Bounds,
    /// Where this gateway stands, in every event; empty: events do not say.
    pub region: String,
    /// What digests of users are made with; gateways with the same make the same ones.
    pub mask_secret: Secret,
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bounds, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = parse(&text).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no size of at least 1 MiB; write it like 256MiB"))
    })?;
    Ok(Bounds::of(bytes))
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
