//! How many connections may there be?
//!
//! At the limit nothing is accepted: new connections wait in the kernel's queue until one closes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;

// When the process is out of file descriptors, trying again at once would only burn time.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

pub(crate) struct Door {
    listener: TcpListener,
    room: Arc<Semaphore>,
    clock: Clock,
}

impl Door {
    pub(crate) async fn open(at: SocketAddr, connections: usize, clock: Clock) -> io::Result<Self> {
        Ok(Self::on(TcpListener::bind(at).await?, connections, clock))
    }

    /// A door in a socket that listens already.
    pub(crate) fn on(listener: TcpListener, connections: usize, clock: Clock) -> Self {
        let room = Arc::new(Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self { listener, room, clock }
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection, with the room it takes until the permit is dropped.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            // The semaphore is never closed; should it be, nothing can be accepted any more.
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it small answers wait for the acknowledgement of earlier ones.
                    let _ = stream.set_nodelay(true);
                    return (stream, peer, permit);
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    self.clock.sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
