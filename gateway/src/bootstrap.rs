//! In which order does a gateway come up, and in which order does it end?
//!
//! Up: what is on disk is in force before the first listener opens; then the streams to the other
//! services start. Calls are taken at once, but the gateway is not ready before each of them has
//! told what changed meanwhile, is known to be away, or has kept silent for `PATIENCE`.
//!
//! Down: readiness is red, listeners close, calls in flight end, the last state and the last usage
//! events are written; events the collector takes in the time that is left are gone from the disk,
//! the others are sent after the next start.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chassis::pki::Identity;
use chassis::readiness::Condition;
use chassis::rpc::channel;
use chassis::task::Tasks;
use chassis::{Host, operations as ports};
use spool::{Collector, Origin, Reporting};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::transport::Channel;

use crate::access_log::AccessLog;
use crate::assertions::{Keeper, Rules, Signers, Unfit};
use crate::bearer::Bearers;
use crate::caching;
use crate::cells::Collector as Calls;
use crate::config::{Config, ControlPlanesError};
use crate::counters::{Counters, Journal};
use crate::credentials::Revocations;
use crate::generation::{Current, Generation};
use crate::handover::{HandoverError, Offer, Taken};
use crate::limits::store::{SourceError, Store};
use crate::limits::{self, Forms, Lane, Ways};
use crate::operations::{self, Sources};
use crate::overload::{self, Descriptors, Memory, descriptors};
use crate::receiver::{self, Listen, Serving, Settings, WorkerContext};
use crate::rpc::control_plane::{ControlPlane, Node};
use crate::rpc::key_manager::KeyManager;
use crate::rpc::limits::Line;
use crate::rpc::{introspection, missing_keys, passwords, token_endpoint};
use crate::sender::{self, Backends};
use crate::servers::Registry;
use crate::snapshot::{
    CONTROL_PLANE, Certificates, Directory, DirectoryError, Figures, Follower, Publisher, Shelf,
    State, disk, seed,
};
use crate::trust::{KEYS, KeyFollower, ProviderKeyFollower, REVOCATIONS, RevocationFollower};
use crate::usage::{self, Recording};
use crate::watched::Watched;

/// What readiness calls the listeners.
const RECEIVER: &str = "receiver";
/// Old generations are looked after so often.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How long readiness waits for a service that neither speaks nor refuses.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many questions about limits that gateways share may wait.
const MOST_ASKS: usize = 16_384;
/// What a stop keeps for its own last steps.
const LAST_STEPS: Duration = Duration::from_millis(500);

