//! A server of a client, under TLS: what it says, how often it was asked, and what it was told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chassis::Host;
use chassis::clock::Clock;
use chassis::https::{self, read, serve};
use chassis::pki::ClientAuth;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use jose::SigningKey;
use key_manager::config::Config;
use serde_json::json;

use crate::stand::config;

/// Waits until something that others do has happened, for 20 s.
pub(crate) async fn becomes(mut happened: impl FnMut() -> bool) {
    let clock = Clock::system();
    let waiting = async {
        while !happened() {
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    clock.timeout(Duration::from_secs(20), waiting).await.expect("it happens in time");
}

pub(crate) struct Elsewhere {
    /// It ends with the server.
    _host: Host,
    pub(crate) uri: String,
    /// What it says, by path; under "" for all others.
    said: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    heard: Arc<Mutex<Vec<String>>>,
    /// Where each request went.
    paths: Arc<Mutex<Vec<String>>>,
    /// What each request had as `Authorization`.
    shown: Arc<Mutex<Vec<String>>>,
}

/// A configuration that lets a key manager reach it; `data` as with `start`.
pub(crate) fn reaching(data: &Path) -> Config {
    let mut config = config();
    config.outbound.allow =
        ["127.0.0.0/8", "::1"].map(|one| one.parse().expect("an exception")).to_vec();
    config.outbound.authorities = data.join("pki/ca.pem");
    config
}

impl Elsewhere {
    /// One whose authority is that of the services with their files in `data`.
    pub(crate) async fn start(data: &Path) -> Self {
        let host = Host::development("control-plane", data).expect("a host");
        let said = Arc::new(Mutex::new(BTreeMap::from([(String::new(), (200, String::new()))])));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let paths = Arc::<Mutex<Vec<String>>>::default();
        let parts = (Arc::clone(&said), Arc::clone(&heard), Arc::clone(&shown), Arc::clone(&paths));
        let answer = move |request: Request<Incoming>| {
            let (saying, hearing, seeing, going) = parts.clone();
            async move {
                let path = request.uri().path().to_owned();
                going.lock().expect("feet").push(path.clone());
                let shown = request.headers().get("authorization").cloned();
                let shown = shown.map(|value| value.to_str().expect("text").to_owned());
                seeing.lock().expect("eyes").push(shown.unwrap_or_default());
                let limit = Duration::from_secs(5);
                let body = read(request.into_body(), 1 << 16, &Clock::system(), limit).await;
                let body = String::from_utf8(body.expect("a body").to_vec()).expect("text");
                hearing.lock().expect("ears").push(body);
                let said = saying.lock().expect("a word");
                let (status, body) = said.get(&path).unwrap_or(&said[""]).clone();
                let answer = Response::builder().status(status);
                answer.body(Full::from(Bytes::from(body))).expect("an answer")
            }
        };
        let listen = ([127, 0, 0, 1], 0).into();
        let (certificate, key) = (String::new(), String::new());
        let port = https::Config { listen, certificate, key, connections: 16 };
        let address = serve(&host, &port, ClientAuth::None, answer).await.expect("served");
        let uri = format!("https://localhost:{}/here", address.port());
        Self { _host: host, uri, said, heard, paths, shown }
    }

    /// What it says at `path` from now on; at all others, where that is empty.
    pub(crate) fn say(&self, path: &str, status: u16, body: &str) {
        let word = (status, body.to_owned());
        self.said.lock().expect("a word").insert(path.to_owned(), word);
    }

    /// From now on it has this key.
    pub(crate) fn keep(&self, key: &SigningKey) {
        self.say("", 200, &json!({ "keys": [key.public_jwk()] }).to_string());
    }

    pub(crate) fn fail(&self) {
        self.say("", 500, "no");
    }

    pub(crate) fn well(&self) {
        self.say("", 200, "");
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.heard.lock().expect("ears").len()
    }

    /// How often it was asked at `path`.
    pub(crate) fn asked_at(&self, path: &str) -> usize {
        self.paths.lock().expect("feet").iter().filter(|known| *known == path).count()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn told(&self, times: usize) {
        becomes(|| self.asked() >= times).await;
    }

    /// The `Authorization` of the requests so far.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown.lock().expect("eyes").clone()
    }

    /// The bodies of the requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("ears").clone()
    }
}
