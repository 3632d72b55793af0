//! How is a control plane put together, and in which order does it open its doors?
//!
//! The operations port first, so that a start that hangs can be asked why. The other ports open
//! before the resources are loaded: what needs them answers UNAVAILABLE until then, and `/readyz`
//! is red.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::Host;
use turnpike_proto::DESCRIPTORS;

use crate::catalog::{Catalog, Figures, Follower};
use crate::config::Config;
use crate::distribute::{
    Alerting, Export, Gateways, Meters, Presence, Providers, Signer, Slices, Sync, keep,
};
use crate::edge::{self, Desk, Rest, Streams};
use crate::history::{Journal, Retention};
use crate::limits::{self, Keeper, Share, Sharing};
use crate::manage::blocks::BlockKeeper;
use crate::manage::{Manager, note_uses, workflow};
use crate::people::{AdminToken, ConfigError, People, Provider, TokenError};
use crate::rollout::{Driver, Rollouts};
use crate::rpc::{Collector, Deciders, DecidersError, KeyManagerClients};
use crate::store::{self, Keyring, KeyringError, Rotated, Store, StoreError};

/// How long a start waits for the store to say which master key it has.
const SETTLE: Duration = Duration::from_secs(3);

/// Runs until the process drains.
pub async fn start(config: Config, host: Host) -> anyhow::Result<()> {
    open(&config, &host).await?;
    host.shutdown.wait().await;
    Ok(())
}

/// Whether somebody has to change the configuration, or a file it names, before a start can work.
pub fn is_refusal(error: &anyhow::Error) -> bool {
    let refuses_keys = |error: &KeyringError| !matches!(error, KeyringError::Store(_));
    error.downcast_ref().is_some_and(refuses_keys)
        || error.is::<TokenError>()
        || error.is::<DecidersError>()
        || error.is::<ConfigError>()
        || matches!(error.downcast_ref(), Some(StoreError::Misconfigured { .. }))
        || matches!(error.downcast_ref(), Some(chassis::rpc::Error::Address(_)))
}

/// Puts a new master key in the place of the one that is configured, or finishes that. A store that another
/// process has open is refused; control planes on etcd may go on meanwhile.
pub async fn rotate_master(config: &Config, host: &Host) -> anyhow::Result<Rotated> {
    let path = config.secrets.master_path(&host.data);
    let store = store::open(config.store, &config.etcd, &host.data).context("store")?;
    let rotated = store::rotate(&path, &*store).await?;
    let keys = Arc::new(Keyring::new(&path, None)?);
    keys.settle(&*store).await?;
    let details = serde_json::json!({ "former": rotated.former, "master": rotated.master });
    let note = audit_chain::Note {
        at: host.clock.unix_seconds(),
        event: "master_key.replaced".to_owned(),
        who: host.instance.clone(),
        outcome: "ok".to_owned(),
        details: details.to_string(),
        ..audit_chain::Note::default()
    };
    Journal::new(store, keys).write(vec![note]).await?;
    Ok(rotated)
}

/// Where a control plane listens.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// REST.
    pub rest: SocketAddr,
    /// gRPC.
    pub rpc: SocketAddr,
    /// Operations.
    pub operations: SocketAddr,
}

