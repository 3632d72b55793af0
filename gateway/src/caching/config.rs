//! How much memory do kept answers take?

use serde::{Deserialize, Serialize};

/// The `[cache]` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Memory for answers that are kept, for the whole gateway; 0: none are.
    #[serde(with = "chassis::config::size")]
    pub max_bytes: u64,
}
