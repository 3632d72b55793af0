//! How are all workers started, and how does one know that they have ended?

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use chassis::task::Tasks;
use tokio::sync::oneshot;

use super::config::Settings;
use super::listener::{Listen, ListenError, listen};
use super::thread::{Seat, run};
use crate::cells::{Cells, Collector};
use crate::credentials::Revocations;
use crate::generation::Current;
use crate::proxies::{NetworkError, Proxies};
use crate::rpc::token_endpoint;
use crate::usage::Recording;

/// What workers are given; each gets its own clone.
#[derive(Clone)]
pub struct WorkerContext {
    /// The configuration in force.
    pub current: Arc<Current>,
    /// What has ended before its time.
    pub revocations: Arc<Revocations>,
    /// TLS towards clients, with ALPN for `h2` and `http/1.1`.
    pub tls: Arc<rustls::ServerConfig>,
    /// The way to the key manager.
    pub token_endpoint: token_endpoint::Handle,
    /// The way to the analytics collector.
    pub recording: Recording,
    /// The time.
    pub clock: Clock,
    /// The request to stop.
    pub shutdown: Shutdown,
    /// Where threads and connections are counted.
    pub tasks: Tasks,
    /// Configuration of the data path.
    pub settings: Settings,
}

/// Workers that serve.
#[derive(Debug)]
pub struct Serving {
    bound: Listen,
    metrics: Collector,
    ended: Vec<oneshot::Receiver<()>>,
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
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if workers == 0 { cores() } else { workers };
    let proxies = Proxies::parse(&context.settings.receiver.trusted_proxies)?;
    let (listeners, bound) = listen(wanted, workers)?;
    let (mut cells, mut ended) = (Vec::new(), Vec::new());
    for (number, listeners) in listeners.into_iter().enumerate() {
        let own = Arc::new(Cells::default());
        let (done, wait) = oneshot::channel();
        let seat = Seat {
            listeners,
            context: context.clone(),
            cells: Arc::clone(&own),
            proxies: proxies.clone(),
            ended: done,
        };
        let thread = context.tasks.thread(&format!("worker-{number}"), move || run(seat));
        thread.map_err(ServeError::Thread)?;
        cells.push(own);
        ended.push(wait);
    }
    Ok(Serving { bound, metrics: Collector::new(cells), ended })
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

    /// Returns when every worker has ended, which they do after the request to stop.
    pub async fn drained(self) {
        for worker in self.ended {
            // Workers tell by dropping their end.
            let _ = worker.await;
        }
    }
}

impl fmt::Debug for WorkerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerContext").field("settings", &self.settings).finish_non_exhaustive()
    }
}
