//! What can be configured? The sections are described in `default.toml`.

use serde::Deserialize;

use crate::{history, people, rpc, store};

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name and folder of this instance.
    pub service: chassis::config::ServiceConfig,
    /// The REST port.
    pub rest: chassis::https::Config,
    /// The gRPC port.
    pub rpc: chassis::rpc::Config,
    /// The operations port.
    pub operations: chassis::operations::Config,
    /// Certificates.
    pub pki: chassis::pki::Config,
    /// Logs and traces.
    pub telemetry: chassis::telemetry::Config,
    /// Where resources are kept.
    pub store: store::Config,
    /// The etcd cluster.
    pub etcd: store::EtcdConfig,
    /// With what secrets are sealed.
    pub secrets: store::SecretsConfig,
    /// How long the history is kept.
    pub history: history::Config,
    /// How long the audit log is kept.
    pub audit: history::AuditConfig,
    /// Where people sign in, and what they are here.
    pub people: people::Config,
    /// Where clients are registered.
    pub key_manager: rpc::Config,
    /// Who answers questions about calls and alerts.
    pub collector: rpc::CollectorConfig,
    /// Programs that decide about requests.
    pub workflow: rpc::DecidersConfig,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete() {
        chassis::config::parse::<Config>(include_str!("../default.toml"), "").unwrap();
    }

    #[test]
    fn an_unknown_engine_is_refused() {
        let text = "[store]\nengine = \"mysql\"";
        assert!(chassis::config::parse::<Config>(include_str!("../default.toml"), text).is_err());
    }
}
