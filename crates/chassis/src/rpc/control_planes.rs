//! Which control plane does a service follow?

use serde::Deserialize;
use tonic::transport::Channel;

use super::channel::channel;
use super::error::Error;
use crate::pki::Identity;

/// `[control_plane]`: one control plane, or several that stand on one store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlanes {
    /// `https://127.0.0.1:9444`; empty: none.
    pub address: String,
    /// Several, instead of `address`.
    pub addresses: Vec<String>,
}

impl ControlPlanes {
    /// Where each of them is; `None`: it is said in two ways.
    pub fn all(&self) -> Option<Vec<&str>> {
        match (self.address.as_str(), self.addresses.as_slice()) {
            ("", several) => Some(several.iter().map(String::as_str).collect()),
            (one, []) => Some(vec![one]),
            _ => None,
        }
    }

    /// A channel to each of them.
    pub fn channels(&self, identity: &Identity) -> Result<Vec<Channel>, Error> {
        let all = self.all().ok_or(Error::TwoWays)?;
        all.into_iter().map(|address| channel(identity, address, "control-plane")).collect()
    }
}
