//! Do channels start, change and stop as they are applied, and is nothing lost that need not be?

use std::time::Duration;

use chassis::Clock;
use chassis::outbound::{Reach, Rules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::alert::{Alert, History};
use crate::fixture;
use crate::metrics;

struct World {
    board: Switchboard,
    alarm: Arc<Alarm>,
    metrics: Metrics,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, metrics) = (Clock::system(), Metrics::default());
        chassis::pki::development(folder.path(), &["analytics-collector"]).unwrap();
        let tls = chassis::pki::Identity::named(folder.path(), "analytics-collector").unwrap();
        let host = Host::new("analytics-collector", "a", folder.path(), clock.clone(), tls);
        let history = History::open(&folder.path().join("alerts.jsonl"), 100).unwrap();
        let alarm = Alarm::new(history, metrics.clone());
        let alarm = Arc::new(alarm);
        let limit = Duration::from_secs(30);
        let rules = Rules { reach: Reach::Anywhere, limit, largest: 1024, at_once: 4 };
        let client = Client::new(clock, rules, b"").unwrap();
        let mail = MailServer::default();
        let (told, counts) = (Arc::clone(&alarm), metrics.clone());
        let board = Switchboard::new(told, client, mail, counts, host);
        Self { board, alarm, metrics, _folder: folder }
    }

    fn raise(&self, id: &str) {
        self.alarm.raise(vec![Alert { kind: "KeySharing".to_owned(), ..fixture::alert(id) }]);
    }

    fn lost(&self) -> u64 {
        let channel = metrics::Channel { channel: "ops".to_owned() };
        self.metrics.undelivered.get_or_create(&channel).get()
    }
}

/// A web server that answers with this status; the identifiers that it was told.
async fn server(status: u16) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel(64);
    chassis::task::Tasks::default().spawn("web", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            while !text.ends_with("]}") {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (_, id) = text.split_once("{\"id\":\"").unwrap();
            if tell.send(id.split('"').next().unwrap().to_owned()).await.is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn to(url: &str, secret: &str) -> Config {
    Config {
        webhook: url.to_owned(),
        secret: Secret::new(secret),
        gather: Duration::from_millis(1),
        ..Config::named("ops")
    }
}

#[tokio::test]
async fn a_channel_tells_from_when_it_is_applied_and_until_it_is_removed() {
    let world = World::new();
    let (url, mut told) = server(200).await;
    world.raise("before");
    world.board.put(vec![to(&url, "s")]);
    world.raise("1");
    assert_eq!(told.recv().await.unwrap(), "1");
    world.board.put(vec![to(&url, "s")]);
    world.raise("2");
    assert_eq!(told.recv().await.unwrap(), "2");
    world.board.put(vec![]);
    world.raise("after");
    let (other, mut others) = server(200).await;
    world.board.put(vec![to(&other, "s")]);
    world.raise("3");
    assert_eq!(others.recv().await.unwrap(), "3");
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn what_a_changed_channel_had_not_sent_is_sent_by_the_new_one() {
    let world = World::new();
    let (down, mut tried) = server(503).await;
    world.board.put(vec![to(&down, "s")]);
    world.raise("1");
    assert_eq!(tried.recv().await.unwrap(), "1");
    world.raise("2");
    let (up, mut told) = server(200).await;
    world.board.put(vec![to(&up, "s")]);
    assert_eq!(told.recv().await.unwrap(), "1");
    assert_eq!(told.recv().await.unwrap(), "2");
    assert_eq!(world.lost(), 0);
}

#[tokio::test]
async fn what_a_removed_channel_had_not_sent_is_counted() {
    let world = World::new();
    let (down, mut tried) = server(503).await;
    world.board.put(vec![to(&down, "s")]);
    world.raise("1");
    assert_eq!(tried.recv().await.unwrap(), "1");
    world.board.put(vec![]);
    while world.lost() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.lost(), 1);
}

#[tokio::test]
async fn a_channel_that_cannot_be_is_left_out_alone() {
    let world = World::new();
    let (url, mut told) = server(200).await;
    let mail = Config { to: vec!["ops@example.com".to_owned()], ..Config::named("mail") };
    world.board.put(vec![mail, to(&url, "s")]);
    world.raise("1");
    assert_eq!(told.recv().await.unwrap(), "1");
}
