//! A gateway's data path on loopback, and a client that speaks plainly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::pki::ClientAuth;
use gateway::access_log::AccessLog;
use gateway::assertions::{Keeper, Rules, Signers};
use gateway::bearer::Bearers;
use gateway::credentials::{self, Revocations};
use gateway::generation::{Current, Generation, ResidentKeys};
use gateway::limits::Ways;
use gateway::overload::{self, Memory, Overload};
use gateway::receiver::{self, Listen, Serving, Settings, WorkerContext};
use gateway::rpc::{introspection, missing_keys, passwords, token_endpoint};
use gateway::sender;
use gateway::servers::Registry;
use gateway::snapshot::{Certificates, State};
use gateway::usage::Recording;
use jose::{Algorithm, KeySet, SigningKey};
use plan::Plan;
use serde_json::json;
use spool::Reporting;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::backend::Backend;
use crate::introspector::Introspector;
use crate::reports::Reports;

pub(crate) const ISSUER: &str = "https://127.0.0.1:9453/oauth2";
/// An API that asks for nothing.
pub(crate) const OPEN: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: open, version: "1.0" }
spec:
  context: /open
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
"#;
/// Nothing here takes longer unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Stand {
    pub(crate) host: Host,
    pub(crate) backend: Backend,
    pub(crate) current: Arc<Current>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) serving: Serving,
    pub(crate) store: Arc<cache::Store>,
    certificates: Arc<Certificates>,
    pub(crate) key: SigningKey,
    /// Calls are reported for as long as it is kept.
    _reporting: Option<Reporting>,
    data: TempDir,
}

/// Services that the gateway asks or tells, if they are there.
#[derive(Default)]
struct Partners {
    introspector: Option<Introspector>,
    reports: Option<Reports>,
}

impl Stand {
    /// One worker that serves `resources`, where `BACKEND` stands for the backend's address and
    /// `JWKS` for the key that tokens are signed with.
    pub(crate) async fn start(resources: &str) -> Self {
        Self::with(resources, |_| {}).await
    }

    pub(crate) async fn with(resources: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::within(Memory::default(), resources, change).await
    }

    /// The same within bounds of memory.
    pub(crate) async fn within(
        memory: Memory,
        resources: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::built(memory, resources, change, Partners::default(), |_| Ways::default()).await
    }

    /// The same as [`Stand::start`] where somebody is asked about tokens.
    pub(crate) async fn asking(resources: &str, introspector: Introspector) -> Self {
        let ways = |_: &Host| Ways::default();
        let partners = Partners { introspector: Some(introspector), reports: None };
        Self::built(Memory::default(), resources, |_| {}, partners, ways).await
    }

    /// The same as [`Stand::start`] where calls are reported.
    pub(crate) async fn reporting(resources: &str, reports: Reports) -> Self {
        let partners = Partners { introspector: None, reports: Some(reports) };
        Self::built(Memory::default(), resources, |_| {}, partners, |_| Ways::default()).await
    }

    /// The same as [`Stand::start`] with ways to those who count for all gateways.
    pub(crate) async fn sharing(resources: &str, ways: impl FnOnce(&Host) -> Ways) -> Self {
        Self::built(Memory::default(), resources, |_| {}, Partners::default(), ways).await
    }

    /// The same with other settings of the receiver.
    pub(crate) async fn sharing_with(
        resources: &str,
        change: impl FnOnce(&mut Settings),
        ways: impl FnOnce(&Host) -> Ways,
    ) -> Self {
        Self::built(Memory::default(), resources, change, Partners::default(), ways).await
    }

