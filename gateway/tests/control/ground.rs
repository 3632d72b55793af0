//! What does a test stand on? A folder whose services trust each other.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chassis::rpc::{Allow, Services};
use chassis::{Clock, Host, Shutdown};
use tempfile::TempDir;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::Channel;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a development authority.
pub(crate) struct Ground {
    folder: TempDir,
}

/// A service that the gateway speaks to.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    host: Host,
    streams: Shutdown,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(&self, name: &'static str) -> Host {
        Host::development(name, self.path()).expect("a certificate")
    }

    /// Offers `service` in the name of `peer`; port 0 is any. Its streams end with `streams`.
    pub(crate) async fn serve<S>(
        &self,
        peer: &'static str,
        port: u16,
        service: S,
        streams: Shutdown,
    ) -> Peer
    where
        S: Service<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = std::convert::Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let host = self.host(peer);
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let config = chassis::rpc::Config { listen, connections: 16 };
        let services = Services::new(turnpike_proto::DESCRIPTORS);
        let services = services.add(Allow::only(&["gateway"]), service);
        let address = chassis::rpc::serve(&host, &config, services).await.expect("a free port");
        Peer { address, host, streams }
    }

    /// A channel of the gateway to `peer`.
    pub(crate) fn channel(&self, peer: &'static str, address: SocketAddr) -> Channel {
        let tls = self.host("gateway").tls;
        chassis::rpc::channel(&tls, &format!("https://{address}"), peer).expect("an address")
    }
}

impl Peer {
    /// Ends the service, as its clients see a crash: streams break, the port refuses.
    pub(crate) async fn ends(self) {
        self.streams.request();
        self.host.shutdown.request();
        ended(&self.host).await;
    }
}

/// Waits until every task of `host` has ended.
pub(crate) async fn ended(host: &Host) {
    let ended = host.clock.timeout(PATIENCE, host.tasks.finished()).await;
    ended.expect("tasks that end when they are asked to");
}

/// Waits until `look` sees something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::system();
    let begun = clock.instant();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        let waited = clock.instant().duration_since(begun);
        assert!(waited < PATIENCE, "waited in vain: {what}");
        clock.sleep(Duration::from_millis(5)).await;
    }
}
