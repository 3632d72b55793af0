//! Where does an operator ask? On a cleartext port of its own, without credentials: it listens on
//! the loopback address unless configured otherwise.
//!
//! This port outlives the others during a drain, so that `/readyz` can say why it is red.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use serde::Deserialize;

use super::answer::Desk;
use super::route::Route;
use crate::host::Host;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::web::{Door, Guarded, HEAD_WITHIN, Protocol, serve as serve_connection};

const CONNECTIONS: usize = 128;

/// The section `[operations]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
}

/// Why the operations port did not open.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} (operations.listen)")]
pub struct Error {
    listen: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// The operations port, bound and not yet answered.
#[derive(Debug)]
pub struct Port(TcpListener);

/// The operations port while it is answered.
#[derive(Debug)]
pub struct Open {
    address: SocketAddr,
    socket: TcpListener,
    given_up: Shutdown,
}

impl Port {
    /// Binds the port.
    pub fn bind(config: &Config) -> Result<Self, Error> {
        let listen = config.listen;
        let failed = |source| Error { listen, source };
        let socket = TcpListener::bind(listen).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self(socket))
    }

    /// A port that another process has bound and passed on.
    pub const fn passed_on(socket: TcpListener) -> Self {
        Self(socket)
    }

    /// Answers the port until the process ends or the port is given up.
    pub fn answer(self, host: &Host, extra: Vec<Route>) -> io::Result<Open> {
        let Self(socket) = self;
        let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
        let door = Door::on(listener, CONNECTIONS, host.clock.clone());
        let address = door.address()?;
        let desk = Arc::new(Desk {
            ready: host.ready.clone(),
            metrics: host.metrics.clone(),
            clock: host.clock.clone(),
            routes: extra,
        });
        let given_up = Shutdown::new(Readiness::default());
        // Not among the tasks that a drain waits for: it answers until the process ends.
        host.background.spawn("operations", accept(host.clone(), door, desk, given_up.clone()));
        tracing::info!(%address, "operations listen");
        Ok(Open { address, socket, given_up })
    }
}

impl Open {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The listening socket once more, to be passed on to another process.
    pub fn socket(&self) -> io::Result<TcpListener> {
        self.socket.try_clone()
    }

    /// Accepts nothing any more; who is connected is answered once more at most.
    pub fn give_up(&self) {
        self.given_up.request();
    }
}

/// Opens the operations port and serves it until the process ends; returns where it listens.
pub async fn serve(host: &Host, config: &Config, extra: Vec<Route>) -> Result<SocketAddr, Error> {
    let failed = |source| Error { listen: config.listen, source };
    let open = Port::bind(config)?.answer(host, extra).map_err(failed)?;
    Ok(open.address())
}

async fn accept(host: Host, door: Door, desk: Arc<Desk>, given_up: Shutdown) {
    let ended = host.ended.clone();
    let leaving = given_up.clone();
    host.background.spawn("operations end", async move {
        ended.wait().await;
        leaving.request();
    });
    let guarded =
        Guarded { clock: host.clock.clone(), shutdown: given_up.clone(), head_within: HEAD_WITHIN };
    loop {
        let (stream, _, permit) = tokio::select! {
            biased;
            () = given_up.wait() => return,
            accepted = door.accept() => accepted,
        };
        let (desk, guarded) = (Arc::clone(&desk), guarded.clone());
        host.background.spawn("operations connection", async move {
            let _room = permit;
            let answer = move |request| {
                let desk = Arc::clone(&desk);
                async move { desk.answer(request).await }
            };
            serve_connection(stream, Protocol::Http1, guarded, answer).await;
        });
    }
}