/// Runs a gateway until it is asked to stop and has drained, or another one has taken over.
pub async fn start(config: Config, host: Host) -> Result<()> {
    config.control_plane.check()?;
    let node = if config.gateway.node.is_empty() { &host.instance } else { &config.gateway.node };
    let socket = config.upgrade.socket(&host.data);
    let mut before = match &socket {
        Some(socket) if config.upgrade.take_over => Taken::from(socket, &host.clock).await?,
        _ => None,
    };
    let (certificates, tls) = receiver::tls(&config.receiver, &host)?;
    let configuration = Configuration::first(&config, &host, &certificates, node).await?;
    let revocations = Arc::new(Revocations::new());
    let trust = Trust::restore(&config, &host, &configuration, &revocations)?;
    let signers = Arc::new(Signers::new(&config.backend_jwt.issuer));
    let keeper = Keeper::restore(
        Arc::clone(&signers),
        jwt_rules(&config)?,
        trust.key_manager.clone(),
        configuration.states.subscribe(),
        host.clone(),
    );
    let keeper = keeper.await?;
    let counters = Counters::start(host.data.join("counters"), &host).await?;
    let reporting = reporting(&config, &host, node, before.is_some()).await?;

    let store =
        Arc::new(cache::Store::new(usize::try_from(config.cache.max_bytes).unwrap_or(usize::MAX)));
    let watched = Arc::<Watched>::default();
    let servers = Arc::new(Registry::new(host.clock.instant()));
    let extra = operations::routes(&Sources {
        node: node.as_str().into(),
        clock: host.clock.clone(),
        watched: Arc::clone(&watched),
        store: Arc::clone(&store),
        states: configuration.states.subscribe(),
        current: Arc::clone(&configuration.current),
        servers: Arc::clone(&servers),
        certificates,
        signers: Arc::clone(&signers),
    });
    let port = port(&config, before.as_mut())?;
    let room = room(&config);
    let memory = Arc::new(Memory::new(&config.overload)?);
    host.tasks.spawn("memory", overload::watch(Arc::clone(&memory), host.clone()));
    let (ways, asks) = ways(&config, &host, node, &counters)?;
    let (gateways, journal) = (Arc::clone(&ways.gateways), Arc::clone(&ways.journal));
    let context = WorkerContext {
        memory,
        limits: ways,
        access_log: AccessLog::start(&config.access_log, &host).context("access_log.file")?,
        watched: Arc::clone(&watched),
        current: Arc::clone(&configuration.current),
        revocations,
        store,
        servers,
        tls,
        token_endpoint: trust.token_endpoint.clone(),
        introspection: trust.introspection.clone(),
        passwords: trust.passwords.clone(),
        proofs: Arc::default(),
        missing_keys: trust.missing_keys.clone(),
        bearers: Bearers::start(
            Arc::clone(&configuration.current),
            host.clock.clone(),
            &host.tasks,
            config.sender.token_timeout,
        ),
        signers,
        recording: reporting.as_ref().map_or_else(Recording::off, |reporting| {
            Recording::to(reporting, config.usage.mask_secret.expose())
        }),
        tasks: host.tasks.clone(),
        clock: host.clock.clone(),
        shutdown: host.shutdown.clone(),
        settings: Settings {
            receiver: receiver::Config { max_connections: room.clients, ..config.receiver.clone() },
            sender: sender::Config { max_connections: room.backends, ..config.sender.clone() },
            overload: config.overload.of_workers(),
            credentials: config.credentials.clone(),
            jwts: config.backend_jwt.cache,
        },
    };
    let inherited = inherited(before.as_mut(), &host)?;
    // Known before anybody can ask, so that it is not said to be ready in between.
    let awaited = awaited(&config, &host);
    host.ready.condition(RECEIVER).red("no listener is open yet");
    // A port of its own is answered first; one that is shared not before the other has let go.
    let (operations, serving) = if let Some(before) = &mut before {
        let serving = serve(&config, inherited, &context, &host)?;
        if let Err(error) = before.serve().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the gateway before ended without a word");
        }
        (port.answer(&host, extra)?, serving)
    } else {
        let operations = port.answer(&host, extra)?;
        (operations, serve(&config, inherited, &context, &host)?)
    };
    if let Some(before) = before
        && let Err(error) = before.released().await
    {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the gateway before did not say that it has let go of the data");
    }
    let writers = Tasks::default();
    let mut following = host.clone();
    following.tasks = writers.clone();
    trust.follow(&following);
    following.tasks.spawn("backend-jwt-keys", keeper.run());
    let (all_said, stop) = oneshot::channel();
    if let Some(asks) = asks {
        let counting = Counting { asks, gateways, journal, stop };
        counting.start(&config, &host, node, configuration.states.subscribe())?;
    }
    configuration.follow(&config, &following, node, serving.metrics())?;
    let clock = host.clock.clone();
    host.tasks.spawn("patience", async move {
        clock.sleep(PATIENCE).await;
        awaited.iter().for_each(Condition::green);
    });
    let (asked, written) = (host.shutdown.clone(), writers.clone());
    host.tasks.spawn("writers", async move {
        asked.wait().await;
        written.finished().await;
    });
    if let Some(socket) = &socket {
        let held_back = reporting.as_ref().map_or_else(Default::default, Reporting::held_back);
        let (lender, patience) = (serving.lender(), config.upgrade.patience);
        let offer = Offer {
            host: host.clone(),
            lender,
            operations,
            writers,
            counters: counters.clone(),
            held_back,
            patience,
        };
        match Offer::open(socket) {
            Ok(socket) => drop(host.tasks.spawn("upgrade", offer.run(socket))),
            // It serves all the same; only an upgrade will need a stop.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "nobody can take over from this gateway");
            }
        }
    }

    host.shutdown.wait().await;
    let asked = host.clock.instant();
    serving.drained().await;
    // No call needs units any more: what is in hand goes back.
    drop(all_said);
    counters.finish().await;
    if let Some(reporting) = reporting {
        reporting.finish(left(&host, asked)).await;
    }
    Ok(())
}

