//! A key manager on a bench: assembled as in life, with a clock that is turned by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use chassis::{Clock, Host, ManualClock};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use key_manager::bootstrap::assemble;
use key_manager::config::Config;
use key_manager::endpoint::{Authority, LARGEST_BODY, Peer, Reply, Request, answer};
use key_manager::registration::{Application, Registered, register};
use key_manager::store::{SqlStore, Store};
use serde_json::Value;

use crate::databases::Scratch;

/// 2026-01-01T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_767_225_600;

pub(crate) struct Stand {
    pub(crate) authority: Authority,
    pub(crate) store: SqlStore,
    pub(crate) hands: ManualClock,
}

/// The configuration that everybody gets.
pub(crate) fn config() -> Config {
    let text = include_str!("../../default.toml");
    let mut config: Config = toml::from_str(text).expect("the default configuration");
    // Many stands start side by side, and a machine that is busy with them is no outage of the database.
    config.store.timeout = Duration::from_secs(20);
    config
}

impl Stand {
    pub(crate) async fn on(scratch: &Scratch) -> Self {
        Self::at(scratch, scratch.folder.path(), BEGIN).await
    }

    /// Another process, later, or elsewhere.
    pub(crate) async fn at(scratch: &Scratch, data: &Path, now: i64) -> Self {
        Self::with(scratch, data, now, config()).await
    }

    /// With another configuration.
    pub(crate) async fn with(scratch: &Scratch, data: &Path, now: i64, config: Config) -> Self {
        let begin = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).expect("a time"));
        let (clock, hands) = Clock::manual(begin);
        let mut host = Host::development("key-manager", data).expect("a host");
        host.clock = clock;
        host.data = data.to_owned();
        let store =
            SqlStore::open(&scratch.url, &config.store, &host.clock).await.expect("a store");
        let kept: Arc<dyn Store> = Arc::new(store.clone());
        let authority = assemble(&config, &host, kept).await.expect("a key manager");
        Self { authority, store, hands }
    }

    pub(crate) async fn client(&self, scopes: &[&str]) -> Registered {
        self.register(Application {
            name: "orders app".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..Application::default()
        })
        .await
    }

    pub(crate) async fn register(&self, application: Application) -> Registered {
        register(&self.authority, &application).await.expect("a client")
    }

    /// A client that is there already; its secret is known to whoever made it.
    pub(crate) async fn store_client(&self, id: &str) -> Registered {
        let id = key_manager::domain::ClientId::parse(id).expect("an identifier");
        let stored = self.store.client(&id).await.expect("an answer").expect("a client");
        Registered { client: stored.client, secret: zeroize::Zeroizing::default() }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.hands.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn ask(&self, request: &Request) -> Reply {
        answer(&self.authority, request).await
    }

    /// Posts a form as `client`, by `client_secret_basic`.
    pub(crate) async fn post(&self, path: &str, client: &Registered, form: &str) -> Reply {
        let id = client.client.id.as_str();
        self.ask(&post(path, form).basic(id, &client.secret)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&Request { method: Method::GET, body: Some(Bytes::new()), ..post(path, "") }).await
    }

    pub(crate) async fn token(&self, client: &Registered) -> String {
        let reply = self.post("/oauth2/token", client, "grant_type=client_credentials").await;
        text(&json(&reply), "access_token")
    }

    /// Whether `client` hears that `token` is good.
    pub(crate) async fn active(&self, client: &Registered, token: &str) -> bool {
        let reply = self.post("/oauth2/introspect", client, &format!("token={token}")).await;
        json(&reply)["active"].as_bool().expect("active")
    }

    pub(crate) async fn kids(&self) -> Vec<String> {
        let reply = json(&self.get("/oauth2/jwks").await);
        reply["keys"].as_array().expect("keys").iter().map(|key| text(key, "kid")).collect()
    }
}

/// A POST of a form over TLS.
pub(crate) fn post(path: &str, form: &str) -> Request {
    let mut headers = HeaderMap::new();
    let media = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(http::header::CONTENT_TYPE, media);
    Request {
        method: Method::POST,
        path: path.to_owned(),
        query: None,
        headers,
        body: Some(Bytes::from(form.to_owned())).filter(|body| body.len() <= LARGEST_BODY),
        peer: Peer { address: None, certificate: None, secure: true },
    }
}

pub(crate) trait Dressed {
    fn header(self, name: &'static str, value: &str) -> Self;
    fn basic(self, id: &str, secret: &str) -> Self;
}

impl Dressed for Request {
    fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn basic(self, id: &str, secret: &str) -> Self {
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        self.header("authorization", &format!("Basic {credentials}"))
    }
}

/// The status, and the error code if there is one.
pub(crate) fn said(reply: &Reply) -> String {
    let status = reply.status().as_u16();
    match serde_json::from_slice::<Value>(reply.body()) {
        Ok(Value::Object(body)) if body.contains_key("error") => {
            format!("{status} {}", body["error"].as_str().expect("a code"))
        }
        _ => status.to_string(),
    }
}

pub(crate) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body()).expect("JSON")
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// A part of a JWT: 0 is the header, 1 the claims.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}
