//! What can an operator say about a gateway?
//!
//! Each folder owns its section; here they are put together. `default.toml` is the documentation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    access_log, assertions, caching, credentials, handover, limits, overload, receiver, sender,
    usage,
};

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
    /// `[upgrade]`
    pub upgrade: handover::Config,
    /// `[static]`
    #[serde(rename = "static")]
    pub directory: Static,
    /// `[snapshot]`
    pub snapshot: Snapshot,
    /// `[control_plane]`
    pub control_plane: ControlPlanes,
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
    /// `[access_log]`
    pub access_log: access_log::Config,
    /// `[overload]`
    pub overload: overload::Config,
    /// `[credentials]`
    pub credentials: credentials::Config,
    /// `[backend_jwt]`
    pub backend_jwt: assertions::Config,
    /// `[cache]`
    pub cache: caching::Config,
    /// `[limits]`
    pub limits: limits::Config,
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

/// Where the first configuration comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// A file that `turnpike state export` has written; empty: none.
    pub seed: PathBuf,
}

/// The control planes, any of which is as good as another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlanes {
    /// Where the only one is; empty: at its usual port on this machine, or nobody for a gateway that
    /// serves a directory; `off`: nobody.
    pub address: String,
    /// Where each of several is, instead of `address`.
    pub addresses: Vec<String>,
}

/// What is said of control planes cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlanesError {
    /// Two answers to one question.
    #[error("control_plane.address and control_plane.addresses are both set; one of them says it")]
    Both,
    /// More than anybody has.
    #[error("control_plane.addresses are more than {MOST_ADDRESSES}")]
    Many,
}

/// So many control planes can be named.
const MOST_ADDRESSES: usize = 32;

impl ControlPlanes {
    /// Refuses what cannot be done.
    pub fn check(&self) -> Result<(), ControlPlanesError> {
        if !self.address.is_empty() && !self.addresses.is_empty() {
            return Err(ControlPlanesError::Both);
        }
        if self.addresses.len() > MOST_ADDRESSES {
            return Err(ControlPlanesError::Many);
        }
        Ok(())
    }
}

impl Config {
    /// Whether a directory is served.
    pub fn is_static(&self) -> bool {
        !self.directory.resources.as_os_str().is_empty()
    }

    /// Where the control planes are; a gateway that serves a directory has none.
    pub fn control_planes(&self) -> Vec<&str> {
        let ControlPlanes { address, addresses } = &self.control_plane;
        if self.is_static() {
            return Vec::new();
        }
        if addresses.is_empty() {
            return self.address(address, 9444).into_iter().collect();
        }
        addresses.iter().map(String::as_str).collect()
    }

    /// Where the key manager is.
    pub fn key_manager(&self) -> Option<&str> {
        self.address(&self.key_manager.address, 9454)
    }

    /// Where the analytics collector is.
    pub fn collector(&self) -> Option<&str> {
        self.address(&self.collector.address, 9464)
    }

    fn address<'a>(&self, address: &'a str, usual: u16) -> Option<&'a str> {
        match address {
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = include_str!("../default.toml");

    /// Whom a gateway with this configuration speaks to: control plane, key manager, collector.
    #[track_caller]
    fn check(text: &str, peers: &str) {
        let config: Config = chassis::config::parse(DEFAULT, text).expect("a configuration");
        config.control_plane.check().expect("one answer");
        let control_planes = config.control_planes().join("|");
        let control_plane = Some(control_planes.as_str()).filter(|text| !text.is_empty());
        let asked = [control_plane, config.key_manager(), config.collector()];
        assert_eq!(asked.map(|peer| peer.unwrap_or("nobody")).join(" "), peers);
    }

    #[test]
    fn services_are_looked_for_at_their_usual_ports_of_this_machine() {
        check("", "https://127.0.0.1:9444 https://127.0.0.1:9454 https://127.0.0.1:9464");
        check(
            "[control_plane]\naddress = \"https://cp:1\"\n[collector]\naddress = \"off\"",
            "https://cp:1 https://127.0.0.1:9454 nobody",
        );
    }

    #[test]
    fn there_may_be_several_control_planes() {
        let several = "[control_plane]\naddresses = [\"https://a:1\", \"https://b:1\"]";
        check(several, "https://a:1|https://b:1 https://127.0.0.1:9454 https://127.0.0.1:9464");
        check(&format!("[static]\nresources = \"r\"\n{several}"), "nobody nobody nobody");
        let both = format!("{several}\naddress = \"https://c:1\"");
        let both: Config = chassis::config::parse(DEFAULT, &both).expect("a configuration");
        assert!(matches!(both.control_plane.check(), Err(ControlPlanesError::Both)));
    }

    #[test]
    fn a_gateway_that_serves_a_directory_asks_only_whom_it_is_told_to_ask() {
        check("[static]\nresources = \"r\"", "nobody nobody nobody");
        check(
            "[static]\nresources = \"r\"\n[control_plane]\naddress = \"https://cp:1\"\n\
             [collector]\naddress = \"https://c:2\"",
            "nobody nobody https://c:2",
        );
    }

    #[test]
    fn labels_are_free_and_other_keys_are_not() {
        let labelled = chassis::config::parse::<Config>(DEFAULT, "[gateway.labels]\nteam = \"a\"");
        let labels = labelled.expect("a configuration").gateway.labels;
        assert_eq!(labels.get("team").map(String::as_str), Some("a"));
        let refused = chassis::config::parse::<Config>(DEFAULT, "[usage]\nspool_limits = \"1GiB\"");
        let refused = refused.expect_err("an unknown key").to_string();
        assert!(refused.contains("spool_limit"), "{refused}");
        let refused = chassis::config::parse::<Config>(DEFAULT, "[usage]\nspool_limit = \"9\"");
        let refused = refused.expect_err("no size").to_string();
        assert!(refused.contains("256MiB"), "{refused}");
    }
}