/// The ways to those who count limits that gateways share, and what is asked of the control plane.
fn ways(
    config: &Config,
    host: &Host,
    node: &str,
    counters: &Counters,
) -> Result<(Ways, Option<mpsc::Receiver<limits::Ask>>)> {
    let (journal, forms) = (Arc::clone(counters.journal()), Forms::of(&config.limits.headers));
    let figures = host.metrics.register(limits::Figures::new);
    let store = &config.limits.store;
    let store =
        store.is_on().then(|| Store::open(store, node, &figures, &host.clock)).transpose()?;
    let ways = Ways { journal, forms, store: store.map(Arc::new), ..Ways::default() };
    if config.control_planes().is_empty() {
        return Ok((ways, None));
    }
    let (control_plane, asks) = Lane::open(MOST_ASKS);
    Ok((Ways { control_plane, ..ways }, Some(asks)))
}

/// What is needed to count together with others.
struct Counting {
    asks: mpsc::Receiver<limits::Ask>,
    gateways: Arc<AtomicU64>,
    journal: Arc<Journal>,
    /// Said, or dropped, when no call needs units any more.
    stop: oneshot::Receiver<()>,
}

impl Counting {
    fn start(
        self,
        config: &Config,
        host: &Host,
        node: &str,
        states: watch::Receiver<Arc<State>>,
    ) -> Result<()> {
        let channels = control_planes(config, &host.tls)?;
        let node = node_of(config, node);
        let (line, handle, heard) = Line::new(channels, node, host.clone());
        let Self { asks, gateways, journal, stop } = self;
        let told = states.clone();
        host.tasks.spawn("limit line", line.run(move || limits::state_of(&told.borrow())));
        let host = host.clone();
        let tasks = host.tasks.clone();
        let follower = limits::Follower { asks, heard, handle, states, gateways, journal, host };
        tasks.spawn("limits", follower.run(stop));
        Ok(())
    }
}

/// Whose first word readiness waits for: a gateway that was killed may have served more than what it
/// finds on its disk.
fn awaited(config: &Config, host: &Host) -> Vec<Condition> {
    let control_plane = (!config.control_planes().is_empty()).then_some([CONTROL_PLANE].as_slice());
    let key_manager = config.key_manager().map(|_| [KEYS, REVOCATIONS].as_slice());
    let names = control_plane.into_iter().chain(key_manager).flatten();
    names.map(|name| host.ready.condition(name)).collect()
}

/// What holds for the keys that sign what backends are told.
fn jwt_rules(config: &Config) -> Result<Rules, Unfit> {
    config.backend_jwt.rules(config.key_manager().is_none())
}

/// How many connections there may be per worker.
fn room(config: &Config) -> Descriptors {
    let workers = receiver::workers(config.receiver.workers);
    let wanted = Descriptors {
        clients: config.receiver.max_connections,
        backends: config.sender.max_connections,
    };
    descriptors(wanted, workers, config.overload.spare_descriptors)
}

/// The operations port: bound, or passed on by the gateway before.
fn port(config: &Config, before: Option<&mut Taken>) -> Result<ports::Port> {
    let passed_on = before.and_then(|before| before.operations(config.operations.listen));
    Ok(passed_on
        .map_or_else(|| ports::Port::bind(&config.operations), |s| Ok(ports::Port::passed_on(s)))?)
}

/// The sockets of the gateway before. A gateway that could not serve does not take them over.
fn inherited(before: Option<&mut Taken>, host: &Host) -> Result<Vec<TcpListener>> {
    let Some(before) = before else { return Ok(vec![]) };
    if host.ready.is_ready() {
        return Ok(before.calls());
    }
    let reasons = host.ready.reasons();
    let reasons: Vec<String> =
        reasons.into_iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    Err(HandoverError::NotReady(reasons.join(", ")).into())
}

fn serve(
    config: &Config,
    inherited: Vec<TcpListener>,
    context: &WorkerContext,
    host: &Host,
) -> Result<Serving> {
    let listen =
        Listen { http: config.receiver.http.clone(), https: config.receiver.https.clone() };
    let serving = receiver::serve_on(config.receiver.workers, &listen, inherited, context)?;
    let metrics = serving.metrics();
    let figures = caching::Figures::new(Arc::clone(&context.store));
    host.metrics.register(|registry| {
        registry.register_collector(Box::new(metrics));
        registry.register_collector(Box::new(figures));
    });
    tracing::info!(http = ?serving.http(), https = ?serving.https(), "calls are received");
    host.ready.condition(RECEIVER).green();
    Ok(serving)
}

