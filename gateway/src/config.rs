//! What can an operator say about a gateway?
//!
//! Each folder owns its section; here they are put together. `default.toml` is the documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::{credentials, receiver, sender, usage};

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[service]`
    pub service: chassis::config::ServiceConfig,
    /// `[pki]`
    pub pki: chassis::pki::Config,
    /// `[telemetry]`
    pub telemetry: chassis::telemetry::Config,
    /// `[operations]`
    pub operations: chassis::operations::Config,
    /// `[gateway]`
    pub gateway: Node,
    /// `[static]`
    #[serde(rename = "static")]
    pub directory: Static,
    /// `[control_plane]`
    pub control_plane: Peer,
    /// `[key_manager]`
    pub key_manager: Peer,
    /// `[collector]`
    pub collector: Peer,
    /// `[usage]`
    pub usage: usage::Config,
    /// `[receiver]`
    pub receiver: receiver::Config,
    /// `[sender]`
    pub sender: sender::Config,
    /// `[credentials]`
    pub credentials: credentials::Config,
}

/// Who this gateway is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, stable over restarts; empty: `service.id`, and the host name where that is empty.
    pub node: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A directory of resource files instead of a control plane.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Static {
    /// The directory; empty: there is none.
    pub resources: PathBuf,
}

/// Another service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Where it is; empty: at its usual port on this machine, or nobody for a gateway that serves
    /// a directory; `off`: nobody.
    pub address: String,
}

impl Config {
    /// Whether a directory is served.
    pub fn is_static(&self) -> bool {
        !self.directory.resources.as_os_str().is_empty()
    }

    /// Where the control plane is; a gateway that serves a directory has none.
    pub fn control_plane(&self) -> Option<&str> {
        if self.is_static() { None } else { self.address(&self.control_plane, 9444) }
    }

    /// Where the key manager is.
    pub fn key_manager(&self) -> Option<&str> {
        self.address(&self.key_manager, 9454)
    }

    /// Where the analytics collector is.
    pub fn collector(&self) -> Option<&str> {
        self.address(&self.collector, 9464)
    }

    fn address<'a>(&self, peer: &'a Peer, usual: u16) -> Option<&'a str> {
        match peer.address.as_str() {
            "off" => None,
            "" if self.is_static() => None,
            "" => Some(match usual {
                9444 => "https://127.0.0.1:9444",
                9454 => "https://127.0.0.1:9454",
                _ => "https://127.0.0.1:9464",
            }),
            address => Some(address),
        }
    }
}
