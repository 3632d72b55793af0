//! Does the gateway serve what its control plane says, whole and in order, and say so?

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::pki::Identity;
use chassis::{Host, Shutdown, Tasks};
use gateway::cells::Collector;
use gateway::generation::{Current, Generation};
use gateway::rpc::control_plane::{ControlPlane, Node};
use gateway::snapshot::{Certificates, Figures, Follower, Publisher, State, disk};
use plan::{Object, Objects, Plan, StateHash, Statement};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::config::v1 as wire;
use wire::config_sync_server::{self, ConfigSyncServer};
use wire::{sync_request, sync_response};

use crate::ground::{Ground, PATIENCE, Peer, ended, until};
use crate::resources::{api, garbage, objects, set};

/// A control plane that hands each call to the test.
struct FakeControlPlane {
    calls: mpsc::Sender<Conversation>,
    identity: Identity,
    shutdown: Shutdown,
    tasks: Tasks,
}

/// One `Sync` call, from the control plane's side.
struct Conversation {
    hello: wire::Hello,
    heard: mpsc::Receiver<wire::Applied>,
    reports: mpsc::Receiver<wire::Report>,
    /// The digests that it says.
    digests: mpsc::Receiver<wire::Digests>,
    /// Who vouches for what is told.
    identity: Identity,
    tell: mpsc::Sender<Result<wire::SyncResponse, Status>>,
}

#[tonic::async_trait]
impl config_sync_server::ConfigSync for FakeControlPlane {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<wire::SyncResponse, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<Streaming<wire::SyncRequest>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let mut asked = request.into_inner();
        let first = asked.message().await?.and_then(|request| request.message);
        let Some(sync_request::Message::Hello(hello)) = first else {
            return Err(Status::invalid_argument("no hello"));
        };
        let (hear, heard) = mpsc::channel(8);
        let (compare, digests) = mpsc::channel(8);
        let (tell, told) = mpsc::channel(8);
        let (report, reports) = mpsc::channel(8);
        let identity = self.identity.clone();
        let conversation = Conversation { hello, heard, reports, digests, identity, tell };
        let _ = self.calls.send(conversation).await;
        self.tasks.spawn("answers", async move {
            while let Ok(Some(request)) = asked.message().await {
                match request.message {
                    Some(sync_request::Message::Applied(applied)) => {
                        let _ = hear.send(applied).await;
                    }
                    Some(sync_request::Message::Report(it)) => {
                        let _ = report.send(it).await;
                    }
                    Some(sync_request::Message::Digests(digests)) => {
                        let _ = compare.send(digests).await;
                    }
                    _ => {}
                }
            }
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(ReceiverStream::new(told)))))
    }
}

impl Conversation {
    /// Vouches for it and tells it.
    async fn tell(&self, mut message: sync_response::Message) {
        match &mut message {
            sync_response::Message::Transaction(it) if !it.more => {
                it.signature = Some(self.vouch(&it.epoch, it.revision, &it.state_hash));
            }
            sync_response::Message::Current(it) => {
                it.signature = Some(self.vouch(&it.epoch, it.revision, &it.state_hash));
            }
            _ => {}
        }
        self.tell_as_it_is(message).await;
    }

    fn vouch(&self, epoch: &str, revision: u64, hash: &[u8]) -> wire::StateSignature {
        let hash = StateHash::from_bytes(hash).expect("32 bytes");
        word(&self.identity, epoch, revision, hash, &self.hello.labels)
    }

    async fn tell_as_it_is(&self, message: sync_response::Message) {
        let response = wire::SyncResponse { message: Some(message) };
        self.tell.send(Ok(response)).await.expect("a gateway that listens");
    }

    async fn change(&mut self, transaction: wire::Transaction) -> wire::Applied {
        self.tell(sync_response::Message::Transaction(transaction)).await;
        self.answer().await
    }

    async fn answer(&mut self) -> wire::Applied {
        tokio::time::timeout(PATIENCE, self.heard.recv())
            .await
            .expect("in time")
            .expect("an answer")
    }
}