    async fn built(
        memory: Memory,
        resources: &str,
        change: impl FnOnce(&mut Settings),
        partners: Partners,
        ways: impl FnOnce(&Host) -> Ways,
    ) -> Self {
        let memory = Arc::new(memory);
        let data = TempDir::new().unwrap();
        let host = Host::development("gateway", data.path()).unwrap();
        let tls = host.tls.server_config(ClientAuth::None, &["http/1.1"]).unwrap();
        let backend = Backend::start(&host.tasks, tls).await;
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let plan = plan(&Plan::empty(), &filled(resources, &backend, &key));
        let current = Arc::new(Current::new(generation(1, plan, &key)));
        let revocations = Arc::new(Revocations::new());
        let store = Arc::new(cache::Store::new(8 << 20));
        let mut settings = settings();
        change(&mut settings);
        if settings.receiver.client_authorities == "OWN" {
            settings.receiver.client_authorities =
                data.path().join("pki/ca.pem").to_string_lossy().into_owned();
        }
        let introspection = match partners.introspector {
            Some(introspector) => introspector.serve(&host, data.path()).await,
            None => introspection::Handle::off(),
        };
        let reporting = match partners.reports {
            Some(reports) => Some(reports.serve(&host, data.path()).await),
            None => None,
        };
        let recording = reporting.as_ref().map_or_else(Recording::off, |it| Recording::to(it, "s"));
        let signers = signers(&host, &current.load().plan).await;
        let (certificates, shown) = receiver::tls(&settings.receiver, &host).unwrap();
        certificates.follow(&current.load().plan);
        let context = WorkerContext {
            limits: ways(&host),
            current: Arc::clone(&current),
            revocations: Arc::clone(&revocations),
            tls: shown,
            store: Arc::clone(&store),
            token_endpoint: token_endpoint::Handle::off(),
            introspection,
            passwords: passwords::Handle::off(),
            proofs: Arc::default(),
            missing_keys: missing_keys::Handle::off(),
            bearers: Bearers::start(
                Arc::clone(&current),
                host.clock.clone(),
                &host.tasks,
                settings.sender.token_timeout,
            ),
            signers,
            recording,
            clock: host.clock.clone(),
            shutdown: host.shutdown.clone(),
            tasks: host.tasks.clone(),
            memory: Arc::clone(&memory),
            servers: Arc::new(Registry::new(host.clock.instant())),
            access_log: AccessLog::default(),
            watched: Arc::default(),
            settings,
        };
        if memory.limit() > 0 {
            host.tasks.spawn("memory", overload::watch(memory, host.clone()));
        }
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listen = Listen { http: vec![any], https: vec![any] };
        let serving = receiver::serve(1, &listen, &context).unwrap();
        Self {
            host,
            backend,
            current,
            revocations,
            serving,
            store,
            certificates,
            key,
            _reporting: reporting,
            data,
        }
    }

    /// Where its certificates lie.
    pub(crate) fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// The certificate of the authority that signed the backend's, indented for a resource.
    pub(crate) fn authority(&self) -> String {
        let authority = std::fs::read_to_string(self.data.path().join("pki/ca.pem")).unwrap();
        authority.replace('\n', "\n    ")
    }

    /// Puts other resources in force.
    pub(crate) fn publish(&self, resources: &str) {
        let before = self.current.load();
        let plan = plan(&before.plan, &filled(resources, &self.backend, &self.key));
        let number = before.number + 1;
        self.certificates.follow(&plan);
        self.current.swap(generation(number, plan, &self.key));
    }

