//! How does a test speak to a whole running system?
//!
//! `Stack` starts the real programs on free loopback ports, `Gateway` is a further one, `Alone` and
//! `KeyManager` start one of them, and `Client`, `Backend`, `Load` and `Issuer` are the people around
//! them; a `Link` is what lies between two programs, and in a `Network` each has a place of its own,
//! like the members of a `Cluster`. Nothing waits by sleeping:
//! `eventually` asks until the answer is right or the deadline is over.

pub mod alone;
pub mod backend;
pub mod client;
pub mod cluster;
pub mod engines;
pub mod gateway;
pub mod issuer;
pub mod key_manager;
pub mod link;
pub mod load;
pub mod network;
pub mod otlp;
pub mod process;
pub mod redis;
pub mod resources;
pub mod stack;

pub use alone::Alone;
pub use backend::Backend;
pub use client::{Answer, Client};
pub use cluster::Cluster;
pub use gateway::Gateway;
pub use issuer::Issuer;
pub use key_manager::KeyManager;
pub use link::{Cable, Link};
pub use load::Load;
pub use network::{Cut, Network, Place};
pub use redis::Redis;
pub use stack::{Engines, Stack};

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Asks until `question` answers with something, and fails after `limit` with `what`.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut question: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let until = Instant::now() + limit;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port of the loopback address that nobody uses at this moment, and that no outgoing connection
/// takes either: those begin at 32768. Each is handed out once.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Two suites that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(97);
    loop {
        let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % COUNT).expect("a port number");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
