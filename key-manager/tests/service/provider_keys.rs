//! Are the keys of a provider read when they are needed, and no more often, whoever asks? (KM-094)

use std::time::Duration;

use chassis::Clock;
use jose::{Algorithm, SigningKey};
use serde_json::json;

use crate::elsewhere::becomes;
use crate::foreign::Ground;

const KEYS: &str = "/jwks";
/// `federation.pause` and `federation.refresh` of the default configuration, in seconds.
const PAUSE: u64 = 30;
const EVERY: u64 = 240;

impl Ground {
    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
        self.there.say(KEYS, 200, &json!({ "keys": keys }).to_string());
    }

    /// Lets pauses pass until the keys were read so often, and waits that long at most.
    async fn read(&self, times: usize, most: u64) {
        let mut passed = 0;
        becomes(|| {
            let read = self.there.asked_at(KEYS) >= times;
            if !read && passed < most {
                self.stand.pass(PAUSE);
                passed += PAUSE;
            }
            read
        })
        .await;
    }

    /// Whether gateways get this key, now or in a moment.
    async fn has(&self, key: &SigningKey) -> bool {
        let clock = Clock::system();
        let kid = key.public_jwk()["kid"].as_str().expect("a name").to_owned();
        for _ in 0..200 {
            let known = self.stand.authority.federation.keys();
            if known.iter().any(|known| known.jwks.contains(&kid)) {
                return true;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// Gateways met ten thousand tokens with keys that nobody knows.
    fn flood(&self, round: u32) {
        for token in 0..10_000 {
            self.stand.authority.federation.missing("corp", &format!("{round}-{token}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_keys_that_are_not_there_do_not_flood_the_provider() {
    let ground = Ground::new().await;
    ground.flood(0);
    ground.stand.pass(PAUSE - 1);
    ground.flood(1);
    ground.stand.pass(1);
    ground.read(2, 0).await;
    (2..8).for_each(|round| ground.flood(round));
    // A key that is there all the same is found as soon as the pause allows.
    let next = SigningKey::generate(Algorithm::ES256).expect("a key");
    ground.publish(&[&ground.key, &next]);
    ground.read(3, PAUSE).await;
    assert!(ground.has(&next).await && ground.has(&ground.key).await);
    assert_eq!(ground.there.asked_at(KEYS), 3, "once per pause, whoever asks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_with_the_provider_and_outlive_its_absence_for_a_day() {
    let ground = Ground::new().await;
    let next = SigningKey::generate(Algorithm::ES256).expect("a key");
    ground.publish(&[&next]);
    ground.read(2, EVERY).await;
    assert!(ground.has(&next).await, "without anybody who asks for it");
    let known = ground.stand.authority.federation.keys();
    let old = ground.key.public_jwk()["kid"].as_str().expect("a name").to_owned();
    assert!(known.iter().all(|known| !known.jwks.contains(&old)), "what was removed is gone");

    // What is no key set, and one with too many keys, changes nothing.
    let many: Vec<_> = (0..101).map(|_| next.public_jwk()).collect();
    let nonsense = ["<html>".to_owned(), json!({ "keys": many }).to_string(), "{}".to_owned()];
    for (place, said) in nonsense.iter().enumerate() {
        ground.there.say(KEYS, 200, said);
        let asked = ground.there.asked_at(KEYS);
        ground.read(asked + 1, EVERY).await;
        assert!(ground.has(&next).await, "{place}");
    }
    ground.there.say(KEYS, 500, "away");
    ground.stand.pass(23 * 3600);
    assert!(ground.has(&next).await, "for a day");
    ground.stand.pass(2 * 3600);
    assert!(ground.stand.authority.federation.keys().is_empty(), "and no longer");
}