    /// A token of this client; `more` overrides claims.
    pub(crate) fn token(&self, client: &str, more: &serde_json::Value) -> String {
        let now = self.host.clock.unix_seconds();
        let mut claims = json!({
            "iss": ISSUER, "sub": client, "client_id": client, "aud": "any",
            "jti": chassis::random::token(16), "iat": now, "exp": now + 600,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// A JWT of this type, signed as tokens are.
    pub(crate) fn signed(&self, typ: &str, claims: &serde_json::Value) -> String {
        self.key.sign(typ, claims).unwrap()
    }

    pub(crate) fn bearer(&self, client: &str) -> String {
        format!("authorization: Bearer {}\r\n", self.token(client, &json!({})))
    }

    pub(crate) async fn client(&self) -> Client {
        Client(TcpStream::connect(self.serving.http()[0]).await.unwrap())
    }

    /// Sends "METHOD target" with header lines and a body on a connection of its own.
    pub(crate) async fn call(&self, line: &str, fields: &str, body: &str) -> Answer {
        let mut client = self.client().await;
        client.say(&request(line, fields, body)).await;
        client.hear().await
    }

    /// A number of the worker.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(self.serving.metrics()));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no number {name} in\n{text}")).parse().unwrap()
    }

    /// Waits until a number of the worker is what it should be.
    pub(crate) async fn until(&self, name: &str, wanted: u64) {
        let reached = async {
            while self.number(name) != wanted {
                self.host.clock.sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = self.host.clock.timeout(LIMIT, reached).await;
        assert!(waited.is_ok(), "{name} is {}, not {wanted}", self.number(name));
    }
}

pub(crate) fn request(line: &str, fields: &str, body: &str) -> String {
    let length =
        if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nhost: api.example\r\n{fields}{length}\r\n{body}")
}

fn settings() -> Settings {
    Settings {
        receiver: receiver::Config {
            http: vec![],
            https: vec![],
            workers: 1,
            max_connections: 64,
            max_connections_per_address: 0,
            max_header_bytes: 16 * 1024,
            max_headers: 100,
            max_target_bytes: 4096,
            max_body: 1 << 30,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            min_rate: 240,
            certificate: String::new(),
            key: String::new(),
            client_certificates: receiver::Asked::None,
            client_authorities: String::new(),
            forward_client_certificate: gateway::certificate::Told::None,
            tls_timeout: Duration::from_secs(10),
            websocket_idle: Duration::from_secs(30),
            websocket_max_message: 16 << 20,
            max_streams: 128,
            max_control_frames: 1000,
            max_resets: 200,
            drain_pause: Duration::ZERO,
            drain_idle: Duration::from_millis(50),
            drain: Duration::from_secs(10),
            trusted_proxies: vec![],
            client_from: chassis::proxies::Source::default(),
            proxy_protocol: vec![],
        },
        sender: sender::Config {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_idle: 16,
            http2_streams: 10,
            http2_ping: Duration::from_secs(30),
            token_timeout: Duration::from_secs(2),
            max_connections: 64,
            max_copies: 8,
            max_per_server: 64,
        },
        overload: Overload::default(),
        credentials: credentials::Config { cache: 1024 },
        jwts: 1024,
    }
}

/// The keys of a gateway without a key manager, made for what `plan` signs with.
async fn signers(host: &Host, plan: &Plan) -> Arc<Signers> {
    let signers = Arc::new(Signers::new("turnpike"));
    let state = State { plan: plan.clone(), ..State::empty() };
    let (_states, states) = tokio::sync::watch::channel(Arc::new(state));
    let rules = Rules { rotate: 86_400, publish: 900, patience: 5, alone: true };
    let kept = Keeper::restore(Arc::clone(&signers), rules, None, states, host.clone());
    kept.await.unwrap();
    signers
}

/// The resources with the backend's address and the keys in their places.
fn filled(resources: &str, backend: &Backend, key: &SigningKey) -> String {
    resources
        .replace("BACKEND", &backend.address.to_string())
        .replace("SECURE", &backend.secure.port().to_string())
        .replace("JWKS", &key_set(key))
}

fn key_set(key: &SigningKey) -> String {
    json!({ "keys": [key.public_jwk()] }).to_string()
}

fn plan(before: &Plan, resources: &str) -> Plan {
    let (resources, problems) = plan::read_document(resources, "test.yaml");
    assert!(problems.is_empty(), "{problems:#?}");
    let upserts: Vec<_> = resources
        .iter()
        .map(|resource| (plan::key(resource).unwrap(), plan::encode(resource)))
        .collect();
    let (plan, rejected) = before.replaced(&upserts);
    assert!(rejected.is_empty(), "{rejected:#?}");
    plan
}

fn generation(number: u64, plan: Plan, key: &SigningKey) -> Generation {
    let keys = Arc::new(KeySet::parse(&key_set(key)).unwrap());
    let keys = ResidentKeys { issuer: ISSUER.to_owned(), keys };
    let backends = sender::Backends::first().unwrap().following(&plan).unwrap();
    Generation::new(number, plan, Some(keys), backends)
}

/// A connection of a client.
pub(crate) struct Client(pub(crate) TcpStream);

/// What a client heard.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head in lower case, with line ends.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One whole answer.
    pub(crate) async fn hear(&mut self) -> Answer {
        let heard = tokio::time::timeout(LIMIT, self.hear_any()).await.expect("an answer in time");
        heard.expect("a whole answer")
    }

    /// The answer; `None`: the connection closed before its end.
    pub(crate) async fn hear_any(&mut self) -> Option<Answer> {
        let mut wire = Vec::new();
        let (mut answer, mut body) = loop {
            let Some(end) = wire.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.more(&mut wire).await?;
                continue;
            };
            let body = wire.split_off(end + 4);
            let head = String::from_utf8_lossy(&wire).to_lowercase();
            let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
            if !(102..200).contains(&status) {
                break (Answer { status, head, body: String::new() }, body);
            }
            // What is said before the answer is stepped over.
            wire = body;
        };
        if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().ok()?;
            while body.len() < length {
                self.more(&mut body).await?;
            }
        } else if answer.field("transfer-encoding").is_some() {
            while !body.ends_with(b"0\r\n\r\n") {
                self.more(&mut body).await?;
            }
            body = unchunked(&body);
        }
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    async fn more(&mut self, wire: &mut Vec<u8>) -> Option<()> {
        let read = self.0.read_buf(wire).await.unwrap_or(0);
        (read > 0).then_some(())
    }

    /// Whether the gateway closes the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        tokio::time::timeout(LIMIT, self.0.read_to_end(&mut rest)).await.is_ok()
    }
}

fn unchunked(mut wire: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = wire.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&wire[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&wire[line + 2..line + 2 + size]);
        wire = &wire[line + 2 + size + 2..];
    }
    body
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.map(str::trim)
    }

    /// The status and the number in the body of a fault.
    pub(crate) fn fault(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        format!("{} {}", self.status, body["code"].as_str().unwrap_or("-"))
    }
}
