//! Does every call reach the collector once, whatever happens to either side?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::{Host, Shutdown};
use spool::{Bounds, Call, Collector, Origin, Reporting, ReportingError, SpoolError};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::usage::v1::collector_server::{self, CollectorServer};
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse};

use crate::ground::{Ground, PATIENCE, Peer, ended, until};

const ROOM: u64 = 64 << 20;

/// What a collector has; outlives the collector.
#[derive(Clone, Default)]
struct Store {
    batches: Arc<Mutex<BTreeMap<(String, u64), CollectRequest>>>,
    /// Batches are stored and not answered.
    silent: Arc<AtomicBool>,
    repeats: Arc<AtomicBool>,
    /// A batch with a call of this path is malformed.
    poison: Arc<Mutex<Option<String>>>,
}

impl Store {
    /// The paths of all events, in the order of the batches.
    fn paths(&self) -> Vec<String> {
        let batches = self.batches.lock().expect("a store");
        let events = batches.values().flat_map(|batch| &batch.events);
        let mut paths: Vec<String> = events.map(|event| event.path.clone()).collect();
        paths.sort();
        paths
    }

    fn dropped(&self) -> u64 {
        self.batches.lock().expect("a store").values().map(|batch| batch.dropped).sum()
    }

    async fn has(&self, count: usize) {
        until(&format!("{count} events"), || (self.paths().len() >= count).then_some(())).await;
    }
}

struct FakeCollector {
    store: Store,
    shutdown: Shutdown,
}

#[tonic::async_trait]
impl collector_server::Collector for FakeCollector {
    type CollectStream = Pin<Box<dyn Stream<Item = Result<CollectResponse, Status>> + Send>>;

    async fn collect(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<Self::CollectStream>, Status> {
        let store = self.store.clone();
        let answers = request.into_inner().filter_map(move |batch| {
            let batch = batch.ok()?;
            let poison = store.poison.lock().expect("a path").clone();
            if batch.events.iter().any(|event| Some(&event.path) == poison.as_ref()) {
                return Some(Err(Status::invalid_argument("it is malformed")));
            }
            let answer = CollectResponse { epoch: batch.epoch.clone(), sequence: batch.sequence };
            let name = (batch.epoch.clone(), batch.sequence);
            let before = store.batches.lock().expect("a store").insert(name, batch.clone());
            if before.is_some_and(|before| before == batch) {
                store.repeats.store(true, Ordering::SeqCst);
            }
            (!store.silent.load(Ordering::SeqCst)).then_some(Ok(answer))
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(answers))))
    }
}

async fn collector(ground: &Ground, port: u16, store: &Store) -> Peer {
    let shutdown = Shutdown::new(chassis::Readiness::default());
    let fake = FakeCollector { store: store.clone(), shutdown: shutdown.clone() };
    ground.serve("analytics-collector", port, CollectorServer::new(fake), shutdown).await
}

/// A gateway that only reports, with its spool in the folder `name`.
async fn gateway(ground: &Ground, name: &str, peer: std::net::SocketAddr) -> (Reporting, Host) {
    let (reporting, host) = started(ground, name, peer, false).await;
    (reporting.expect("a spool"), host)
}

/// The same, perhaps as one that `follows` another.
async fn started(
    ground: &Ground,
    name: &str,
    peer: std::net::SocketAddr,
    follows: bool,
) -> (Result<Reporting, ReportingError>, Host) {
    let host = ground.host("gateway");
    let collector = Collector::new(ground.channel("analytics-collector", peer), "gw-1".to_owned());
    let directory = ground.path().join(name);
    let origin = Origin { gateway: "gw-1".to_owned(), region: String::new() };
    let bounds = Bounds::of(ROOM);
    let reporting = Reporting::start(&directory, follows, bounds, origin, collector, &host).await;
    (reporting, host)
}

fn call(reporting: &Reporting, paths: std::ops::Range<u32>) {
    let recorder = reporting.recording().recorder();
    for path in paths {
        recorder.record(&Call { path: &format!("/{path:05}"), ..Call::default() });
    }
}

fn paths(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|path| format!("/{path:05}")).collect()
}

/// What lies in the folder `spool`.
fn bytes(spool: &Path) -> u64 {
    let entries = fs::read_dir(spool).expect("a folder");
    entries.map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file").len()).sum()
}