/// Opens all ports; what serves them are tasks of the host.
pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Doors> {
    let (loaded, listening) = (host.ready.condition("resources"), host.ready.condition("ports"));
    let routes = chassis::operations::loglevel().to_vec();
    let operations = chassis::operations::serve(host, &config.operations, routes).await?;

    let keys = Arc::new(config.secrets.keyring(&host.data)?);
    let token = AdminToken::load_or_create(&host.data.join("admin.token"))?;
    let provider = match config.people.client_id.as_str() {
        "" => None,
        _ => Provider::open(&config.people, &host.clock, &authority(&config.pki)?)?,
    };
    let store = store::open(config.store, &config.etcd, &host.data).context("store")?;
    settle(&keys, &*store, host).await?;

    let catalog = Arc::new(Catalog::default());
    let (slices, gateways) =
        (Arc::new(Slices::default()), Arc::new(Gateways::new(host.clock.clone())));
    let meters = Meters::new(&host.metrics);
    let follower = Follower {
        host: host.clone(),
        store: store.clone(),
        keys: keys.clone(),
        catalog: catalog.clone(),
        loaded,
        figures: Figures::new(&host.metrics),
    };
    host.tasks.spawn("catalog", follower.run());
    let keeping = keep(host.clone(), catalog.clone(), slices.clone(), meters.clone());
    host.tasks.spawn("slices", keeping);

    let clients =
        KeyManagerClients::new(host, &config.key_manager).context("key_manager.address")?;
    let collector = Collector::new(host, &config.collector).context("collector.address")?;
    let providers = Providers::new(catalog.clone(), host.shutdown.clone());
    let alerting = Alerting::new(catalog.clone(), host.shutdown.clone());
    let sharing = Arc::new(Sharing::new(host.clock.clone(), catalog.clone()));
    let journal = Arc::new(Journal::new(store.clone(), keys.clone()));
    let retention =
        Retention { journal: journal.clone(), history: config.history, audit: config.audit };
    host.tasks.spawn("retention", retention.run(host.clone()));
    host.tasks.spawn("journal", journal.clone().run(host.clone()));
    let people = Arc::new(People::new(
        token,
        provider,
        config.people.proxies()?,
        catalog.clone(),
        journal.clone(),
        host.clock.clone(),
    ));
    let manager = Arc::new(Manager::new(
        store,
        journal,
        catalog.clone(),
        keys.clone(),
        host.clock.clone(),
        host.tasks.clone(),
    ));
    let blocks = BlockKeeper { host: host.clone(), manager: manager.clone() };
    host.tasks.spawn("blocks", blocks.run());
    let deciders = Deciders::new(host, &config.workflow)?;
    let approvals = workflow::Keeper {
        host: host.clone(),
        manager: manager.clone(),
        decider: Arc::new(deciders),
    };
    host.tasks.spawn("approvals", approvals.run());
    let rollouts = Arc::new(Rollouts::new(
        manager.clone(),
        gateways.clone(),
        slices.clone(),
        keys,
        host.clock.clone(),
    ));
    let driver = Driver { host: host.clone(), rollouts: rollouts.clone() };
    host.tasks.spawn("rollouts", driver.run());
    host.tasks.spawn("tokens", note_uses(host.clone(), manager.clone(), people.clone()));
    let desk = Desk {
        manager,
        rollouts,
        people: people.clone(),
        gateways: gateways.clone(),
        slices: slices.clone(),
        sharing: sharing.clone(),
        clients: Arc::new(clients),
        clock: host.clock.clone(),
    };
    let presence = store::open_presence(config.store, &config.etcd, &host.data)
        .context("store of gateways")?;
    if let Some(leased) = presence {
        let presence = Presence::new(host.clone(), gateways.clone(), slices.clone(), leased);
        host.tasks.spawn("presence", presence.run());
    }
    let (counters, is_shared) = store::open_counters(config.store, &config.etcd, &host.data)
        .context("store of counters")?;
    let keeper = Keeper {
        host: host.clone(),
        store: counters,
        is_shared,
        sharing: sharing.clone(),
        figures: limits::Figures::new(&host.metrics),
    };
    host.tasks.spawn("limits", keeper.run());
    let signer = Arc::new(Signer::new(host.tls.clone(), host.clock.clone(), meters.clone()));
    let export = Export::new(host.clone(), slices.clone(), signer.clone());
    let streams = Streams {
        export,
        sync: Sync::new(host.clone(), slices, signer, gateways, meters),
        share: Share::new(host.clone(), sharing),
        providers,
        alerting,
    };
    let door = chassis::rpc::Services::new(DESCRIPTORS).heard_by(people.clone());
    let (services, inside) = edge::services(door, &desk, streams, &people, &collector);
    let rpc = chassis::rpc::serve(host, &config.rpc, services).await?;
    let rest = Rest::serve(host, &config.rest, desk, inside).await?;
    // Who sees this process ready comes at once.
    listening.green();
    Ok(Doors { rest, rpc, operations })
}

/// Looks whether the store is sealed with our master key, so that a wrong one is told at the start. A store
/// that does not answer in time is asked again before the first of its resources is read.
async fn settle(keys: &Keyring, store: &dyn Store, host: &Host) -> anyhow::Result<()> {
    match host.clock.timeout(SETTLE, keys.settle(store)).await {
        Ok(Err(KeyringError::Store(error))) if error.is_retryable() => Ok(()),
        Ok(settled) => Ok(settled.map(drop)?),
        Err(_) => Ok(()),
    }
}

/// The certificates of our own authority, which also signs the HTTPS port of the key manager.
fn authority(config: &chassis::pki::Config) -> anyhow::Result<Vec<u8>> {
    let file = if config.ca.is_empty() {
        config.directory.join("ca.pem")
    } else {
        PathBuf::from(&config.ca)
    };
    std::fs::read(&file).with_context(|| format!("pki.ca: {}", file.display()))
}