/// Whether somebody has to change what they wrote before a gateway can start.
pub fn is_refusal(error: &anyhow::Error) -> bool {
    error.is::<DirectoryError>()
        || error.is::<overload::MemoryError>()
        || error.is::<Unfit>()
        || error.is::<SourceError>()
        || error.is::<ControlPlanesError>()
        || matches!(error.downcast_ref(), Some(chassis::rpc::Error::Address(_)))
        || matches!(
            error.downcast_ref(),
            Some(receiver::ServeError::Network(_) | receiver::ServeError::NobodyTrusted(_))
        )
        || matches!(error.downcast_ref(), Some(receiver::TlsError::Files(_)))
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
        let backends = Backends::first().context("TLS to backends")?;
        let first = State::counting(config.limits.subjects);
        let empty = Generation::new(0, first.plan.clone(), None, backends);
        let current = Arc::new(Current::new(empty));
        let publisher = Publisher::new(Arc::clone(&current), Arc::clone(certificates));
        let publisher = Arc::new(publisher);
        let figures = host.metrics.register(Figures::new);
        let ready = host.ready.condition("configuration");
        let (resources, data) = (config.directory.resources.clone(), host.data.clone());
        let labels = config.gateway.labels.clone();
        let (is_static, putting) = (config.is_static(), Arc::clone(&publisher));
        let (nothing, identity) = (first.clone(), host.tls.clone());
        let seed = Some(config.snapshot.seed.clone()).filter(|path| !path.as_os_str().is_empty());
        let seed = seed.map(|path| (path, node_of(config, node)));
        // Reading and compiling 50,000 routes is no work for a runtime thread.
        let read = host.tasks.blocking(move || {
            let (source, state) = if is_static {
                from_directory(&resources, labels, &nothing)?
            } else {
                from_disk(&data, &nothing, seed.as_ref(), &identity)?
            };
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
                if !config.is_static() {
                    ready.remark(Some("stale, no control plane has confirmed it yet".to_owned()));
                }
                let (revision, objects) = (state.revision, state.plan.objects().len());
                tracing::info!(node, revision, objects, "configuration from disk is in force");
            }
            None => ready.red("no configuration has been received yet"),
        }
        let (states, _) = watch::channel(Arc::new(state.unwrap_or(first)));
        Ok(Self { current, publisher, states, figures, ready, source })
    }

    /// Follows the source from now on.
    fn follow(self, config: &Config, host: &Host, node: &str, calls: Calls) -> Result<()> {
        let Self { publisher, states, figures, ready, source, .. } = self;
        host.tasks.spawn("sweep", sweep(Arc::clone(&publisher), host.clone()));
        let channels = control_planes(config, &host.tls)?;
        match source {
            Source::Directory(directory) => {
                figures.confirmed(host.clock.unix_seconds());
                let following = directory.follow(publisher, states, figures, host.clone());
                host.tasks.spawn("resources", following);
            }
            Source::ControlPlane(_) if channels.is_empty() => {}
            Source::ControlPlane(shelf) => {
                let control_plane = ControlPlane::new(channels, node_of(config, node));
                let (clock, tasks) = (host.clock.clone(), host.tasks.clone());
                let keeping = disk::keeping(shelf).run(states.subscribe(), clock, tasks);
                host.tasks.spawn("disk", keeping);
                // What came from a file is kept as what came from a control plane.
                states.send_modify(|_| ());
                let host = host.clone();
                let follower =
                    Follower { control_plane, publisher, figures, ready, states, calls, host };
                let tasks = follower.host.tasks.clone();
                tasks.spawn("sync", follower.run());
            }
        }
        Ok(())
    }
}

/// A channel to each control plane.
fn control_planes(config: &Config, identity: &Identity) -> Result<Vec<Channel>> {
    let open = |address| channel(identity, address, "control-plane");
    let channels: Result<Vec<Channel>, _> = config.control_planes().into_iter().map(open).collect();
    channels.context("control_plane.address")
}