/// What kill -9 leaves of a spool: its files as they are now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_the_collector_and_leave_the_spool() {
    let (ground, store) = (Ground::new(), Store::default());
    let peer = collector(&ground, 0, &store).await;
    let (reporting, _host) = gateway(&ground, "spool", peer.address).await;
    call(&reporting, 0..1_000);
    store.has(1_000).await;
    reporting.finish(PATIENCE).await;
    assert_eq!(store.paths(), paths(0..1_000));
    let batches = store.batches.lock().expect("a store");
    assert!(batches.values().all(|batch| batch.source == "gw-1" && batch.dropped == 0));
    assert!(batches.keys().map(|(_, sequence)| *sequence).eq(1..=batches.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_collector_will_never_take_is_counted_and_holds_nothing_up() {
    let (ground, store) = (Ground::new(), Store::default());
    *store.poison.lock().expect("a path") = Some("/00001".to_owned());
    let peer = collector(&ground, 0, &store).await;
    let (reporting, _host) = gateway(&ground, "spool", peer.address).await;
    // A recorder that is dropped hands over what it has, and a stored batch comes before the next.
    call(&reporting, 0..1);
    store.has(1).await;
    call(&reporting, 1..4);
    until("the batch is dropped", || {
        call(&reporting, 4..5);
        (store.dropped() >= 3).then_some(())
    })
    .await;
    reporting.finish(PATIENCE).await;
    let stored = store.paths();
    assert!(stored.iter().all(|path| ["/00000", "/00004"].contains(&path.as_str())), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_batches_let_through_what_has_piled_up_behind_them() {
    let (ground, store) = (Ground::new(), Store::default());
    *store.poison.lock().expect("a path") = Some("/00001".to_owned());
    let peer = collector(&ground, 0, &store).await;
    let address = peer.address;
    peer.ends().await;
    let (reporting, _host) = gateway(&ground, "spool", address).await;
    // Nobody takes them, so each lies in a batch of its own once it is on disk.
    let spool = ground.path().join("spool/usage");
    for round in 0..100 {
        for path in if round % 10 == 0 { 1..4 } else { 4..7 } {
            let before = bytes(&spool);
            call(&reporting, path..path + 1);
            until("a batch on disk", || (bytes(&spool) > before).then_some(())).await;
        }
    }
    let again = collector(&ground, address.port(), &store).await;
    store.has(290).await;
    call(&reporting, 7..8);
    until("the batches are dropped", || (store.dropped() == 10).then_some(())).await;
    let stored = store.paths();
    let each = |path: &str| stored.iter().filter(|stored| *stored == path).count();
    assert_eq!(["/00001", "/00002", "/00004", "/00007"].map(each), [0, 10, 90, 1]);
    reporting.finish(PATIENCE).await;
    again.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_was_away_gets_every_event_once() {
    let (ground, store) = (Ground::new(), Store::default());
    let peer = collector(&ground, 0, &store).await;
    let address = peer.address;
    let (reporting, _host) = gateway(&ground, "spool", address).await;
    call(&reporting, 0..10);
    store.has(10).await;
    peer.ends().await;
    for batch in 1..100 {
        call(&reporting, batch * 10..batch * 10 + 10);
    }
    let again = collector(&ground, address.port(), &store).await;
    store.has(1_000).await;
    assert_eq!(store.paths(), paths(0..1_000));
    assert_eq!(store.dropped(), 0);
    reporting.finish(PATIENCE).await;
    again.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_before_a_kill_is_sent_after_the_start() {
    let (ground, store) = (Ground::new(), Store::default());
    let peer = collector(&ground, 0, &store).await;
    let address = peer.address;
    store.silent.store(true, Ordering::SeqCst);
    let (reporting, _host) = gateway(&ground, "spool", address).await;
    call(&reporting, 0..100);
    store.has(100).await;
    // The collector has the batches and its answers are lost: the worst moment for a kill.
    copy(&ground.path().join("spool/usage"), &ground.path().join("left/usage"));
    peer.ends().await;
    store.silent.store(false, Ordering::SeqCst);
    let again = collector(&ground, address.port(), &store).await;
    let (restarted, _host) = gateway(&ground, "left", address).await;
    call(&restarted, 100..200);
    store.has(200).await;
    assert_eq!(store.paths(), paths(0..200));
    assert!(store.repeats.load(Ordering::SeqCst), "the collector saw a batch again");
    drop(reporting);
    restarted.finish(PATIENCE).await;
    again.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_collector_that_is_away() {
    let ground = Ground::new();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let (reporting, host) = gateway(&ground, "spool", nobody).await;
    call(&reporting, 0..100);
    let begun = host.clock.instant();
    reporting.finish(PATIENCE).await;
    let took = host.clock.instant().duration_since(begun);
    assert!(took < Duration::from_secs(5), "took {took:?}");
    // What was not sent is there for the next start.
    let store = Store::default();
    let peer = collector(&ground, 0, &store).await;
    ended(&host).await;
    let (restarted, _host) = gateway(&ground, "spool", peer.address).await;
    store.has(100).await;
    assert_eq!(store.paths(), paths(0..100));
    restarted.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_follows_has_a_place_of_its_own_and_empties_the_other() {
    let (ground, store) = (Ground::new(), Store::default());
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let (before, first) = gateway(&ground, "spool", nobody).await;
    call(&before, 0..100);
    let (refused, _host) = started(&ground, "spool", nobody, false).await;
    assert!(matches!(refused, Err(ReportingError::Spool(SpoolError::InUse(_)))), "{refused:?}");
    let peer = collector(&ground, 0, &store).await;
    let (after, second) = started(&ground, "spool", peer.address, true).await;
    let after = after.expect("a place");
    call(&after, 100..200);
    store.has(100).await;
    // The one before ends while its collector is away: the one that follows sends what it left.
    before.finish(PATIENCE).await;
    ended(&first).await;
    store.has(200).await;
    assert_eq!(store.paths(), paths(0..200));
    let (refused, _host) = started(&ground, "spool", nobody, false).await;
    assert!(matches!(refused, Err(ReportingError::Spool(SpoolError::InUse(_)))), "{refused:?}");
    after.finish(PATIENCE).await;
    second.shutdown.request();
    ended(&second).await;
}
