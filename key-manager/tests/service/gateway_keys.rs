//! Do all gateways hear of the keys of each, and of no more than there should be?

use std::sync::Arc;
use std::time::Duration;

use jose::{Algorithm, SigningKey};
use key_manager::store::{GatewayKey, Room, SqlStore, Store};
use tonic::{Code, Streaming};
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::{EnrolGatewayKeysRequest, GatewayKeys, WatchGatewayKeysRequest};

use crate::databases::{Scratch, each};
use crate::rpc::Running;
use crate::stand::config;

/// Nothing here takes longer unless it is broken.
const LIMIT: Duration = Duration::from_secs(10);

fn jwk() -> String {
    SigningKey::generate(Algorithm::ES256).expect("a key").public_jwk().to_string()
}

async fn enrol(running: &Running, scratch: &Scratch, jwks: &[&str]) -> Result<(), Code> {
    let mut keys = KeysClient::new(running.to(scratch, "gateway"));
    let jwks = jwks.iter().map(|text| (*text).to_owned()).collect();
    let enrolled = keys.enrol_gateway_keys(EnrolGatewayKeysRequest { jwks, keep_seconds: 0 }).await;
    enrolled.map(drop).map_err(|status| status.code())
}

async fn watch(running: &Running, scratch: &Scratch) -> Streaming<GatewayKeys> {
    let mut keys = KeysClient::new(running.to(scratch, "gateway"));
    keys.watch_gateway_keys(WatchGatewayKeysRequest {}).await.expect("a stream").into_inner()
}

async fn next(sets: &mut Streaming<GatewayKeys>) -> Vec<String> {
    let next = tokio::time::timeout(LIMIT, sets.message()).await;
    next.expect("in time").expect("a message").expect("no end").jwks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_keeps_the_watchers_of_another_hear() {
    each(async |scratch| {
        let (one, two) = (Running::on(&scratch).await, Running::on(&scratch).await);
        let mut sets = watch(&two, &scratch).await;
        assert!(next(&mut sets).await.is_empty());
        let (first, second) = (jwk(), jwk());
        enrol(&one, &scratch, &[&first]).await.expect("enrolled");
        assert_eq!(next(&mut sets).await, [first.as_str()]);
        enrol(&one, &scratch, &[&first]).await.expect("again, which is no news");
        enrol(&one, &scratch, &[&second]).await.expect("enrolled");
        let mut both = vec![first, second];
        let mut heard = next(&mut sets).await;
        both.sort();
        heard.sort();
        assert_eq!(heard, both);
        // Who comes later hears all of it at once.
        assert_eq!(next(&mut watch(&one, &scratch).await).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_public_key_is_refused() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let good = jwk();
    for jwks in
        [&[][..], &["{}"], &[&good, "nonsense"], &[&good.replacen('{', "{\"d\":\"AA\",", 1)]]
    {
        assert_eq!(enrol(&running, &scratch, jwks).await, Err(Code::InvalidArgument), "{jwks:?}");
    }
    assert!(next(&mut watch(&running, &scratch).await).await.is_empty());
}

/// Enrols keys, "instance:kid,kid until" each, and compares what is known at 100.
async fn check(scratch: &Scratch, room: Room, steps: &[(&str, &str, i64, bool)], known: &str) {
    let store = SqlStore::open(&scratch.url, &config().store, &chassis::Clock::system()).await;
    let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
    for (instance, kids, until, taken) in steps {
        let key = |kid: &str| GatewayKey { kid: kid.to_owned(), jwk: format!("of {kid}") };
        let keys: Vec<GatewayKey> = kids.split(',').map(key).collect();
        let done = store.enrol_gateway_keys(instance, &keys, 100, *until, room).await;
        assert_eq!(done.expect("a store"), *taken, "{instance} {kids}");
    }
    let kids = async || {
        let keys = store.gateway_keys(100).await.expect("keys").into_iter();
        keys.map(|key| key.kid).collect::<Vec<_>>().join(",")
    };
    assert_eq!(kids().await, known);
    store.sweep(100).await.expect("swept");
    assert_eq!(kids().await, known, "what has not expired stays");
}

#[tokio::test]
async fn keys_have_an_end_and_a_room() {
    each(async |scratch| {
        let room = Room { of_instance: 2, of_all: 4 };
        let steps = [
            ("one", "a", 200, true),
            ("one", "b", 300, true),
            // The one that expires first makes room.
            ("one", "c", 150, true),
            ("two", "x", 100, true),
            ("two", "b", 200, true),
            ("three", "y", 200, true),
            ("four", "z", 200, false),
            ("three", "y", 400, true),
        ];
        check(&scratch, room, &steps, "b,c,y").await;
    })
    .await;
}
