//! Does the gateway believe what its key manager said last, also after a restart without it?

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use chassis::{Host, Shutdown};
use gateway::credentials::Revocations;
use gateway::generation::{Current, Generation};
use gateway::rpc::key_manager::KeyManager;
use gateway::snapshot::{Certificates, Publisher, Shelf};
use gateway::trust::{KeyFollower, RevocationFollower};
use jose::{Algorithm, Claims, SigningKey};
use plan::Plan;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1 as wire;
use wire::keys_server::{self, KeysServer};
use wire::revocation::What;
use wire::revocations_server::{self, RevocationsServer};

use crate::ground::{Ground, Peer, ended, until};

const ISSUER: &str = "https://localhost:9453/oauth2/token";

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(crate) struct FakeKeys {
    pub(crate) set: wire::KeySet,
    /// The keys of all gateways.
    pub(crate) gateways: watch::Sender<wire::GatewayKeys>,
    pub(crate) shutdown: Shutdown,
}

#[tonic::async_trait]
impl keys_server::Keys for FakeKeys {
    type WatchStream = Messages<wire::KeySet>;

    async fn watch(
        &self,
        _: Request<wire::WatchKeysRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = tokio_stream::once(Ok(self.set.clone()));
        let stream = first.chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(self.shutdown.ends(stream))))
    }

    async fn list(
        &self,
        _: Request<wire::ListKeysRequest>,
    ) -> Result<Response<wire::ListKeysResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn rotate(
        &self,
        _: Request<wire::RotateKeysRequest>,
    ) -> Result<Response<wire::KeySet>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn revoke(
        &self,
        _: Request<wire::RevokeKeyRequest>,
    ) -> Result<Response<wire::KeySet>, Status> {
        Err(Status::unimplemented("not here"))
    }

    type WatchProvidersStream = Messages<wire::ProviderKeys>;

    async fn watch_providers(
        &self,
        _: Request<wire::WatchProviderKeysRequest>,
    ) -> Result<Response<Self::WatchProvidersStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn enrol_gateway_keys(
        &self,
        request: Request<wire::EnrolGatewayKeysRequest>,
    ) -> Result<Response<wire::EnrolGatewayKeysResponse>, Status> {
        let mut new = request.into_inner().jwks;
        self.gateways.send_modify(|keys| {
            new.retain(|key| !keys.jwks.contains(key));
            keys.jwks.append(&mut new);
        });
        Ok(Response::new(wire::EnrolGatewayKeysResponse {}))
    }

    type WatchGatewayKeysStream = Messages<wire::GatewayKeys>;

    async fn watch_gateway_keys(
        &self,
        _: Request<wire::WatchGatewayKeysRequest>,
    ) -> Result<Response<Self::WatchGatewayKeysStream>, Status> {
        let mut keys = self.gateways.subscribe();
        keys.mark_changed();
        let sets = futures_util::stream::unfold(keys, |mut keys| async move {
            keys.changed().await.ok()?;
            let set = keys.borrow_and_update().clone();
            Some((Ok(set), keys))
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(sets))))
    }

    async fn missing(
        &self,
        _: Request<wire::MissingKeyRequest>,
    ) -> Result<Response<wire::MissingKeyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

/// Tells what the test sends, and remembers from where it was asked.
struct FakeLog {
    asked: Arc<Mutex<Vec<(String, u64)>>>,
    parts: Mutex<Option<mpsc::Receiver<Result<wire::WatchRevocationsResponse, Status>>>>,
    shutdown: Shutdown,
}

#[tonic::async_trait]
impl revocations_server::Revocations for FakeLog {
    type WatchStream = Messages<wire::WatchRevocationsResponse>;

    async fn watch(
        &self,
        request: Request<wire::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let wire::WatchRevocationsRequest { epoch, after } = request.into_inner();
        self.asked.lock().expect("a list").push((epoch, after));
        let parts = self.parts.lock().expect("a stream").take();
        let parts = parts.ok_or_else(|| Status::unavailable("one call is enough"))?;
        Ok(Response::new(Box::pin(self.shutdown.ends(ReceiverStream::new(parts)))))
    }

