//! How does a test speak to a whole running system?
//!
//! `Stack` starts the real programs on free loopback ports, `Turnpike` is the command line, and
//! `App`, `Backend`, `Load` and `Issuer` are the people around them. Nothing waits by sleeping:
//! `eventually` asks until the answer is right or the deadline is over.

pub mod backend;
pub mod client;
pub mod engines;
pub mod issuer;
pub mod load;
pub mod process;
pub mod resources;
pub mod stack;
pub mod traces;

pub use backend::Backend;
pub use client::{Answer, Client};
pub use issuer::Issuer;
pub use load::Load;
pub use stack::{Engines, Stack};

use std::future::Future;
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

/// A port of the loopback address that nobody uses at this moment.
pub fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("an address").port()
}