/// The word of `identity` for a state.
pub(crate) fn word(
    identity: &Identity,
    epoch: &str,
    revision: u64,
    hash: StateHash,
    labels: &BTreeMap<String, String>,
) -> wire::StateSignature {
    let statement = Statement { epoch, revision, hash, labels }.to_bytes();
    let now = chassis::Clock::system().unix_seconds();
    let said = identity.sign(Statement::DOMAIN, &statement, now).expect("a signature");
    wire::StateSignature {
        scheme: said.scheme.into(),
        signature: said.bytes,
        chain: said.chain.iter().map(|it| it.to_vec()).collect(),
        signed_at: said.signed_at,
    }
}

/// A transaction to `after` at `revision`.
pub(crate) fn transaction(
    revision: u64,
    full: bool,
    upserts: &[Arc<Object>],
    after: &Objects,
) -> wire::Transaction {
    let object = |one: &Arc<Object>| wire::Object {
        key: one.key().to_string(),
        resource: one.bytes().clone(),
    };
    wire::Transaction {
        epoch: "e1".to_owned(),
        revision,
        full,
        upserts: upserts.iter().map(object).collect(),
        state_hash: after.hash().to_bytes().to_vec(),
        ..wire::Transaction::default()
    }
}

/// The part of a gateway that follows a control plane.
struct Follows {
    current: Arc<Current>,
    host: Host,
}

impl Follows {
    /// Starts with what is in `folder`, and keeps there what it is told.
    fn start(ground: &Ground, peer: &Peer, folder: &Path) -> Self {
        Self::start_among(ground, &[peer], folder)
    }

    /// The same with several control planes.
    fn start_among(ground: &Ground, peers: &[&Peer], folder: &Path) -> Self {
        let host = ground.host("gateway");
        let tls = host.tls.server_config(chassis::pki::ClientAuth::None, &[]).expect("TLS");
        let backends = gateway::sender::Backends::first().expect("TLS");
        let first = Generation::new(0, Plan::empty(), None, backends);
        let current = Arc::new(Current::new(first));
        let certificates = Arc::new(Certificates::new(&tls, chassis::clock::Clock::system()));
        let publisher = Arc::new(Publisher::new(Arc::clone(&current), certificates));
        let shelf = disk::shelf(folder).expect("a folder");
        let state = disk::read(&shelf, &State::empty(), &host.tls).unwrap_or_else(State::empty);
        publisher.put_plan(state.plan.clone());
        let (states, seen) = watch::channel(Arc::new(state));
        let keeping = disk::keeping(shelf).run(seen, host.clock.clone(), host.tasks.clone());
        host.tasks.spawn("disk", keeping);
        let node =
            Node { name: "gw-1".to_owned(), labels: [("team".to_owned(), "a".to_owned())].into() };
        let channels =
            peers.iter().map(|peer| ground.channel("control-plane", peer.address)).collect();
        let follower = Follower {
            control_plane: ControlPlane::new(channels, node),
            publisher,
            figures: host.metrics.register(Figures::new),
            ready: host.ready.condition("configuration"),
            states,
            calls: Collector::new([Arc::default()]),
            host: host.clone(),
        };
        host.tasks.spawn("sync", follower.run());
        Self { current, host }
    }

    fn serves(&self, path: &str) -> bool {
        self.current.load().plan.find("localhost", path).is_some()
    }

    fn metric(&self, line: &str) -> bool {
        self.host.metrics.render().expect("text").lines().any(|there| there == line)
    }

    async fn stops(self) {
        self.host.shutdown.request();
        ended(&self.host).await;
    }
}

/// A ground with a control plane on it.
async fn stage() -> (Ground, Peer, mpsc::Receiver<Conversation>) {
    let ground = Ground::new();
    let (calls, called) = mpsc::channel(8);
    let peer = control_plane(&ground, 0, calls).await;
    (ground, peer, called)
}

async fn control_plane(ground: &Ground, port: u16, calls: mpsc::Sender<Conversation>) -> Peer {
    let shutdown = Shutdown::new(chassis::Readiness::default());
    let (identity, tasks) = (ground.host("control-plane").tls, Tasks::default());
    let fake = FakeControlPlane { calls, identity, shutdown: shutdown.clone(), tasks };
    ground.serve("control-plane", port, ConfigSyncServer::new(fake), shutdown).await
}

