//! Where does the access log go?

use std::path::PathBuf;

/// The `[access_log]` section.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that lines are added to; `stdout`; empty: no access log.
    pub file: PathBuf,
}
