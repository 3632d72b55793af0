//! Which engine keeps the resources?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::contract::{Store, StoreError};
use super::embedded::Embedded;
use super::etcd::{Config as EtcdConfig, Etcd, Leased};
use super::keyring::{Keyring, KeyringError};

/// Section `[store]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where resources are kept.
    pub engine: Engine,
}

/// Section `[secrets]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// The file with the master key; empty: `master.key` in the directory of this control plane.
    pub master_key: String,
    /// The file with the master key that `master_key` replaces; empty: none is replaced.
    pub former_master_key: String,
}

impl SecretsConfig {
    /// Where the master key lies. `data` is the directory of this control plane.
    pub fn master_path(&self, data: &Path) -> PathBuf {
        match self.master_key.as_str() {
            "" => data.join("master.key"),
            named => named.into(),
        }
    }

    /// The keys of the store, not read yet. `data` is the directory of this control plane.
    pub fn keyring(&self, data: &Path) -> Result<Keyring, KeyringError> {
        let master = self.master_path(data);
        let former =
            (!self.former_master_key.is_empty()).then(|| Path::new(&self.former_master_key));
        Keyring::new(&master, former)
    }
}

/// Where resources are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// In a file of this control plane.
    Embedded,
    /// In an etcd cluster that control planes share.
    Etcd,
}

/// Opens the store of what gateways have used of their limits, beside the resources: it changes all the time,
/// and neither the history nor the revisions of resources shall. Whether other control planes write there, too,
/// is told besides.
pub fn open_counters(
    config: Config,
    etcd: &EtcdConfig,
    data: &Path,
) -> Result<(Arc<dyn Store>, bool), StoreError> {
    Ok(match config.engine {
        Engine::Embedded => (Arc::new(Embedded::open(&data.join("limits.redb"))?), false),
        Engine::Etcd => {
            let prefix = format!("{}-limits", etcd.prefix.trim_end_matches('/'));
            let beside = EtcdConfig { prefix, ..etcd.clone() };
            (Arc::new(Etcd::new(&beside, &data.join("etcd.limits"))?), true)
        }
    })
}

/// Opens what control planes tell each other of their gateways, beside the resources, which must not
/// wake for it; none: there is only this control plane.
pub fn open_presence(
    config: Config,
    etcd: &EtcdConfig,
    data: &Path,
) -> Result<Option<Leased>, StoreError> {
    Ok(match config.engine {
        Engine::Embedded => None,
        Engine::Etcd => {
            let prefix = format!("{}-presence", etcd.prefix.trim_end_matches('/'));
            let beside = EtcdConfig { prefix, ..etcd.clone() };
            Some(Leased::new(&beside, &data.join("etcd.presence"))?)
        }
    })
}

/// Opens the store. `data` is the directory of this control plane; etcd need not answer yet.
pub fn open(config: Config, etcd: &EtcdConfig, data: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config.engine {
        Engine::Embedded => Arc::new(Embedded::open(&data.join("resources.redb"))?),
        Engine::Etcd => Arc::new(Etcd::new(etcd, &data.join("etcd.instance"))?),
    })
}
