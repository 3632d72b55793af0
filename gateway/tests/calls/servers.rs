//! Servers that answer as they are told, one letter each.
//!
//! They answer with their letter and what they read of the body; `fails` with a status, `hangs up`
//! without a word, `never` answers, or answers `later`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::backend::read_request;

/// What a server does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    Well,
    Fails(u16),
    /// Fails with this status and these fields.
    Says(u16, &'static str),
    HangsUp,
    Never,
    Later(Duration),
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) letter: char,
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    does: Arc<Mutex<Does>>,
}

impl Server {
    pub(crate) async fn start(letter: char) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            letter,
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            connections: Arc::default(),
            does: Arc::new(Mutex::new(Does::Well)),
        };
        let (tasks, own) = (Tasks::default(), server.clone());
        tasks.clone().spawn("server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                own.connections.fetch_add(1, Ordering::Relaxed);
                tasks.spawn("server-connection", own.clone().serve(stream));
            }
        });
        server
    }

    pub(crate) fn does(&self, what: Does) {
        *self.does.lock().unwrap() = what;
    }

    /// Calls since the last time this was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut input = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut input).await {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let does = self.does.lock().unwrap().clone();
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let (status, fields) = match does {
                Does::Well => (200, ""),
                Does::Fails(status) => (status, ""),
                Does::Says(status, fields) => (status, fields),
                Does::HangsUp => return,
                Does::Never => std::future::pending().await,
                Does::Later(pause) => {
                    Clock::system().sleep(pause).await;
                    (200, "")
                }
            };
            let answer = format!(
                "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n{fields}\r\n{}{body}",
                body.len() + 1,
                self.letter
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Servers `a`, `b`, … as many as are named.
pub(crate) async fn servers(count: usize) -> Vec<Server> {
    let mut list = Vec::new();
    for letter in ('a'..).take(count) {
        list.push(Server::start(letter).await);
    }
    list
}

/// How often each letter stands in `met`.
pub(crate) fn shares(met: &str) -> HashMap<char, usize> {
    met.chars().fold(HashMap::new(), |mut shares, letter| {
        *shares.entry(letter).or_default() += 1;
        shares
    })
}
