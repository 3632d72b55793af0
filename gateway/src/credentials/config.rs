//! How much is remembered about credentials?

/// The `[credentials]` section.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Verified tokens kept per worker; the ones used longest ago leave first.
    pub cache: usize,
}
