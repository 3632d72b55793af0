//! How are third-party providers heard of, and asked?

use std::time::Duration;

use serde::Deserialize;

use super::value;

/// `[federation]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationConfig {
    #[serde(deserialize_with = "value::five_minutes_at_most")]
    pub refresh: Duration,
    #[serde(deserialize_with = "value::five_minutes_at_most")]
    pub pause: Duration,
}
