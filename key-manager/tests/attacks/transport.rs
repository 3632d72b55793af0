//! Attack list, transport: does the port stand slow, large and odd requests, and does no header say who
//! we are?
//!
//! Bodies, methods and media types of every endpoint are in `inputs.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use chassis::{Clock, Host, ManualClock};
use http::Method;
use key_manager::audit::Event;
use key_manager::bootstrap::assemble;
use key_manager::edge;
use key_manager::endpoint::{Authority, Request};
use key_manager::registration::Access;
use key_manager::store::{SqlStore, Store};
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use turnpike_proto::identity::v1::ListAuditRequest;
use turnpike_proto::identity::v1::audit_client::AuditClient;

use crate::browser::{Browser, wish};
use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, post, said, text};

/// A key manager with its ports open, and a clock that is turned by hand.
struct Ports {
    host: Host,
    hands: ManualClock,
    authority: Authority,
    https: SocketAddr,
    rpc: SocketAddr,
}

impl Ports {
    async fn open(scratch: &Scratch) -> Self {
        let data = scratch.folder.path();
        let begin = UNIX_EPOCH + Duration::from_secs(u64::try_from(BEGIN).expect("a time"));
        let (clock, hands) = Clock::manual(begin);
        let mut host = Host::development("key-manager", data).expect("a host");
        (host.clock, host.data) = (clock, data.to_owned());
        let mut config = config();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        (config.https.listen, config.rpc.listen) = (any, any);
        // Its clock is turned while it works.
        config.store.timeout = Duration::from_hours(1);
        let store = SqlStore::open(&scratch.url, &config.store, &host.clock).await;
        let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
        let authority = assemble(&config, &host, store).await.expect("a key manager");
        let https = edge::https(&host, &config.https, &authority).await.expect("a port");
        let rpc = edge::rpc(&host, &config.rpc, 8, &authority).await.expect("a port");
        Self { host, hands, authority, https, rpc }
    }

    async fn connect(&self, scratch: &Scratch) -> TlsStream<TcpStream> {
        let peer = Host::development("gateway", scratch.folder.path()).expect("a host");
        let tls = peer.tls.client_config(&["http/1.1"]).expect("a configuration");
        let stream = TcpStream::connect(self.https).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        TlsConnector::from(tls).connect(name, stream).await.expect("TLS")
    }

