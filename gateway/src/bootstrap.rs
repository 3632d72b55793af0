//! In which order does a gateway come up, and in which order does it end?
//!
//! Up: what is on disk is in force before the first listener opens; then the streams to the other
//! services start, and none of them is waited for. Down: readiness is red, listeners close, calls
//! in flight end, the last state and the last usage events are written; events the collector takes
//! in the time that is left are gone from the disk, the others are sent after the next start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chassis::pki::ClientAuth;
use chassis::readiness::Condition;
use chassis::rpc::channel;
use chassis::{Host, operations as ports};
use tokio::sync::watch;

use crate::config::Config;
use crate::credentials::Revocations;
use crate::generation::{Current, Generation};
use crate::receiver::{self, Listen, Settings, WorkerContext};
use crate::rpc::collector::Collector;
use crate::rpc::control_plane::{ControlPlane, Node};
use crate::rpc::key_manager::KeyManager;
use crate::rpc::token_endpoint;
use crate::snapshot::{
    Certificates, Directory, DirectoryError, Figures, Follower, Publisher, Shelf, State, disk,
};
use crate::trust::{KeyFollower, RevocationFollower};
use crate::usage::{Recording, Reporting};
use crate::{operations, sender};

/// Old generations are looked after so often.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// What a stop keeps for its own last steps.
const LAST_STEPS: Duration = Duration::from_millis(500);

/// Runs a gateway until it is asked to stop and has drained.
pub async fn start(config: Config, host: Host) -> Result<()> {
    let node = if config.gateway.node.is_empty() { &host.instance } else { &config.gateway.node };
    let tls = host.tls.server_config(ClientAuth::None, &["h2", "http/1.1"])?;
    let certificates = Arc::new(Certificates::new(&tls));
    let configuration = Configuration::first(&config, &host, &certificates, node).await?;
    let revocations = Arc::new(Revocations::new());
    let token_endpoint = trust(&config, &host, &configuration, &revocations)?;
    let reporting = reporting(&config, &host, node)?;

    let extra = operations::routes(
        node,
        configuration.states.subscribe(),
        Arc::clone(&configuration.current),
    );
    ports::serve(&host, &config.operations, extra).await?;
    let recording = reporting.as_ref().map_or_else(Recording::off, |r| r.recording().clone());
    let mut shown = rustls::ServerConfig::clone(&tls);
    shown.cert_resolver = certificates;
    let context = WorkerContext {
        current: Arc::clone(&configuration.current),
        revocations,
        tls: Arc::new(shown),
        token_endpoint,
        recording,
        tasks: host.tasks.clone(),
        clock: host.clock.clone(),
        shutdown: host.shutdown.clone(),
        settings: Settings {
            receiver: config.receiver.clone(),
            sender: config.sender.clone(),
            credentials: config.credentials.clone(),
        },
    };
    let listen =
        Listen { http: config.receiver.http.clone(), https: config.receiver.https.clone() };
    let serving = receiver::serve(config.receiver.workers, &listen, &context)?;
    let metrics = serving.metrics();
    host.metrics.register(|registry| registry.register_collector(Box::new(metrics)));
    tracing::info!(http = ?serving.http(), https = ?serving.https(), node, "calls are received");
    configuration.follow(&config, &host, node)?;

    host.shutdown.wait().await;
    let asked = host.clock.instant();
    serving.drained().await;
    if let Some(reporting) = reporting {
        reporting.finish(left(&host, asked)).await;
    }
    Ok(())
}

/// Whether somebody has to change what they wrote before a gateway can start.
pub fn is_refusal(error: &anyhow::Error) -> bool {
    error.is::<DirectoryError>()
        || matches!(error.downcast_ref(), Some(chassis::rpc::Error::Address(_)))
        || matches!(error.downcast_ref(), Some(receiver::ServeError::Network { .. }))
}

/// What is left of the time for the drain.
fn left(host: &Host, asked: Instant) -> Duration {
    let passed = host.clock.instant().duration_since(asked);
    host.drain.saturating_sub(passed).saturating_sub(LAST_STEPS)
}

/// The configuration in force and where it comes from.
struct Configuration {
    current: Arc<Current>,
    publisher: Arc<Publisher>,
    states: watch::Sender<Arc<State>>,
    figures: Figures,
    ready: Condition,
    source: Source,
}

enum Source {
    Directory(Directory),
    ControlPlane(Shelf),
}