async fn next(called: &mut mpsc::Receiver<Conversation>) -> Conversation {
    tokio::time::timeout(PATIENCE, called.recv()).await.expect("in time").expect("a call")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_state_is_everything_and_is_answered_with_its_hash() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let hello = &call.hello;
    assert_eq!(
        (hello.node.as_str(), hello.labels.get("team").map(String::as_str)),
        ("gw-1", Some("a"))
    );
    assert_eq!((hello.epoch.as_str(), hello.revision, hello.state_hash.len()), ("", 0, 0));
    assert!(!gateway.host.ready.is_ready(), "ready without a configuration");

    let all = objects(&[api("orders", 1), api("users", 2)]);
    let applied = call.change(transaction(7, true, &all, &set(&all))).await;
    assert_eq!((applied.epoch.as_str(), applied.revision), ("e1", 7));
    assert_eq!(applied.state_hash, set(&all).hash().to_bytes());
    assert_eq!(applied.rejected, []);
    assert!(gateway.serves("/orders/1.0.0/x") && gateway.serves("/users/1.0.0/x"));
    until("readiness", || gateway.host.ready.is_ready().then_some(())).await;
    assert!(gateway.metric(r#"turnpike_config_revision{state="applied"} 7"#));
    assert!(gateway.metric("turnpike_config_stale 0"));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_visible_at_once_and_not_before_its_last_part() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let before = objects(&[api("orders", 1)]);
    call.change(transaction(1, true, &before, &set(&before))).await;

    let all = objects(&[api("orders", 1), api("users", 2), api("stock", 3)]);
    let mut parts = all.iter().skip(1);
    let mut part = |more| {
        let upserts: Vec<_> = parts.next().into_iter().cloned().collect();
        wire::Transaction { more, ..transaction(2, false, &upserts, &set(&all)) }
    };
    call.tell(sync_response::Message::Transaction(part(true))).await;
    // The gateway has no way to say that it has the part: it shows nothing of it for a while.
    let generation = gateway.current.load().number;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!gateway.serves("/users/1.0.0"));
    let applied = call.change(part(false)).await;
    assert_eq!(applied.state_hash, set(&all).hash().to_bytes());
    assert_eq!(gateway.current.load().number, generation + 1, "one swap");
    assert!(gateway.serves("/users/1.0.0") && gateway.serves("/stock/1.0.0"));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_objects_are_gone() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let (both, one) = (objects(&[api("orders", 1), api("users", 2)]), objects(&[api("users", 2)]));
    call.change(transaction(1, true, &both, &set(&both))).await;
    let deletes = vec!["Api/orders:1.0.0".to_owned()];
    let change = wire::Transaction { deletes, ..transaction(2, false, &[], &set(&one)) };
    let applied = call.change(change).await;
    assert_eq!(applied.state_hash, set(&one).hash().to_bytes());
    assert!(!gateway.serves("/orders/1.0.0") && gateway.serves("/users/1.0.0"));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_leads_elsewhere_does_not_count_and_the_real_hash_is_told() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let held = objects(&[api("orders", 1)]);
    call.change(transaction(1, true, &held, &set(&held))).await;

    let all = objects(&[api("orders", 9), api("users", 2), api("stock", 3)]);
    let lossy: Vec<_> = all.iter().skip(1).cloned().collect();
    let applied = call.change(transaction(2, false, &lossy, &set(&all))).await;
    assert_eq!(applied.revision, 2, "it speaks of the transaction");
    assert_eq!(applied.state_hash, set(&held).hash().to_bytes(), "and of what is held");
    assert!(!gateway.serves("/users/1.0.0"));

    let applied = call.change(transaction(2, true, &all, &set(&all))).await;
    assert_eq!(applied.state_hash, set(&all).hash().to_bytes());
    assert!(gateway.serves("/users/1.0.0"));
    assert!(gateway.metric("turnpike_config_full_syncs_total 2"));
    assert!(gateway.metric("turnpike_config_failed_syncs_total 1"));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_served_is_reported_alone() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let mut all = objects(&[api("orders", 1)]);
    all.push(garbage("Api/broken:1.0.0"));
    let applied = call.change(transaction(1, true, &all, &set(&all))).await;
    assert_eq!(applied.state_hash, set(&all).hash().to_bytes(), "it is held all the same");
    let keys: Vec<_> = applied.rejected.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["Api/broken:1.0.0"]);
    assert!(gateway.serves("/orders/1.0.0"));
    drop(call);
    let again = next(&mut called).await;
    assert_eq!(again.hello.rejected.len(), 1, "the status survives a reconnect");
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_serves_from_disk_and_says_what_it_holds() {
    let (ground, peer, mut called) = stage().await;
    let folder = ground.path().join("gw");
    let gateway = Follows::start(&ground, &peer, &folder);
    let mut call = next(&mut called).await;
    let all = objects(&[api("orders", 1)]);
    call.change(transaction(3, true, &all, &set(&all))).await;
    drop(call);
    gateway.stops().await;

    let restarted = Follows::start(&ground, &peer, &folder);
    assert!(restarted.serves("/orders/1.0.0"), "before anybody was asked");
    assert!(restarted.metric("turnpike_config_stale 1"));
    let call = next(&mut called).await;
    let hello = &call.hello;
    assert_eq!((hello.epoch.as_str(), hello.revision), ("e1", 3));
    assert_eq!(hello.state_hash, set(&all).hash().to_bytes());
    let current = wire::Current {
        epoch: "e1".to_owned(),
        revision: 4,
        state_hash: hello.state_hash.clone(),
        ..wire::Current::default()
    };
    call.tell(sync_response::Message::Current(current)).await;
    until("a confirmation", || restarted.metric("turnpike_config_stale 0").then_some(())).await;
    assert!(restarted.metric(r#"turnpike_config_revision{state="applied"} 4"#));
    restarted.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_control_plane_changes_nothing_and_is_found_again() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    let all = objects(&[api("orders", 1)]);
    call.change(transaction(1, true, &all, &set(&all))).await;
    drop(call);
    let port = peer.address.port();
    peer.ends().await;
    until("staleness", || gateway.metric("turnpike_config_stale 1").then_some(())).await;
    assert!(gateway.serves("/orders/1.0.0"));
    assert!(gateway.host.ready.is_ready(), "what is served is served");
    let (calls, mut called) = mpsc::channel(8);
    let again = control_plane(&ground, port, calls).await;
    let mut call = next(&mut called).await;
    assert_eq!(call.hello.revision, 1);
    let more = objects(&[api("orders", 1), api("users", 2)]);
    let upserts: Vec<_> = more.iter().skip(1).cloned().collect();
    call.change(transaction(2, false, &upserts, &set(&more))).await;
    assert!(gateway.serves("/users/1.0.0"));
    drop(call);
    gateway.stops().await;
    again.ends().await;
}

/// Sends a change to what is held that nobody of ours vouches for; what is held stays, `reason` is
/// told, and the gateway comes back.
async fn check_refused(change: impl AsyncFnOnce(&Ground, &mut wire::Transaction), reason: &str) {
    let (ground, peer, mut called) = stage().await;
    let folder = ground.path().join("gw");
    let gateway = Follows::start(&ground, &peer, &folder);
    let mut call = next(&mut called).await;
    let held = objects(&[api("orders", 1)]);
    call.change(transaction(1, true, &held, &set(&held))).await;
    let more = objects(&[api("users", 2)]);
    let all: Vec<_> = held.iter().chain(&more).cloned().collect();
    let mut transaction = transaction(2, false, &more, &set(&all));
    let hash = transaction.state_hash.clone();
    transaction.signature = Some(call.vouch("e1", 2, &hash));
    change(&ground, &mut transaction).await;
    call.tell_as_it_is(sync_response::Message::Transaction(transaction)).await;
    let answer = call.answer().await;
    assert!(answer.refused.contains(reason), "`{}` says nothing of `{reason}`", answer.refused);
    assert_eq!(answer.state_hash, set(&held).hash().to_bytes(), "what is held stays");
    assert!(gateway.serves("/orders/1.0.0") && !gateway.serves("/users/1.0.0"));
    assert!(gateway.metric("turnpike_config_refused_syncs_total 1"));
    call.tell.send(Err(Status::failed_precondition("refused"))).await.expect("it listens");
    let mut again = next(&mut called).await;
    assert_eq!(again.hello.revision, 1);
    let applied = again.change(self::transaction(2, false, &more, &set(&all))).await;
    assert_eq!((applied.refused.as_str(), gateway.serves("/users/1.0.0")), ("", true));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_vouches_for_is_refused_and_the_state_before_serves() {
    check_refused(async |_, it| it.signature = None, "it is not signed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_altered_on_its_way_is_refused() {
    let altered = async |_: &Ground, it: &mut wire::Transaction| {
        // Consistent in itself: another object, and the hash that it leads to.
        let other = objects(&[api("orders", 1), api("users", 3)]);
        it.upserts[0].resource = other[1].bytes().clone();
        it.state_hash = set(&other).hash().to_bytes().to_vec();
    };
    check_refused(altered, "not one of this certificate over this content").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_vouched_for_other_gateways_is_refused() {
    let other = async |ground: &Ground, it: &mut wire::Transaction| {
        let hash = StateHash::from_bytes(&it.state_hash).expect("32 bytes");
        let (identity, labels) = (ground.host("control-plane").tls, BTreeMap::new());
        it.signature = Some(word(&identity, &it.epoch, it.revision, hash, &labels));
    };
    check_refused(other, "not one of this certificate over this content").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_another_service_does_not_count() {
    let other = async |ground: &Ground, it: &mut wire::Transaction| {
        let hash = StateHash::from_bytes(&it.state_hash).expect("32 bytes");
        let labels = [("team".to_owned(), "a".to_owned())].into();
        let identity = ground.host("gateway").tls;
        it.signature = Some(word(&identity, &it.epoch, it.revision, hash, &labels));
    };
    check_refused(other, "it was signed by gateway/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_goes_to_another_control_plane_when_its_own_is_away() {
    let ground = Ground::new();
    let (calls, mut called) = mpsc::channel(8);
    let (other_calls, mut other_called) = mpsc::channel(8);
    let one = control_plane(&ground, 0, calls).await;
    let other = control_plane(&ground, 0, other_calls).await;
    let gateway = Follows::start_among(&ground, &[&one, &other], &ground.path().join("gw"));
    let all = objects(&[api("orders", 1)]);
    // Whichever it has begun with.
    let (mut call, first_is_one) = tokio::select! {
        call = called.recv() => (call.expect("a call"), true),
        call = other_called.recv() => (call.expect("a call"), false),
    };
    call.change(transaction(1, true, &all, &set(&all))).await;
    drop(call);
    let (gone, mut left) = if first_is_one { (one, other_called) } else { (other, called) };
    gone.ends().await;
    let mut call = next(&mut left).await;
    assert_eq!(call.hello.revision, 1, "it says what it holds");
    let more = objects(&[api("orders", 1), api("users", 2)]);
    let upserts: Vec<_> = more.iter().skip(1).cloned().collect();
    call.change(transaction(2, false, &upserts, &set(&more))).await;
    assert!(gateway.serves("/users/1.0.0"));
    gateway.stops().await;
}

/// Incident: Traefik in gateway-api-bench, product-apim#11884. Ready is who serves what was in force when
/// it came, and not who has started.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_an_old_state_is_ready_when_it_serves_what_was_in_force_when_it_came() {
    let (ground, peer, mut called) = stage().await;
    let folder = ground.path().join("gw");
    let gateway = Follows::start(&ground, &peer, &folder);
    let mut call = next(&mut called).await;
    let old = objects(&[api("orders", 1)]);
    call.change(transaction(3, true, &old, &set(&old))).await;
    drop(call);
    gateway.stops().await;

    let gateway = Follows::start(&ground, &peer, &folder);
    let mut call = next(&mut called).await;
    assert_eq!(call.hello.revision, 3);
    let now = objects(&[api("orders", 1), api("users", 2)]);
    let part = transaction(9, false, &now, &set(&now));
    let first =
        wire::Transaction { more: true, upserts: part.upserts[..1].to_vec(), ..part.clone() };
    call.tell(sync_response::Message::Transaction(first)).await;
    // The gateway has no way to say that it has the part: it is not ready for a while.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(gateway.serves("/orders/1.0.0/x"), "what is on disk is served");
    assert!(!gateway.host.ready.is_ready(), "ready with revision 3 while 9 is in force");
    let last = wire::Transaction { upserts: part.upserts[1..].to_vec(), ..part };
    call.change(last).await;
    until("readiness", || gateway.host.ready.is_ready().then_some(())).await;
    assert!(gateway.serves("/users/1.0.0/x"));
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_calls_are_is_told_when_it_is_asked_for_and_no_more() {
    let ground = Ground::new();
    let (calls, mut called) = mpsc::channel(8);
    let peer = control_plane(&ground, 0, calls).await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    assert!(call.hello.reports, "it says that it can");
    let ask = |every_ms| {
        let apis = vec!["orders:1".to_owned()];
        sync_response::Message::AskReports(wire::AskReports { every_ms, apis })
    };
    call.tell(ask(1)).await;
    for _ in 0..2 {
        let told = tokio::time::timeout(PATIENCE, call.reports.recv()).await.expect("in time");
        let told = told.expect("a report");
        assert_eq!(told.calls, 0);
        let apis: Vec<_> = told.apis.iter().map(|one| (one.api.as_str(), one.calls)).collect();
        assert_eq!(apis, [("orders:1", 0)]);
    }
    call.tell(ask(0)).await;
    let all = objects(&[api("orders", 1)]);
    call.change(transaction(1, true, &all, &set(&all))).await;
    // What was on its way when it was asked to stop may still come, and nothing after it.
    while call.reports.try_recv().is_ok() {}
    let more = objects(&[api("orders", 1), api("users", 2)]);
    let upserts: Vec<_> = more.iter().skip(1).cloned().collect();
    call.change(transaction(2, false, &upserts, &set(&more))).await;
    assert!(call.reports.try_recv().is_err());
    gateway.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_nobody_knows_is_mended_where_it_differs() {
    let (ground, peer, mut called) = stage().await;
    let gateway = Follows::start(&ground, &peer, &ground.path().join("gw"));
    let mut call = next(&mut called).await;
    assert!(call.hello.repairs && !call.hello.known.is_empty());
    let names: Vec<String> = (0..50).map(|n| format!("api{n}")).collect();
    let held = objects(&names.iter().map(|name| api(name, 1)).collect::<Vec<_>>());
    call.change(transaction(1, true, &held, &set(&held))).await;
    call.tell(sync_response::Message::AskDigests(wire::AskDigests {})).await;
    let said = tokio::time::timeout(PATIENCE, call.digests.recv()).await.expect("in time");
    let said = plan::Digests::from_bytes(&said.expect("digests").buckets).expect("2 KiB");
    // One is gone, one is new, and one has changed.
    let mut texts: Vec<String> = names.iter().skip(1).map(|name| api(name, 1)).collect();
    texts[0] = api("api1", 9);
    texts.push(api("more", 1));
    let after = objects(&texts);
    let buckets = plan::Digests::of(&set(&after)).differing(&said);
    assert!((1..=3).contains(&buckets.len()), "{buckets:?}");
    let upserts: Vec<_> =
        after.iter().filter(|it| buckets.contains(&plan::bucket(it.key()))).cloned().collect();
    let repair = wire::Transaction {
        buckets: buckets.into_iter().map(u32::from).collect(),
        ..transaction(2, false, &upserts, &set(&after))
    };
    let applied = call.change(repair).await;
    assert_eq!(applied.state_hash, set(&after).hash().to_bytes());
    assert!(!gateway.serves("/api0/1.0.0") && gateway.serves("/more/1.0.0"));
    gateway.stops().await;
}
