//! A gateway that trusts three issuers whose keys we have, and a place that nobody may ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::forge::Signer;
use crate::introspector::Introspector;
use crate::stand::{ISSUER, Stand};

/// `RS_KEYS` and `ED_KEYS` stand for the keys of two providers. The API `own` trusts our own key
/// manager alone.
const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  keyManagers: [resident, rs, ed]
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: own, version: "1.0" }
spec:
  context: /own
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
{ apiVersion: turnpike/v1, kind: KeyManager, metadata: { name: rs }, spec: { issuer: "https://rs.example", jwks: 'RS_KEYS', anyAudience: true, algorithms: [RS256] } }
---
{ apiVersion: turnpike/v1, kind: KeyManager, metadata: { name: ed }, spec: { issuer: "https://ed.example", jwks: 'ED_KEYS', anyAudience: true, algorithms: [EdDSA] } }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop }
spec:
  keys:
    - { consumerKey: live }
    - { consumerKey: live, keyManager: rs }
    - { consumerKey: live, keyManager: ed }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: o }, spec: { application: shop, api: "own:1.0" } }
"#;

pub(crate) const REFUSED: &str = "401 900901";

pub(crate) struct Ground {
    pub(crate) stand: Stand,
    /// Our own key manager with ES256, and two providers with RS256 and `EdDSA`.
    pub(crate) signers: [Signer; 3],
    /// Where a token would send us for a key.
    pub(crate) elsewhere: String,
    asked: Arc<AtomicUsize>,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::knowing(Introspector::default()).await
    }

    /// One where this is known of tokens that say nothing by themselves.
    pub(crate) async fn knowing(introspector: Introspector) -> Self {
        let rs = SigningKey::generate(Algorithm::RS256).unwrap();
        let ed = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let stand = Stand::asking(&resources(&[&rs], &[&ed]), introspector).await;
        let own = copy(&stand.key);
        let now = stand.host.clock.unix_seconds();
        let signer = |iss: &str, key| Signer { iss: iss.to_owned(), key, now };
        let signers = [
            signer(ISSUER, own),
            signer("https://rs.example", rs),
            signer("https://ed.example", ed),
        ];
        let (elsewhere, asked) = elsewhere(&stand).await;
        Self { stand, signers, elsewhere, asked }
    }

    /// The providers show these keys from now on.
    pub(crate) fn rotate(&self, rs: &[&SigningKey], ed: &[&SigningKey]) {
        self.stand.publish(&resources(rs, ed));
    }

    /// Status and number of a call with this token; `200`: it came through.
    pub(crate) async fn verdict(&self, path: &str, token: &str) -> String {
        let fields = format!("authorization: Bearer {token}\r\n");
        let answer = self.stand.call(&format!("GET {path}"), &fields, "").await;
        if answer.status == 200 { "200".to_owned() } else { answer.fault() }
    }
}

fn resources(rs: &[&SigningKey], ed: &[&SigningKey]) -> String {
    let set = |keys: &[&SigningKey]| {
        let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk()).collect();
        json!({ "keys": keys }).to_string()
    };
    RESOURCES.replace("RS_KEYS", &set(rs)).replace("ED_KEYS", &set(ed))
}

/// Another holder of the same key.
pub(crate) fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_pkcs8(key.algorithm(), &key.to_pkcs8().unwrap()).unwrap()
}

/// A server that counts who comes.
async fn elsewhere(stand: &Stand) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    stand.host.tasks.spawn("elsewhere", async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, asked)
}

/// A group of forgeries, by its number in the list.
pub(crate) struct Group<'g> {
    ground: &'g Ground,
    name: &'static str,
    passed: usize,
    wrong: Vec<String>,
}

impl<'g> Group<'g> {
    /// Good tokens of every issuer come through, and are known from then on.
    pub(crate) async fn of(ground: &'g Ground, name: &'static str) -> Self {
        let mut group = Self { ground, name, passed: 0, wrong: Vec::new() };
        for signer in &ground.signers {
            group.check("a good one", &signer.good(), "200").await;
        }
        group
    }

    /// A call of the API that trusts everybody.
    pub(crate) async fn check(&mut self, case: &str, token: &str, expected: &str) {
        self.check_at("/orders/1.0/echo", case, token, expected).await;
    }

    pub(crate) async fn check_at(&mut self, path: &str, case: &str, token: &str, expected: &str) {
        let said = self.ground.verdict(path, token).await;
        self.check_that(&format!("{case}: {said} and not {expected}"), said == expected);
    }

    pub(crate) fn check_that(&mut self, case: &str, holds: bool) {
        if holds {
            self.passed += 1;
        } else {
            self.wrong.push(case.to_owned());
        }
    }

    pub(crate) async fn refused(&mut self, case: &str, token: &str) {
        self.check(case, token, REFUSED).await;
    }

    /// The end of the group, which has at least so many cases.
    pub(crate) async fn ends(mut self, least: usize) {
        for signer in &self.ground.signers {
            let token = signer.good();
            self.check("a good one afterwards", &token, "200").await;
        }
        let Self { name, passed, wrong, ground } = self;
        eprintln!("attack {name}: {passed} passed, {} failed", wrong.len());
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(passed >= least, "{name} has only {passed} cases");
        assert_eq!(ground.asked.load(Ordering::Relaxed), 0, "{name}: somebody was asked for a key");
    }
}