    /// What is answered until the connection closes, while the clock is turned on.
    async fn until_closed(&self, mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            let _ = stream.read_to_end(&mut bytes).await;
        };
        let real = Clock::system();
        let turning = async {
            for _ in 0..2_000 {
                real.sleep(Duration::from_millis(5)).await;
                self.hands.advance(Duration::from_millis(100));
            }
            panic!("the connection stays open");
        };
        tokio::select! {
            () = reading => {}
            () = turning => {}
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One request of somebody else; the status line.
    async fn served(&self, scratch: &Scratch) -> String {
        let mut stream = self.connect(scratch).await;
        let request = "GET /oauth2/jwks HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        self.host.shutdown.request();
    }
}

const HEAD: &str = "POST /oauth2/token HTTP/1.1\r\nHost: km\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_is_cut_and_holds_up_nobody() {
    let scratch = Scratch::sqlite();
    let ports = Ports::open(&scratch).await;
    let mut slow = Vec::new();
    for begun in [
        "POST /oauth2/to".to_owned(),
        HEAD.to_owned(),
        format!("{HEAD}X-Slow: "),
        format!("{HEAD}Content-Length: 1000\r\n\r\n"),
        format!("{HEAD}Content-Length: 1000\r\n\r\ngrant_type="),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\ngrant"),
    ] {
        let mut stream = ports.connect(&scratch).await;
        stream.write_all(begun.as_bytes()).await.expect("sent");
        slow.push((begun, stream));
    }
    let silent = TcpStream::connect(ports.https).await.expect("connected");
    assert_eq!(ports.served(&scratch).await, "HTTP/1.1 200 OK");
    for (begun, stream) in slow {
        let said = ports.until_closed(stream).await;
        let cut = said.is_empty() || said.starts_with("HTTP/1.1 408");
        assert!(cut, "{begun}: {said}");
        assert_eq!(begun.contains("\r\n\r\n"), said.starts_with("HTTP/1.1 408"), "{begun}");
    }
    assert_eq!(ports.until_closed(silent).await, "");
    assert_eq!(ports.served(&scratch).await, "HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_much_is_told_and_is_not_listened_to() {
    let scratch = Scratch::sqlite();
    let ports = Ports::open(&scratch).await;
    let fields = (0..200).map(|at| format!("X-{at}: y\r\n")).collect::<Vec<_>>().concat();
    let long = "y".repeat(100_000);
    for (name, request, status) in [
        ("many fields", format!("{HEAD}{fields}Content-Length: 0\r\n\r\n"), "431"),
        (
            "a long field",
            format!("{HEAD}X: {}\r\nContent-Length: 0\r\n\r\n", long.repeat(4)),
            "431",
        ),
        (
            "a password of ten megabytes",
            format!("{HEAD}Content-Length: 10485760\r\n\r\npassword={long}"),
            "413",
        ),
        ("no end", format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n186a0\r\n{long}\r\n"), "413"),
        ("two lengths", format!("{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "400"),
        ("a length that is none", format!("{HEAD}Content-Length: -1\r\n\r\nab"), "400"),
        ("no HTTP", "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = ports.connect(&scratch).await;
        // It may stop reading before all is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let said = ports.until_closed(stream).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {said}");
        assert_eq!(ports.served(&scratch).await, "HTTP/1.1 200 OK", "after {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_audit_log_is_bounded_whoever_asks_for_more() {
    let scratch = Scratch::sqlite();
    let ports = Ports::open(&scratch).await;
    for _ in 0..1_050 {
        ports.authority.audit.record(Event::of("login.failed")).await.expect("noted");
    }
    let admin = Host::development("admin", scratch.folder.path()).expect("a host");
    let address = format!("https://{}", ports.rpc);
    let channel = chassis::rpc::channel(&admin.tls, &address, "key-manager").expect("a channel");
    let mut audit = AuditClient::new(channel);
    for (limit, lines) in [(0, 100), (1, 1), (1_000, 1_000), (u32::MAX, 1_000)] {
        let asked = ListAuditRequest { limit, ..ListAuditRequest::default() };
        let found = audit.list(asked).await.expect("lines").into_inner().lines;
        assert_eq!(found.len(), lines, "{limit}");
    }
}

#[tokio::test]
async fn a_token_is_shown_in_one_header_and_never_in_the_url() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    stand.person().await;
    let client = stand.app().await;
    let token = text(&stand.tokens(&client).await, "access_token");
    let get = || Request { method: Method::GET, ..post("/oauth2/userinfo", "") };
    let with = |value: &str| get().header("authorization", value);
    let good = format!("Bearer {token}");
    let table = [
        ("as it should be", with(&good), "200"),
        ("the scheme in capitals", with(&format!("BEARER {token}")), "200"),
        ("nothing", get(), "401 invalid_token"),
        (
            "in the URL",
            Request { query: Some(format!("access_token={token}")), ..get() },
            "401 invalid_token",
        ),
        ("twice", with(&good).header("authorization", &good), "401 invalid_token"),
        ("beside Basic", with(&good).header("authorization", "Basic YTpi"), "401 invalid_token"),
        ("behind Basic", with("Basic YTpi").header("authorization", &good), "401 invalid_token"),
        ("two in one", with(&format!("{good}, {good}")), "401 invalid_token"),
        ("with parameters", with(&format!("Bearer token=\"{token}\"")), "401 invalid_token"),
        ("as Basic", with(&format!("Basic {token}")), "401 invalid_token"),
        ("without a scheme", with(&token), "401 invalid_token"),
        ("an empty one", with("Bearer "), "401 invalid_token"),
        (
            "in a cookie",
            get().header("cookie", &format!("access_token={token}")),
            "401 invalid_token",
        ),
        ("in another header", get().header("x-access-token", &token), "401 invalid_token"),
        (
            "in header and form",
            post("/oauth2/userinfo", &format!("access_token={token}"))
                .header("authorization", &good),
            "400 invalid_request",
        ),
        (
            "twice in the form",
            post("/oauth2/userinfo", &format!("access_token={token}&access_token={token}")),
            "401 invalid_token",
        ),
    ];
    for (name, request, answer) in table {
        let reply = stand.ask(&request).await;
        assert_eq!(said(&reply), answer, "{name}");
        assert!(!String::from_utf8_lossy(reply.body()).contains(&token), "{name}: it is said back");
    }
    // Nor are parameters of a POST read from the URL.
    for path in ["token", "introspect", "revoke", "par", "device_authorization", "bc-authorize"] {
        let query = Some(format!("token={token}&grant_type=client_credentials"));
        let request = Request { query, ..post(&format!("/oauth2/{path}"), "") };
        assert_eq!(said(&stand.ask(&request).await), "400 invalid_request", "{path}");
    }
}

#[tokio::test]
async fn no_field_says_who_we_are_or_what_is_asked() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.registration.access = Access::Everybody;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let client = stand
        .register(key_manager::registration::Application {
            grant_types: ["authorization_code", "refresh_token", grant].map(str::to_owned).to_vec(),
            ..crate::browser::app()
        })
        .await;
    let poisoned = |request: Request| {
        request
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-server", "evil.example")
            .header("x-forwarded-proto", "http")
            .header("x-forwarded-prefix", "/evil.example")
            .header("x-original-host", "evil.example")
            .header("x-rewrite-url", "/oauth2/jwks")
            .header("x-original-url", "https://evil.example/oauth2/jwks")
            .header("x-http-method-override", "DELETE")
            .header("x-http-method", "DELETE")
            .header("x-method-override", "DELETE")
            .header("x-forwarded-for", "127.0.0.1")
            .header("forwarded", "for=127.0.0.1;host=evil.example;proto=http")
            .header("origin", "https://evil.example")
            .header("referer", "https://evil.example/")
    };
    let id = client.client.id.as_str();
    let mut registering = post("/oauth2/register", "");
    registering.headers.insert("content-type", "application/json".parse().expect("a value"));
    let metadata = json!({ "redirect_uris": [crate::browser::CALLBACK] }).to_string();
    let registering = Request { body: Some(metadata.into()), ..registering };
    let get = |path: &str, query: &str| Request {
        method: Method::GET,
        query: Some(query.to_owned()),
        ..post(path, "")
    };
    let asked = [
        (get("/.well-known/openid-configuration", ""), 200),
        (get("/oauth2/authorize", &wish(&client, &[])), 200),
        (post("/oauth2/authorize", &wish(&client, &[])), 303),
        (get("/oauth2/authorize", &wish(&client, &[("prompt", "none")])), 303),
        (get("/oauth2/account", ""), 200),
        (get("/oauth2/logout", ""), 200),
        (post("/oauth2/device_authorization", &format!("client_id={id}")), 200),
        (post("/oauth2/par", &wish(&client, &[])), 201),
        (registering, 201),
        (post("/oauth2/token", "grant_type=x"), 401),
        (get("/oauth2/userinfo", ""), 401),
        (get("/oauth2/nothing", ""), 404),
    ];
    for (request, status) in asked {
        let path = request.path.clone();
        let reply = stand.ask(&poisoned(request)).await;
        assert_eq!(reply.status().as_u16(), status, "{path}");
        let shown = String::from_utf8_lossy(reply.body()).into_owned();
        assert!(!shown.contains("evil.example"), "{path}: {shown}");
        for (name, value) in reply.headers() {
            let value = value.to_str().expect("text");
            assert!(!value.contains("evil.example"), "{path}: {name}: {value}");
            // What anybody may read, a page of any site may; nothing that is somebody's.
            let shared = path.starts_with("/.well-known/") && value == "*";
            assert!(shared || !name.as_str().starts_with("access-control-"), "{path}: {name}");
        }
        let parsed = serde_json::from_slice::<serde_json::Value>(reply.body());
        if let Ok(told) = parsed
            && let Some(at) = told.get("verification_uri").or(told.get("registration_client_uri"))
        {
            assert!(at.as_str().expect("a URL").starts_with("https://127.0.0.1:9453/oauth2/"));
        }
    }
    // A browser that is sent on stays here.
    let page = Browser::new(&stand).authorize(&wish(&client, &[])).await;
    assert!(String::from_utf8_lossy(page.body()).contains("action=\"/oauth2/login\""));
    let told = body(&stand.get("/.well-known/openid-configuration").await);
    assert_eq!(told["issuer"], "https://127.0.0.1:9453/oauth2");
}
