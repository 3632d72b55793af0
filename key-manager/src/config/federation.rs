//! How are third-party providers heard of, and asked?

use std::time::Duration;

use serde::Deserialize;

use super::value;

/// `[control_plane]`: who says which providers there are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlaneConfig {
    /// Empty: nobody, and there are none.
    pub address: String,
    /// Several that stand on one store, instead of `address`.
    pub addresses: Vec<String>,
}

impl ControlPlaneConfig {
    /// Where each of them is; `None`: it is said in two ways.
    pub fn all(&self) -> Option<Vec<&str>> {
        match (self.address.as_str(), self.addresses.as_slice()) {
            ("", several) => Some(several.iter().map(String::as_str).collect()),
            (one, []) => Some(vec![one]),
            _ => None,
        }
    }
}

/// `[federation]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationConfig {
    #[serde(deserialize_with = "value::five_minutes_at_most")]
    pub refresh: Duration,
    #[serde(deserialize_with = "value::five_minutes_at_most")]
    pub pause: Duration,
}
