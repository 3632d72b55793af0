//! A server of a client, under TLS: what it says, how often it was asked, and what it was told.

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

pub(crate) struct Elsewhere {
    /// It ends with the server.
    _host: Host,
    pub(crate) uri: String,
    said: Arc<Mutex<(u16, String)>>,
    heard: Arc<Mutex<Vec<String>>>,
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
        let said = Arc::new(Mutex::new((200, String::new())));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let parts = (Arc::clone(&said), Arc::clone(&heard), Arc::clone(&shown));
        let answer = move |request: Request<Incoming>| {
            let (saying, hearing, seeing) = parts.clone();
            async move {
                let shown = request.headers().get("authorization").cloned();
                let shown = shown.map(|value| value.to_str().expect("text").to_owned());
                seeing.lock().expect("eyes").push(shown.unwrap_or_default());
                let limit = Duration::from_secs(5);
                let body = read(request.into_body(), 1 << 16, &Clock::system(), limit).await;
                let body = String::from_utf8(body.expect("a body").to_vec()).expect("text");
                hearing.lock().expect("ears").push(body);
                let (status, body) = saying.lock().expect("a word").clone();
                let answer = Response::builder().status(status);
                answer.body(Full::from(Bytes::from(body))).expect("an answer")
            }
        };
        let listen = ([127, 0, 0, 1], 0).into();
        let (certificate, key) = (String::new(), String::new());
        let port = https::Config { listen, certificate, key, connections: 16 };
        let address = serve(&host, &port, ClientAuth::None, answer).await.expect("served");
        let uri = format!("https://localhost:{}/here", address.port());
        Self { _host: host, uri, said, heard, shown }
    }

    /// From now on it has this key.
    pub(crate) fn keep(&self, key: &SigningKey) {
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        *self.said.lock().expect("a word") = (200, set);
    }

    pub(crate) fn fail(&self) {
        *self.said.lock().expect("a word") = (500, "no".to_owned());
    }

    pub(crate) fn well(&self) {
        *self.said.lock().expect("a word") = (200, String::new());
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.heard.lock().expect("ears").len()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn told(&self, times: usize) {
        let clock = Clock::system();
        let waiting = async {
            while self.asked() < times {
                clock.sleep(Duration::from_millis(5)).await;
            }
        };
        clock.timeout(Duration::from_secs(20), waiting).await.expect("told in time");
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
