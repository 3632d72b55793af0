//! A server of a client, under TLS: what it says, how often it was asked, and what it was told.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chassis::Host;
use chassis::clock::Clock;
use chassis::https::{self, read, serve};
use chassis::pki::ClientAuth;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use jose::SigningKey;
use serde_json::json;

pub(crate) struct Elsewhere {
    /// It ends with the server.
    _host: Host,
    pub(crate) uri: String,
    said: Arc<Mutex<(u16, String)>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    /// One whose authority is that of the services with their files in `data`.
    pub(crate) async fn start(data: &Path) -> Self {
        let host = Host::development("control-plane", data).expect("a host");
        let said = Arc::new(Mutex::new((200, String::new())));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (saying, hearing) = (Arc::clone(&said), Arc::clone(&heard));
        let answer = move |request: Request<Incoming>| {
            let (saying, hearing) = (Arc::clone(&saying), Arc::clone(&hearing));
            async move {
                let limit = std::time::Duration::from_secs(5);
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
        Self { _host: host, uri, said, heard }
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

    /// The bodies of the requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("ears").clone()
    }
}
