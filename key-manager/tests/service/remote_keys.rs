//! Are the keys of a client read where it keeps them, when they are needed and no more often?
//! (KM-053, KM-094)

use jose::{Algorithm, SigningKey};
use key_manager::client_auth::Settings;
use key_manager::registration::{Application, Registered};
use serde_json::json;

use crate::databases::{Scratch, each};
use crate::elsewhere::Elsewhere;
use crate::stand::{BEGIN, Stand, config, post, said};

const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

async fn stand(scratch: &Scratch, allow: &[&str]) -> Stand {
    let data = scratch.folder.path();
    let mut config = config();
    config.outbound.allow = allow.iter().map(|one| one.parse().expect("an exception")).collect();
    config.outbound.authorities = data.join("pki/ca.pem");
    Stand::with(scratch, data, BEGIN, config).await
}

async fn client(stand: &Stand, uri: &str) -> Registered {
    let settings = Settings {
        method: "private_key_jwt".to_owned(),
        jwks_uri: uri.to_owned(),
        ..Settings::default()
    };
    stand.register(Application { name: "app".to_owned(), settings, ..Application::default() }).await
}

/// What the client hears at `now` that signs with `key`.
async fn ask(stand: &Stand, client: &Registered, key: &SigningKey, now: i64) -> String {
    let id = client.client.id.as_str();
    let claims = json!({
        "iss": id, "sub": id, "aud": "https://127.0.0.1:9453/oauth2", "iat": now, "exp": now + 60,
        "jti": chassis::random::token(16),
    });
    let assertion = key.sign("JWT", &claims).expect("signed");
    let form = format!("grant_type=client_credentials&client_assertion_type={TYPE}");
    let request = post("/oauth2/token", &format!("{form}&client_assertion={assertion}"));
    said(&stand.ask(&request).await)
}

const REFUSED: &str = "401 invalid_client";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_found_and_a_guessed_one_does_not_flood() {
    each(async |scratch| {
        let elsewhere = Elsewhere::start(scratch.folder.path()).await;
        let stand = stand(&scratch, &["127.0.0.0/8", "::1"]).await;
        let client = client(&stand, &elsewhere.uri).await;
        let key = || SigningKey::generate(Algorithm::ES256).expect("a key");
        let (first, second) = (key(), key());
        elsewhere.keep(&first);
        let mut now = BEGIN;
        let pass = |seconds: u64| {
            stand.pass(seconds);
            i64::try_from(seconds).expect("a span")
        };
        for _ in 0..3 {
            assert_eq!(ask(&stand, &client, &first, now).await, "200");
        }
        assert_eq!(elsewhere.asked(), 1, "read once");
        for _ in 0..20 {
            assert_eq!(ask(&stand, &client, &key(), now).await, REFUSED);
        }
        assert_eq!(elsewhere.asked(), 1, "it was read a moment ago");
        elsewhere.keep(&second);
        now += pass(31);
        assert_eq!(ask(&stand, &client, &second, now).await, "200");
        assert_eq!(ask(&stand, &client, &first, now).await, REFUSED, "it is there no more");
        assert_eq!(elsewhere.asked(), 2);

        // Without an answer, and with a wrong one, the last set is good for a day.
        elsewhere.fail();
        now += pass(3600);
        assert_eq!(ask(&stand, &client, &second, now).await, "200");
        now += pass(24 * 3600);
        assert_eq!(ask(&stand, &client, &second, now).await, REFUSED);
        elsewhere.keep(&second);
        now += pass(31);
        assert_eq!(ask(&stand, &client, &second, now).await, "200");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_us_ask_our_own_networks() {
    let scratch = Scratch::sqlite();
    let elsewhere = Elsewhere::start(scratch.folder.path()).await;
    let key = SigningKey::generate(Algorithm::ES256).expect("a key");
    elsewhere.keep(&key);
    let stand = stand(&scratch, &[]).await;
    let client = client(&stand, &elsewhere.uri).await;
    assert_eq!(ask(&stand, &client, &key, BEGIN).await, REFUSED);
    assert_eq!(elsewhere.asked(), 0);
}
