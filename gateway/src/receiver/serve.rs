//! How are all workers started, and how does one know that they have ended?

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use chassis::clock::Clock;
use chassis::proxies::{NetworkError, Proxies};
use chassis::shutdown::Shutdown;
use chassis::task::Tasks;
use tokio::sync::oneshot;

use super::config::Settings;
use super::crowd::Crowd;
use super::listener::{Lent, Listen, ListenError, Listeners, listen};
use super::thread::{Seat, run};
use crate::access_log::AccessLog;
use crate::assertions::Signers;
use crate::bearer::Bearers;
use crate::caretaker::{checking, resolving};
use crate::cells::{Cells, Collector};
use crate::credentials::{Proofs, Revocations};
use crate::generation::Current;
use crate::limits::Ways;
use crate::overload::Memory;
use crate::rpc::{introspection, missing_keys, passwords, token_endpoint};
use crate::servers::Registry;
use crate::usage::Recording;
use crate::watched::Watched;

/// What workers are given; each gets its own clone.
#[derive(Clone)]
pub struct WorkerContext {
    /// The configuration in force.
    pub current: Arc<Current>,
    /// The ways to the authorities of limits that gateways share.
    pub limits: Ways,
    /// What has ended before its time.
    pub revocations: Arc<Revocations>,
    /// TLS towards clients, with ALPN for `h2` and `http/1.1`.
    pub tls: Arc<rustls::ServerConfig>,
    /// Answers that are kept.
    pub store: Arc<cache::Store>,
    /// The way to the key manager.
    pub token_endpoint: token_endpoint::Handle,
    /// The way to issuers that have to be asked about tokens.
    pub introspection: introspection::Handle,
    /// The way to who knows names and passwords.
    pub passwords: passwords::Handle,
    /// Proofs of keys that were used.
    pub proofs: Arc<Proofs>,
    /// Who hears of keys that are not known.
    pub missing_keys: missing_keys::Handle,
    /// Tokens that backends are shown.
    pub bearers: Bearers,
    /// Who signs what backends are told.
    pub signers: Arc<Signers>,
    /// The way to the analytics collector.
    pub recording: Recording,
    /// The time.
    pub clock: Clock,
    /// The request to stop.
    pub shutdown: Shutdown,
    /// Where threads and connections are counted.
    pub tasks: Tasks,
    /// The way to the access log.
    pub access_log: AccessLog,
    /// The APIs that an operator looks at.
    pub watched: Arc<Watched>,
    /// What is known about backends.
    pub servers: Arc<Registry>,
    /// The memory of the process.
    pub memory: Arc<Memory>,
    /// Configuration of the data path.
    pub settings: Settings,
}

/// Workers that serve.
#[derive(Debug)]
pub struct Serving {
    bound: Listen,
    metrics: Collector,
    ended: Vec<oneshot::Receiver<()>>,
    /// Gone as soon as their worker accepts nothing any more.
    listeners: Vec<Weak<Listeners>>,
    at_once: Arc<AtomicBool>,
}

/// The listening sockets of all workers, for who takes them over.
#[derive(Clone, Debug)]
pub struct Lender {
    listeners: Vec<Weak<Listeners>>,
    at_once: Arc<AtomicBool>,
}

/// Why calls cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A network is not in CIDR form.
    #[error("receiver.trusted_proxies")]
    Network(#[from] NetworkError),
    /// A PROXY header is asked for, and nobody may send one.
    #[error("receiver.proxy_protocol: name the proxies of {0} in receiver.trusted_proxies")]
    NobodyTrusted(SocketAddr),
    /// The system starts no more threads.
    #[error("cannot start a worker thread")]
    Thread(#[source] std::io::Error),
}

/// Binds every address and starts the workers; 0 of them: one per core.
pub fn serve(
    workers: usize,
    wanted: &Listen,
    context: &WorkerContext,
) -> Result<Serving, ServeError> {
    serve_on(workers, wanted, vec![], context)
}

/// How many workers are meant by `configured`; 0: one per core.
pub fn workers(configured: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if configured == 0 { cores() } else { configured }
}

/// As [`serve`], with sockets that the gateway before passed on.
pub fn serve_on(
    workers: usize,
    wanted: &Listen,
    inherited: Vec<TcpListener>,
    context: &WorkerContext,
) -> Result<Serving, ServeError> {
    let workers = self::workers(workers);
    let config = &context.settings.receiver;
    let proxies = Proxies::parse(&config.trusted_proxies, config.client_from)?;
    if let Some(address) = config.proxy_protocol.first().filter(|_| proxies.is_empty()) {
        return Err(ServeError::NobodyTrusted(*address));
    }
    let crowd = Crowd::new(config.max_connections_per_address);
    let (listeners, bound) = listen(wanted, workers, inherited)?;
    let at_once = Arc::<AtomicBool>::default();
    let mut lent = Vec::new();
    let servers = &context.servers;
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    let checks = checking(Arc::clone(servers), Arc::clone(&context.current), clock, shutdown);
    drop(context.tasks.spawn("health-checks", checks));
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    drop(context.tasks.spawn("names", resolving(Arc::clone(servers), clock, shutdown)));
    let (mut cells, mut ended) = (Vec::new(), Vec::new());
    for (number, listeners) in listeners.into_iter().enumerate() {
        let own = Arc::new(Cells::default());
        let (done, wait) = oneshot::channel();
        let listeners = Arc::new(listeners);
        lent.push(Arc::downgrade(&listeners));
        let seat = Seat {
            listeners,
            at_once: Arc::clone(&at_once),
            context: context.clone(),
            cells: Arc::clone(&own),
            proxies: proxies.clone(),
            crowd: Arc::clone(&crowd),
            ended: done,
        };
        let thread = context.tasks.thread(&format!("worker-{number}"), move || run(seat));
        thread.map_err(ServeError::Thread)?;
        cells.push(own);
        ended.push(wait);
    }
    Ok(Serving { bound, metrics: Collector::new(cells), ended, listeners: lent, at_once })
}

impl Serving {
    /// The addresses in the clear; port 0 has become a real one.
    pub fn http(&self) -> &[SocketAddr] {
        &self.bound.http
    }

    /// The addresses under TLS.
    pub fn https(&self) -> &[SocketAddr] {
        &self.bound.https
    }

    /// The numbers of all workers.
    pub fn metrics(&self) -> Collector {
        self.metrics.clone()
    }

    /// The way to the listening sockets.
    pub fn lender(&self) -> Lender {
        Lender { listeners: self.listeners.clone(), at_once: Arc::clone(&self.at_once) }
    }

    /// Returns when every worker has ended, which they do after the request to stop.
    pub async fn drained(self) {
        for worker in self.ended {
            // Workers tell by dropping their end.
            let _ = worker.await;
        }
    }
}

impl Lender {
    /// All sockets once more; none of a worker that has stopped to accept.
    pub fn sockets(&self) -> io::Result<Vec<Lent>> {
        let mut all = Vec::new();
        for listeners in self.listeners.iter().filter_map(Weak::upgrade) {
            all.extend(listeners.lend()?);
        }
        Ok(all)
    }

    /// Somebody else accepts now: the stop that follows does not pause before it ends accepting.
    pub fn lent(&self) {
        self.at_once.store(true, Ordering::Release);
    }
}

impl fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}
