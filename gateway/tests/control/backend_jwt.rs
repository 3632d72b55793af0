//! Does a key sign only after others could know it, and does the key set hold all of them?

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chassis::clock::ManualClock;
use chassis::{Clock, Host, Shutdown};
use gateway::assertions::{Keeper, Minted, Rules, Signers, Wanted};
use gateway::rpc::key_manager::KeyManager;
use gateway::snapshot::State;
use jose::{Algorithm, SigningKey};
use plan::Encoding;
use serde_json::Value;
use tokio::sync::watch;
use turnpike_proto::identity::v1 as wire;
use wire::keys_server::KeysServer;

use crate::ground::{Ground, Peer, ended, until};
use crate::trust::FakeKeys;

const HOUR: Duration = Duration::from_hours(1);
const RULES: Rules = Rules { rotate: 86_400, publish: 3600, patience: 5, alone: false };

/// A gateway that only keeps its keys, in `folder`.
struct Gateway {
    signers: Arc<Signers>,
    minted: Minted,
    host: Host,
    hands: ManualClock,
    _states: watch::Sender<Arc<State>>,
}

impl Gateway {
    async fn start(ground: &Ground, folder: &Path, rules: Rules, at: Option<&Peer>) -> Self {
        let mut host = ground.host("gateway");
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (clock, hands) = Clock::manual(start);
        (host.clock, host.data) = (clock, folder.to_owned());
        let signers = Arc::new(Signers::new("turnpike"));
        let (states, watched) = watch::channel(Arc::new(State::empty()));
        let key_manager =
            at.map(|peer| KeyManager::new(ground.channel("key-manager", peer.address)));
        let (to, own) = (Arc::clone(&signers), host.clone());
        let keeper = Keeper::restore(to, rules, key_manager, watched, own).await.expect("a folder");
        host.tasks.spawn("keys", keeper.run());
        let minted = Minted::new(Arc::clone(&signers), 8);
        Self { signers, minted, host, hands, _states: states }
    }

    /// The keys of this gateway, "state told" each, oldest first.
    fn own(&self) -> String {
        let shown = self.signers.published();
        let all = shown.own.iter().map(|key| format!("{} {}", key.state, key.told));
        all.collect::<Vec<_>>().join(", ")
    }

    /// Waits until its keys are these.
    async fn until(&self, own: &str) {
        until(own, || (self.own() == own).then_some(())).await;
    }

    /// The names of all keys in the set that it serves.
    fn kids(&self) -> Vec<String> {
        let set: Value = serde_json::from_slice(&self.signers.published().jwks).expect("JSON");
        let keys = set["keys"].as_array().expect("keys").iter();
        keys.map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
    }

    /// A JWT that it signs now, which says which generation it is of; `None`: no key signs.
    fn sign(&mut self, generation: u64) -> Option<String> {
        let wanted = Wanted {
            algorithm: Algorithm::ES256,
            encoding: Encoding::Base64url,
            lifetime: 60,
            ends_at: None,
            generation,
            now: self.host.clock.unix_seconds(),
        };
        let fill = |out: &mut Vec<u8>, _: &mut Vec<u8>| {
            out.extend_from_slice(format!("\"g\":{generation}").as_bytes());
        };
        self.minted.assertion(wanted, fill).ok().map(|made| made.text.to_string())
    }

    /// Whether a JWT verifies by the key set that this gateway serves.
    fn verifies(&self, jwt: &str) -> bool {
        let set = self.signers.published();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&set.jwks).expect("a set");
        let header = jsonwebtoken::decode_header(jwt).expect("a header");
        let Some(key) = set.find(&header.kid.expect("a name")) else { return false };
        let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        // The clock of these gateways stands elsewhere.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        jsonwebtoken::decode::<Value>(jwt, &key, &validation).is_ok()
    }

    async fn stop(self) {
        self.host.shutdown.request();
        ended(&self.host).await;
    }
}

/// A key manager that knows the key of another gateway.
async fn key_manager(
    ground: &Ground,
    other: &SigningKey,
) -> (Peer, watch::Sender<wire::GatewayKeys>) {
    let shutdown = Shutdown::new(chassis::Readiness::default());
    let known = wire::GatewayKeys { jwks: vec![other.public_jwk().to_string()] };
    let gateways = watch::Sender::new(known);
    let fake = FakeKeys {
        set: wire::KeySet::default(),
        gateways: gateways.clone(),
        shutdown: shutdown.clone(),
    };
    let peer = ground.serve("key-manager", 0, KeysServer::new(fake), shutdown).await;
    (peer, gateways)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_once_all_gateways_were_told_of_it_and_outlives_a_restart() {
    let ground = Ground::new();
    let other = SigningKey::generate(Algorithm::ES256).expect("a key");
    let (peer, _gateways) = key_manager(&ground, &other).await;
    let (one, two) = (ground.path().join("one"), ground.path().join("two"));
    let first = Gateway::start(&ground, &one, RULES, Some(&peer)).await;
    first.until("active true").await;
    let mut second = Gateway::start(&ground, &two, RULES, Some(&peer)).await;
    second.until("active true").await;
    until("both sets", || (first.kids().len() == 3 && first.kids() == second.kids()).then_some(()))
        .await;
    assert!(first.kids().contains(&other.kid().to_owned()));
    let jwt = second.sign(1).expect("a JWT");
    assert!(first.verifies(&jwt), "whichever gateway is asked");
    let kids = first.kids();
    first.stop().await;
    second.stop().await;
    peer.ends().await;

    // What was known before is known again, without anybody who tells it.
    let mut again = Gateway::start(&ground, &two, RULES, None).await;
    assert_eq!((again.own().as_str(), again.kids()), ("active true", kids));
    assert!(again.sign(1).is_some() && again.verifies(&jwt));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_does_not_wait_for_a_key_manager_that_is_away() {
    let ground = Ground::new();
    let mut gateway = Gateway::start(&ground, &ground.path().join("gw"), RULES, None).await;
    assert_eq!((gateway.own().as_str(), gateway.sign(1)), ("next false", None));
    assert_eq!(gateway.kids().len(), 1, "published before it signs");
    gateway.hands.advance(Duration::from_secs(4));
    assert_eq!(gateway.own(), "next false");
    gateway.hands.advance(Duration::from_secs(1));
    gateway.until("active false").await;
    assert!(gateway.sign(1).is_some());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_breaks_no_jwt() {
    let ground = Ground::new();
    let other = SigningKey::generate(Algorithm::ES256).expect("a key");
    let (peer, gateways) = key_manager(&ground, &other).await;
    let folder = ground.path().join("gw");
    let mut gateway = Gateway::start(&ground, &folder, RULES, Some(&peer)).await;
    gateway.until("active true").await;
    let before = gateway.sign(1).expect("a JWT");
    gateway.hands.advance(HOUR * 23);
    gateway.until("active true, next true").await;
    let between = gateway.sign(2).expect("a JWT");
    let kid = |jwt: &str| jsonwebtoken::decode_header(jwt).expect("a header").kid;
    assert_eq!(kid(&before), kid(&between), "the next key is known before it signs");
    assert_eq!(gateways.borrow().jwks.len(), 3);
    gateway.hands.advance(HOUR);
    gateway.until("retiring true, active true").await;
    let after = gateway.sign(3).expect("a JWT");
    assert_ne!(kid(&before), kid(&after));
    assert!([&before, &between, &after].into_iter().all(|jwt| gateway.verifies(jwt)));
    gateway.hands.advance(Duration::from_mins(5));
    gateway.until("active true").await;
    gateway.stop().await;
    peer.ends().await;
}
