//! Where does an operator ask? On a cleartext port of its own, without credentials: it listens on
//! the loopback address unless configured otherwise.
//!
//! This port outlives the others during a drain, so that `/readyz` can say why it is red.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::answer::Desk;
use super::route::Route;
use crate::host::Host;
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

/// Opens the operations port and serves it until the process drains; returns where it listens.
pub async fn serve(host: &Host, config: &Config, extra: Vec<Route>) -> Result<SocketAddr, Error> {
    let listen = config.listen;
    let door = Door::open(listen, CONNECTIONS, host.clock.clone()).await;
    let door = door.map_err(|source| Error { listen, source })?;
    let address = door.address().map_err(|source| Error { listen, source })?;
    let desk = Arc::new(Desk {
        ready: host.ready.clone(),
        metrics: host.metrics.clone(),
        clock: host.clock.clone(),
        routes: extra,
    });
    // Not among the tasks that a drain waits for: it answers until the process ends.
    host.background.spawn("operations", accept(host.clone(), door, desk));
    tracing::info!(%address, "operations listen");
    Ok(address)
}

async fn accept(host: Host, door: Door, desk: Arc<Desk>) {
    let guarded = Guarded {
        clock: host.clock.clone(),
        shutdown: host.ended.clone(),
        head_within: HEAD_WITHIN,
    };
    loop {
        let (stream, _, permit) = door.accept().await;
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