impl Configuration {
    /// Puts in force what is there without asking anybody.
    async fn first(
        config: &Config,
        host: &Host,
        certificates: &Arc<Certificates>,
        node: &str,
    ) -> Result<Self> {
        let backends = sender::trust(&[]).context("TLS to backends")?;
        let empty = Generation::new(0, State::empty().plan, None, backends);
        let current = Arc::new(Current::new(empty));
        let trust = |authorities: &[_]| Ok(sender::trust(authorities)?);
        let publisher =
            Publisher::new(Arc::clone(&current), Arc::clone(certificates), Box::new(trust));
        let publisher = Arc::new(publisher);
        let figures = host.metrics.register(Figures::new);
        let ready = host.ready.condition("configuration");
        let (resources, data) = (config.directory.resources.clone(), host.data.clone());
        let labels = config.gateway.labels.clone();
        let (is_static, putting) = (config.is_static(), Arc::clone(&publisher));
        // Reading and compiling 50,000 routes is no work for a runtime thread.
        let read = host.tasks.blocking(move || {
            let (source, state) =
                if is_static { from_directory(&resources, labels)? } else { from_disk(&data)? };
            if let Some(state) = &state {
                putting.put_plan(state.plan.clone());
            }
            Ok::<_, anyhow::Error>((source, state))
        });
        let (source, state) = read.await??;
        match &state {
            Some(state) => {
                figures.in_force(state);
                ready.green();
                let (revision, objects) = (state.revision, state.plan.objects().len());
                tracing::info!(node, revision, objects, "configuration from disk is in force");
            }
            None => ready.red("no configuration has been received yet"),
        }
        let (states, _) = watch::channel(Arc::new(state.unwrap_or_else(State::empty)));
        Ok(Self { current, publisher, states, figures, ready, source })
    }

    /// Follows the source from now on.
    fn follow(self, config: &Config, host: &Host, node: &str) -> Result<()> {
        let Self { publisher, states, figures, ready, source, .. } = self;
        host.tasks.spawn("sweep", sweep(Arc::clone(&publisher), host.clone()));
        match (source, config.control_plane()) {
            (Source::Directory(directory), _) => {
                figures.confirmed(host.clock.unix_seconds());
                let following = directory.follow(publisher, states, figures, host.clone());
                host.tasks.spawn("resources", following);
            }
            (Source::ControlPlane(shelf), Some(address)) => {
                let channel = channel(&host.tls, address, "control-plane")
                    .context("control_plane.address")?;
                let labels = config.gateway.labels.clone();
                let node = Node { name: node.to_owned(), labels };
                let control_plane = ControlPlane::new(channel, node);
                let (clock, tasks) = (host.clock.clone(), host.tasks.clone());
                let keeping = disk::keeping(shelf).run(states.subscribe(), clock, tasks);
                host.tasks.spawn("disk", keeping);
                let host = host.clone();
                let follower = Follower { control_plane, publisher, figures, ready, states, host };
                let tasks = follower.host.tasks.clone();
                tasks.spawn("sync", follower.run());
            }
            (Source::ControlPlane(_), None) => {}
        }
        Ok(())
    }
}

fn from_directory(
    resources: &Path,
    labels: BTreeMap<String, String>,
) -> Result<(Source, Option<State>)> {
    let (directory, state) = Directory::open(resources, labels)?;
    Ok((Source::Directory(directory), Some(state)))
}

fn from_disk(data: &Path) -> Result<(Source, Option<State>)> {
    let shelf = disk::shelf(&data.join("state"))?;
    let state = disk::read(&shelf);
    Ok((Source::ControlPlane(shelf), state))
}

/// Keys, revocations and the way of token requests.
fn trust(
    config: &Config,
    host: &Host,
    configuration: &Configuration,
    revocations: &Arc<Revocations>,
) -> Result<token_endpoint::Handle> {
    let Some(address) = config.key_manager() else { return Ok(token_endpoint::Handle::off()) };
    let channel = channel(&host.tls, address, "key-manager").context("key_manager.address")?;
    let key_manager = KeyManager::new(channel.clone());
    let directory = host.data.join("state");
    let mut keys = KeyFollower {
        key_manager: key_manager.clone(),
        publisher: Arc::clone(&configuration.publisher),
        shelf: Shelf::open(&directory, "keys")?,
        host: host.clone(),
        in_force: None,
    };
    keys.restore();
    let revoked = RevocationFollower::restore(
        key_manager,
        Arc::clone(revocations),
        Shelf::open(&directory, "revocations")?,
        host.clone(),
    );
    host.tasks.spawn("keys", keys.run());
    host.tasks.spawn("revocations", revoked.run());
    Ok(token_endpoint::Handle::start(channel, host.clock.clone(), &host.tasks))
}

fn reporting(config: &Config, host: &Host, node: &str) -> Result<Option<Reporting>> {
    let Some(address) = config.collector() else { return Ok(None) };
    let channel =
        channel(&host.tls, address, "analytics-collector").context("collector.address")?;
    let collector = Collector::new(channel, node.to_owned());
    let directory = host.data.join("usage");
    let reporting = Reporting::start(&directory, config.usage.spool_limit, node, collector, host)?;
    Ok(Some(reporting))
}

/// Frees old generations as soon as no call uses them any more.
async fn sweep(publisher: Arc<Publisher>, host: Host) {
    loop {
        tokio::select! {
            () = host.shutdown.wait() => return,
            () = host.clock.sleep(SWEEP_EVERY) => {}
        }
        let unused = publisher.unused();
        if !unused.is_empty() {
            // Big ones take their time: nobody waits for them.
            host.tasks.blocking(move || drop(unused));
        }
    }
}
