//! One worker's belongings, without a worker.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::proxies::{Proxies, Source};
use gateway::cells::Cells;
use gateway::credentials::{Grounds, People, Proofs, Revocations, Tokens};
use gateway::generation::{Generation, ResidentKeys};
use gateway::handlers::{self, Customs, Demands, KnownOfCall, Means, Room, Seen, Whence};
use gateway::limits::{Desk, Front, Lane, Ways};
use gateway::received::{Bounds, Peer, Received};
use gateway::router::{self, Found};
use gateway::rpc::missing_keys;
use gateway::sender::Backends;
use jose::{Algorithm, KeySet, SigningKey};
use plan::Plan;
use serde_json::{Value, json};
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

const ISSUER: &str = "https://id.example";
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const API_KEY: &str = "kmak_production_0123456789";

/// An API with scopes, an application with a client, an API key and a network, its subscription, limits of
/// each user, and policies that turn others away.
const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  security: { schemes: [oauth2, api_key], algorithms: [ES256] }
  throttle: { tier: Each, maxTps: { production: 1000000000 } }
  endpoints: { production: { urls: ["http://127.0.0.1:1/base"] } }
  operations:
    - { method: GET, path: "/echo" }
    - { method: GET, path: "/items/{item}", scopes: [orders.write, orders.read] }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop }
spec:
  tier: Users
  keys: [ { consumerKey: live } ]
  allowedIps: [192.0.2.0/24]
  apiKeys: [ { id: k, sha256: "KEY", scopes: [orders.read], allowedDomains: ["*.shop.example"] } ]
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0" } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Each }, spec: { level: advanced, perUser: true, quota: { requests: 1000000000, per: 60s }, conditions: [ { when: [ { addresses: [203.0.113.0/24] } ] } ] } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Users }, spec: { level: application, perUser: true, burst: { requests: 1000000000, per: 60s } } }
---
{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: u }, spec: { users: [mallory] } }
---
{ apiVersion: turnpike/v1, kind: DenyPolicy, metadata: { name: a }, spec: { addresses: [198.51.100.0/24] } }
"#;

pub(crate) struct Ground {
    generation: Generation,
    key: SigningKey,
    revocations: Revocations,
    tokens: RefCell<Tokens>,
    cells: Cells,
    missing: missing_keys::Handle,
    proofs: Proofs,
    people: People,
    proxies: Proxies,
    desk: Desk,
    front: Front,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let set = json!({ "keys": [key.public_jwk()] }).to_string();
        let keys = Arc::new(KeySet::parse(&set).unwrap());
        let plan = plan();
        let backends = Backends::first().unwrap().following(&plan).unwrap();
        let keys = ResidentKeys { issuer: ISSUER.to_owned(), keys };
        Self {
            generation: Generation::new(1, plan, Some(keys), backends),
            key,
            revocations: Revocations::new(),
            tokens: RefCell::new(Tokens::new(1024)),
            cells: Cells::default(),
            missing: missing_keys::Handle::off(),
            proofs: Proofs::default(),
            people: People::new([0; 16]),
            proxies: Proxies::parse(&[], Source::default()).unwrap(),
            desk: Desk::new(Ways::default(), Lane::off()),
            front: Front::default(),
        }
    }

    pub(crate) fn token(&self, more: &Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": "ann", "client_id": "live", "aud": ["any"], "exp": NOW + 600,
            "iat": NOW, "jti": "j", "scope": "orders.read profile", "username": "ann",
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// What is asked about a call before its backend is chosen.
    pub(crate) fn judge(&self, received: &Received) {
        let plan = &self.generation.plan;
        let hit = router::find_api(plan, received).unwrap();
        let Found::Operation(matched) = router::find(hit, received).unwrap() else {
            panic!("an operation")
        };
        handlers::deny_place(plan, &matched, received.peer.client, NOW).unwrap();
        let Seen::Caller(caller) =
            handlers::authenticate(&matched, received, self.means()).unwrap()
        else {
            panic!("nobody has to be asked")
        };
        let whence = Whence { client: received.peer.client, headers: &received.headers };
        let permit = handlers::authorize(plan, matched, caller, whence).unwrap();
        handlers::deny_caller(plan, &permit, received.peer.client, NOW).unwrap();
        let (front, customs, now_us) =
            (&self.front, Customs::new(), NOW.unsigned_abs() * 1_000_000);
        let known = KnownOfCall { received, front, customs, bytes_in: 0, now_us };
        let demands = Demands::of(&permit, &known).unwrap();
        let Room::Now(admission) = demands.hold(&self.desk, now_us).unwrap() else {
            panic!("nobody has to be asked")
        };
        admission.settle().came_to(&self.desk, 0, 0);
    }

    fn means(&self) -> Means<'_> {
        let Self { generation, revocations, tokens, cells, missing, .. } = self;
        let grounds = Grounds { generation, revocations, tokens, cells, missing, now_unix: NOW };
        let Self { proofs, people, proxies, .. } = self;
        Means { grounds, proofs, people, proxies }
    }

    /// Ends another token.
    pub(crate) fn end(&self, jti: &str) {
        let what = Some(What::Jti(jti.to_owned()));
        let issuer = ISSUER.to_owned();
        self.revocations.apply(&[Revocation { issuer, what, ..Revocation::default() }]);
    }

    pub(crate) fn verified(&self) -> u64 {
        self.cells.tokens_verified.get()
    }

    pub(crate) fn known(&self) -> u64 {
        self.cells.tokens_known.get()
    }
}

fn plan() -> Plan {
    let sum = URL_SAFE_NO_PAD.encode(digest(&SHA256, API_KEY.as_bytes()));
    let (resources, problems) = plan::read_document(&RESOURCES.replace("KEY", &sum), "a.yaml");
    assert!(problems.is_empty(), "{problems:#?}");
    let wire: Vec<_> =
        resources.iter().map(|one| (plan::key(one).unwrap(), plan::encode(one))).collect();
    let (plan, rejected) = Plan::empty().replaced(&wire);
    assert!(rejected.is_empty(), "{rejected:#?}");
    plan
}

/// A request from 192.0.2.1 with these fields.
pub(crate) fn received(path: &str, fields: &[(&str, &str)]) -> Received {
    let mut request = http::Request::get(path).header("host", "api.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let bounds = Bounds { target_bytes: 1024, fields: 20, body_bytes: 0 };
    let peer = Peer::new(IpAddr::from([192, 0, 2, 1]), true);
    Received::take(parts, peer, bounds).unwrap()
}