    async fn revoke(
        &self,
        _: Request<wire::RevokeRequest>,
    ) -> Result<Response<wire::RevokeResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

struct Log {
    peer: Peer,
    asked: Arc<Mutex<Vec<(String, u64)>>>,
    tell: mpsc::Sender<Result<wire::WatchRevocationsResponse, Status>>,
}

async fn log(ground: &Ground) -> Log {
    let (tell, parts) = mpsc::channel(8);
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let shutdown = Shutdown::new(chassis::Readiness::default());
    let fake = FakeLog {
        asked: Arc::clone(&asked),
        parts: Mutex::new(Some(parts)),
        shutdown: shutdown.clone(),
    };
    let peer = ground.serve("key-manager", 0, RevocationsServer::new(fake), shutdown).await;
    Log { peer, asked, tell }
}

impl Log {
    async fn says(&self, epoch: &str, sequence: u64, ended: &[&str]) {
        self.says_part(epoch, sequence, ended, false).await;
    }

    /// A part of the log, after which there may be more.
    async fn says_part(&self, epoch: &str, sequence: u64, ended: &[&str], more: bool) {
        let entry = |(at, jti): (u64, &&str)| wire::Revocation {
            sequence: at,
            issuer: ISSUER.to_owned(),
            issued_until: None,
            forget_after: Some(prost_types::Timestamp { seconds: i64::MAX / 2, nanos: 0 }),
            what: Some(What::Jti((*jti).to_owned())),
        };
        let first = sequence + 1 - ended.len() as u64;
        let part = wire::WatchRevocationsResponse {
            epoch: epoch.to_owned(),
            sequence,
            revocations: (first..).zip(ended).map(entry).collect(),
            more,
        };
        self.tell.send(Ok(part)).await.expect("a gateway that listens");
    }
}

/// A gateway that only follows revocations, kept in `folder`.
fn follow(
    ground: &Ground,
    address: std::net::SocketAddr,
    folder: &Path,
) -> (Arc<Revocations>, Host) {
    let host = ground.host("gateway");
    let revocations = Arc::new(Revocations::new());
    let follower = RevocationFollower::restore(
        KeyManager::new(ground.channel("key-manager", address)),
        Arc::clone(&revocations),
        Shelf::open(folder, "revocations").expect("a shelf"),
        host.clone(),
    );
    host.tasks.spawn("revocations", follower.run());
    (revocations, host)
}

fn is_revoked(revocations: &Revocations, jti: &str) -> bool {
    let claims = Claims { jti: Some(jti.to_owned()), ..claims() };
    revocations.is_revoked(ISSUER, &claims)
}

fn claims() -> Claims {
    Claims {
        issuer: ISSUER.to_owned(),
        subject: None,
        audience: Vec::new(),
        audience_is_list: false,
        expires_at: i64::MAX,
        not_before: None,
        issued_at: Some(0),
        jti: None,
        client_id: None,
        scopes: Vec::new(),
        other: serde_json::Map::new(),
    }
}

async fn stop(host: &Host) {
    host.shutdown.request();
    ended(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_refuses_what_was_revoked_and_reads_on_from_its_cursor() {
    let ground = Ground::new();
    let folder = ground.path().join("gw");
    let told = log(&ground).await;
    let (revocations, host) = follow(&ground, told.peer.address, &folder);
    told.says("e1", 2, &["a", "b"]).await;
    until("the revocation", || is_revoked(&revocations, "b").then_some(())).await;
    assert!(revocations.as_of() > 0);
    stop(&host).await;
    told.peer.ends().await;

    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let (revocations, host) = follow(&ground, nobody, &folder);
    assert!(is_revoked(&revocations, "a") && is_revoked(&revocations, "b"));
    assert!(!is_revoked(&revocations, "c"));
    assert!(revocations.as_of() > 0, "the view's age is known");
    stop(&host).await;

    let told = log(&ground).await;
    let (revocations, host) = follow(&ground, told.peer.address, &folder);
    told.says("e1", 3, &["c"]).await;
    until("the next one", || is_revoked(&revocations, "c").then_some(())).await;
    assert!(is_revoked(&revocations, "a"));
    assert_eq!(told.asked.lock().expect("a list").first(), Some(&("e1".to_owned(), 2)));
    stop(&host).await;
    told.peer.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_of_the_log_forgets_the_one_before() {
    let ground = Ground::new();
    let told = log(&ground).await;
    let (revocations, host) = follow(&ground, told.peer.address, &ground.path().join("gw"));
    told.says("e1", 1, &["a"]).await;
    until("the revocation", || is_revoked(&revocations, "a").then_some(())).await;
    told.says("e2", 1, &["b"]).await;
    until("the other log", || is_revoked(&revocations, "b").then_some(())).await;
    assert!(!is_revoked(&revocations, "a"));
    stop(&host).await;
    told.peer.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_stays_so_until_another_log_is_known_whole() {
    let ground = Ground::new();
    let told = log(&ground).await;
    let (revocations, host) = follow(&ground, told.peer.address, &ground.path().join("gw"));
    told.says("e1", 1, &["a"]).await;
    until("the revocation", || is_revoked(&revocations, "a").then_some(())).await;
    let known = revocations.as_of();
    told.says_part("e1", 2, &["b"], true).await;
    until("the part", || is_revoked(&revocations, "b").then_some(())).await;
    assert_eq!(revocations.as_of(), known, "what has not come yet may name anything");

    told.says_part("e2", 1, &["c"], true).await;
    // Heard of only when the part before has been taken.
    told.says_part("e2", 2, &["d"], false).await;
    let seen = until("the other log", || {
        let seen = ["a", "c", "d"].map(|jti| is_revoked(&revocations, jti));
        assert!(seen == [true, false, false] || seen == [false, true, true], "half: {seen:?}");
        (!seen[0]).then_some(seen)
    });
    assert_eq!(seen.await, [false, true, true]);
    assert!(revocations.as_of() > known);
    stop(&host).await;
    told.peer.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_in_force_as_they_come_and_after_a_restart_without_the_key_manager() {
    let ground = Ground::new();
    let key = SigningKey::generate(Algorithm::ES256).expect("a key");
    let jwks = serde_json::json!({ "keys": [key.public_jwk()] }).to_string();
    let shutdown = Shutdown::new(chassis::Readiness::default());
    let fake = FakeKeys {
        set: wire::KeySet { issuer: ISSUER.to_owned(), jwks },
        gateways: watch::Sender::default(),
        shutdown: shutdown.clone(),
    };
    let peer = ground.serve("key-manager", 0, KeysServer::new(fake), shutdown).await;
    let folder = ground.path().join("gw");
    let issuer = |current: &Current| {
        let generation = current.load();
        let keys = generation.resident_keys.as_ref()?;
        keys.keys.find(Some(key.kid()), Algorithm::ES256)?;
        Some(keys.issuer.clone())
    };

    let (mut follower, current, host) = keys(&ground, peer.address, &folder);
    follower.restore();
    assert_eq!(issuer(&current), None);
    host.tasks.spawn("keys", follower.run());
    assert_eq!(until("keys", || issuer(&current)).await, ISSUER);
    stop(&host).await;
    peer.ends().await;

    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let (mut follower, current, _host) = keys(&ground, nobody, &folder);
    follower.restore();
    assert_eq!(issuer(&current).as_deref(), Some(ISSUER));
}

fn keys(
    ground: &Ground,
    address: std::net::SocketAddr,
    folder: &Path,
) -> (KeyFollower, Arc<Current>, Host) {
    let host = ground.host("gateway");
    let tls = host.tls.server_config(chassis::pki::ClientAuth::None, &[]).expect("TLS");
    let backends = gateway::sender::Backends::first().expect("TLS");
    let current = Arc::new(Current::new(Generation::new(0, Plan::empty(), None, backends)));
    let certificates = Arc::new(Certificates::new(&tls, chassis::clock::Clock::system()));
    let publisher = Publisher::new(Arc::clone(&current), certificates);
    let follower = KeyFollower {
        key_manager: KeyManager::new(ground.channel("key-manager", address)),
        publisher: Arc::new(publisher),
        shelf: Shelf::open(folder, "keys").expect("a shelf"),
        host: host.clone(),
        in_force: None,
    };
    (follower, current, host)
}