fn from_directory(
    resources: &Path,
    labels: BTreeMap<String, String>,
    first: &State,
) -> Result<(Source, Option<State>)> {
    let (directory, state) = Directory::open(resources, labels, first)?;
    Ok((Source::Directory(directory), Some(state)))
}

fn from_disk(
    data: &Path,
    first: &State,
    seed: Option<&(PathBuf, Node)>,
    identity: &Identity,
) -> Result<(Source, Option<State>)> {
    let shelf = disk::shelf(&data.join("state"))?;
    let held = disk::read(&shelf, first, identity);
    let Some((path, node)) = seed else { return Ok((Source::ControlPlane(shelf), held)) };
    let state = match seed::read(path, first, node, identity) {
        Ok(read) => {
            let (state, is_seed) = seed::newer(held, read);
            tracing::info!(path = %path.display(), is_seed, "there is a state to start from");
            Some(state)
        }
        // A control plane can still say what is to be served; until then nothing is made up.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(path = %path.display(), error, "the state to start from is refused");
            held
        }
    };
    Ok((Source::ControlPlane(shelf), state))
}

/// Who this gateway is, for control planes.
fn node_of(config: &Config, name: &str) -> Node {
    Node { name: name.to_owned(), labels: config.gateway.labels.clone() }
}

/// Keys, revocations and the way of token requests.
struct Trust {
    followers: Option<(KeyFollower, ProviderKeyFollower, RevocationFollower)>,
    token_endpoint: token_endpoint::Handle,
    introspection: introspection::Handle,
    passwords: passwords::Handle,
    missing_keys: missing_keys::Handle,
    key_manager: Option<KeyManager>,
}

impl Trust {
    /// Puts in force what is on disk.
    fn restore(
        config: &Config,
        host: &Host,
        configuration: &Configuration,
        revocations: &Arc<Revocations>,
    ) -> Result<Self> {
        let Some(address) = config.key_manager() else {
            return Ok(Self {
                followers: None,
                token_endpoint: token_endpoint::Handle::off(),
                introspection: introspection::Handle::off(),
                passwords: passwords::Handle::off(),
                missing_keys: missing_keys::Handle::off(),
                key_manager: None,
            });
        };
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
        let providers = ProviderKeyFollower::restore(
            key_manager.clone(),
            Arc::clone(&configuration.publisher),
            Shelf::open(&directory, "provider-keys")?,
            host.clone(),
        );
        let shelf = Shelf::open(&directory, "revocations")?;
        let revoked = RevocationFollower::restore(
            key_manager.clone(),
            Arc::clone(revocations),
            shelf,
            host.clone(),
        );
        let (clock, tasks) = (&host.clock, &host.tasks);
        let ended = Arc::clone(revocations);
        let has_ended = Box::new(move |person: &passwords::Person| ended.has_ended(person));
        Ok(Self {
            followers: Some((keys, providers, revoked)),
            token_endpoint: token_endpoint::Handle::start(channel.clone(), clock.clone(), tasks),
            introspection: introspection::Handle::start(channel.clone(), clock.clone(), tasks),
            passwords: passwords::Handle::start(channel.clone(), has_ended, clock.clone(), tasks),
            missing_keys: missing_keys::Handle::start(channel, clock.clone(), tasks),
            key_manager: Some(key_manager),
        })
    }

    /// Follows both from now on.
    fn follow(self, host: &Host) {
        let Some((keys, providers, revoked)) = self.followers else { return };
        host.tasks.spawn("keys", keys.run());
        host.tasks.spawn("provider-keys", providers.run());
        host.tasks.spawn("revocations", revoked.run());
    }
}

async fn reporting(
    config: &Config,
    host: &Host,
    node: &str,
    follows: bool,
) -> Result<Option<Reporting>> {
    let Some(address) = config.collector() else { return Ok(None) };
    let channel =
        channel(&host.tls, address, "analytics-collector").context("collector.address")?;
    let collector = Collector::new(channel, node.to_owned());
    let usage::Config { spool_limit, region, .. } = config.usage.clone();
    let origin = Origin { gateway: node.to_owned(), region };
    let reporting =
        Reporting::start(&host.data, follows, spool_limit, origin, collector, host).await?;
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
