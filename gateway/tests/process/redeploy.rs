//! Does a gateway that does all it can notice that everything it serves is replaced?
//!
//! Each revision sends calls to another backend below another path, and says its number to the
//! backend and to the client: an answer whose three numbers differ has seen two revisions.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::{Clock, Tasks};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::ground::{Backend, PATIENCE, Place, backend, beside_others};

/// For how long; `TURNPIKE_REDEPLOY_SECONDS` says another time.
const SECONDS: u64 = 4;
const APIS: usize = 20;
/// HTTP/1.1 connections, and streams of the one connection of HTTP/2.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 4;

/// Puts revision `number` in the place of whatever is served: every API with another backend, path,
/// time limit and policies, and every second time an API more.
fn deploy(place: &Place, number: u64, backends: &[Backend; 2]) {
    let backend = backends[usize::from(number % 2 == 1)].address;
    let mut all = String::new();
    let guest = (number % 2 == 1).then(|| "guest".to_owned());
    for name in (0..APIS).map(|api| format!("api{api}")).chain(guest) {
        let more = format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \"1.0\" }}\n\
             spec:\n  context: /{name}\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
             endpoints:\n    production:\n      urls: [\"http://{backend}/{number}\"]\n      \
             timeout: {}s\n      retries: {{ off: true }}\n  policies:\n    \
             request: [{{ setHeader: {{ name: x-revision, value: \"{number}\" }} }}]\n    \
             response: [{{ setHeader: {{ name: x-revision, value: \"{number}\" }} }}]\n",
            20 + number % 20,
        );
        let _ = all.write_str(&more);
    }
    let file = place.folder.join("resources/all.yaml");
    let aside = file.with_extension("new");
    fs::write(&aside, all).unwrap();
    fs::rename(aside, file).unwrap();
}

/// Something that takes a call and answers it.
enum Line {
    Connection(http1::SendRequest<Empty<Bytes>>),
    Stream(http2::SendRequest<Empty<Bytes>>),
}

impl Line {
    async fn connection(at: SocketAddr, tasks: &Tasks) -> Self {
        let stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tasks.spawn("connection", async move { drop(connection.await) });
        Self::Connection(sender)
    }

    /// So many streams of one connection.
    async fn streams(at: SocketAddr, tasks: &Tasks, count: usize) -> Vec<Self> {
        let stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = opened.unwrap();
        tasks.spawn("connection", async move { drop(connection.await) });
        (0..count).map(|_| Self::Stream(sender.clone())).collect()
    }

    async fn send(&mut self, api: usize) -> hyper::Result<Response<Incoming>> {
        let path = format!("/api{api}/1.0/x");
        match self {
            Self::Connection(sender) => {
                sender.ready().await?;
                let request = Request::get(path).header("host", "x").body(Empty::new()).unwrap();
                sender.send_request(request).await
            }
            Self::Stream(sender) => {
                sender.ready().await?;
                let request = Request::get(format!("http://x{path}")).body(Empty::new()).unwrap();
                sender.send_request(request).await
            }
        }
    }

    /// One call; the revision that answered it, or what a user would see.
    async fn call(&mut self, api: usize) -> Result<u64, String> {
        let answer = self.send(api).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("body: {error:?}"))?.to_bytes();
        if head.status != 200 {
            return Err(format!("{} {body:?}", head.status));
        }
        let field = |name: &str| head.headers.get(name)?.to_str().ok();
        let number = field("x-revision").and_then(|text| text.parse().ok()).unwrap_or(0);
        let agreed = format!("/{number}/x {number}");
        match field("x-saw") {
            Some(saw) if saw == agreed && field("x-backend") == Some(side(number)) => Ok(number),
            saw => Err(format!("revision {number} answers for {saw:?}")),
        }
    }
}

fn side(number: u64) -> &'static str {
    if number % 2 == 1 { "right" } else { "left" }
}

/// Calls as fast as it goes until `stop`; how many were good, and what was not.
async fn calling(mut line: Line, stop: Arc<AtomicBool>, newest: Arc<AtomicU64>) -> Tally {
    let (mut good, mut bad, mut last) = (0, Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        match line.call(usize::try_from(good).unwrap() % APIS).await {
            Ok(number) if number < last => bad.push(format!("{number} after {last}")),
            Ok(number) => {
                (good, last) = (good + 1, number);
                newest.fetch_max(number, Ordering::Relaxed);
            }
            Err(error) => bad.push(error),
        }
        if bad.len() > 10 {
            break;
        }
    }
    (good, bad)
}

type Tally = (u64, Vec<String>);

/// Deploys again and again for `time`, each revision once the one before is seen in answers, while
/// calls are made as fast as they are answered. No call fails, and none sees two revisions.
async fn check(time: Duration) {
    let _machine = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let backends = [backend("left").await, backend("right").await];
    let place = Place::new(folder.path(), backends[0].address, "workers = 2\n");
    deploy(&place, 1, &backends);
    let mut gateway = place.start(&[]).await;
    let (tasks, clock) = (Tasks::default(), Clock::system());
    let mut lines = Line::streams(place.http, &tasks, STREAMS).await;
    for _ in 0..CONNECTIONS {
        lines.push(Line::connection(place.http, &tasks).await);
    }
    let (stop, newest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<JoinHandle<Tally>> = lines
        .into_iter()
        .map(|line| tasks.spawn("caller", calling(line, Arc::clone(&stop), Arc::clone(&newest))))
        .collect();
    let (begun, mut number) = (clock.instant(), 1);
    while clock.instant().duration_since(begun) < time {
        number += 1;
        deploy(&place, number, &backends);
        let seen = async {
            while newest.load(Ordering::Relaxed) < number {
                clock.sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = clock.timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "revision {number} is not seen:\n{}", gateway.last_words());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut good, mut bad) = (0, Vec::new());
    for caller in callers {
        let (more_good, more_bad) = caller.await.unwrap();
        good += more_good;
        bad.extend(more_bad);
    }
    let failed = bad.len();
    eprintln!("{good} calls over {number} revisions, {failed} failed");
    assert!(failed == 0, "{failed} of {good} calls failed: {:#?}", &bad[..failed.min(5)]);
    assert!(good > 1000 && number > 2, "{good} calls over {number} revisions");
    assert!(gateway.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn redeploys_at_full_load_cost_no_call_and_mix_no_revisions() {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration to read it from")]
    let asked = std::env::var("TURNPIKE_REDEPLOY_SECONDS").ok().and_then(|text| text.parse().ok());
    check(Duration::from_secs(asked.unwrap_or(SECONDS))).await;
}
