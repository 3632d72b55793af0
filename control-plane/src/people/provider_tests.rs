//! Which tokens of people are believed, and what becomes of the others?

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://idp.example";
const SETTINGS: &str = r#"
issuer = "https://idp.example"
client_id = "cli"
clients = ["console"]
audience = ["turnpike"]
algorithms = ["ES256"]
scopes = ["openid"]
name_claim = "sub"
roles_claim = "realm.roles"
teams_claim = "groups"
tenant_claim = "org"
operator = "us"
ca = ""
trusted_proxies = []
client_from = "x-forwarded-for"
[roles]
admin = ["boss"]
publisher = ["maker", "boss"]
subscriber = ["user"]
auditor = []
"#;

/// A provider that can go away.
#[derive(Debug, Default)]
struct Idp {
    keys: StdMutex<Option<Vec<Value>>>,
    asked: StdMutex<usize>,
}

#[async_trait::async_trait]
impl Documents for Idp {
    async fn read(&self, url: &Url) -> Result<Bytes, String> {
        *self.asked.lock().unwrap() += 1;
        let keys = self.keys.lock().unwrap().clone().ok_or("away")?;
        let keys_at = format!("{ISSUER}/keys");
        let said = match url.as_str() {
            at if at == keys_at => json!({ "keys": keys }),
            "https://idp.example/.well-known/openid-configuration" => {
                json!({ "issuer": ISSUER, "jwks_uri": keys_at })
            }
            other => panic!("{other}"),
        };
        Ok(said.to_string().into())
    }
}

struct Stage {
    idp: Arc<Idp>,
    provider: Provider,
    hands: chassis::clock::ManualClock,
    key: SigningKey,
}

impl Stage {
    fn new() -> Self {
        let config: Config = toml::from_str(SETTINGS).unwrap();
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let idp = Arc::new(Idp::default());
        *idp.keys.lock().unwrap() = Some(vec![key.public_jwk()]);
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hands) = Clock::manual(start);
        let rules = config.rules().unwrap().unwrap();
        let provider = Provider::over(rules, idp.clone(), clock);
        Self { idp, provider, hands, key }
    }

    /// A token with the claims of a good one, changed: `null` takes one away.
    #[expect(clippy::unused_self, reason = "it is a token of this provider")]
    fn token(&self, key: &SigningKey, typ: &str, changes: &Value) -> String {
        let mut claims: BTreeMap<String, Value> = serde_json::from_value(json!({
            "iss": ISSUER, "sub": "ann", "aud": "turnpike", "exp": 1_000_600, "iat": 1_000_000,
            "client_id": "cli", "realm": { "roles": ["maker", "user", "other"] },
            "groups": ["sales"], "org": "us",
        }))
        .unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        key.sign(typ, &claims).unwrap()
    }

    async fn said(&self, token: &str) -> String {
        match self.provider.recognise(token).await {
            Ok(caller) => {
                let teams = caller.teams().collect::<Vec<_>>().join(",");
                let roles = caller.roles().names().join(",");
                format!("{} {} +{teams} @{}", caller.name(), roles, caller.tenant())
            }
            Err(unknown) => unknown.to_string(),
        }
    }
}

fn check(changes: &Value, expected: &str) {
    check_typed("at+jwt", changes, expected);
}

#[track_caller]
fn check_typed(typ: &str, changes: &Value, expected: &str) {
    let stage = Stage::new();
    let token = stage.token(&stage.key, typ, changes);
    let said = run(stage.said(&token));
    assert_eq!(said, expected, "{changes}");
}

fn run<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(story)
}

#[test]
fn claims_say_who_it_is() {
    check(&json!({}), "user:ann publisher,subscriber +sales @");
    check(&json!({ "realm": { "roles": ["boss"] } }), "user:ann admin,publisher +sales @");
    check(
        &json!({ "realm": { "roles": "maker user" }, "groups": null }),
        "user:ann publisher,subscriber + @",
    );
    check(&json!({ "org": "acme" }), "user:ann publisher,subscriber +sales @acme");
    check(&json!({ "realm": null }), "user:ann  +sales @");
    // An identity token names the client as its audience.
    check_typed(
        "JWT",
        &json!({ "aud": ["cli"], "client_id": null, "azp": "cli" }),
        "user:ann publisher,subscriber +sales @",
    );
    check(&json!({ "client_id": "console" }), "user:ann publisher,subscriber +sales @");
}

#[test]
fn a_token_that_is_not_for_us_is_refused() {
    check(&json!({ "aud": "shop" }), "the token is meant for another audience");
    check(&json!({ "aud": null }), "the token is meant for another audience");
    check(&json!({ "client_id": "shop" }), "the token was made for another client");
    check(&json!({ "cnf": { "jkt": "x" } }), "the token is bound to a key");
    check(&json!({ "exp": 999_900 }), "the token has expired");
    check(&json!({ "exp": null }), "the token is not well-formed");
    check(&json!({ "iat": 1_000_300 }), "the token is not valid yet");
    let other = "it is no token of the provider at which people sign in";
    check(&json!({ "iss": "https://idp.example/" }), other);
    check(&json!({ "iss": "https://evil.example" }), other);
    check_typed("logout+jwt", &json!({}), "the token is of another type");
    check_typed("turnpike-test+jwt", &json!({}), "the token is of another type");
}

#[test]
fn a_name_that_means_more_than_a_user_is_refused() {
    for name in ["team:root", "*", "", "a\nb"] {
        let stage = Stage::new();
        let token = stage.token(&stage.key, "at+jwt", &json!({ "sub": name }));
        let said = run(stage.said(&token));
        assert!(
            said.contains("names no user") || said.contains("not well-formed"),
            "{name:?}: {said}"
        );
    }
    for org in [json!(null), json!(""), json!(".."), json!("a/b"), json!(["us"]), json!("Us ")] {
        check(&json!({ "org": org }), "the token names no tenant");
    }
}

#[test]
fn a_token_that_somebody_else_signed_is_refused() {
    let stage = Stage::new();
    let forged = SigningKey::generate(Algorithm::ES256).unwrap();
    let token = stage.token(&forged, "at+jwt", &json!({}));
    assert_eq!(run(stage.said(&token)), "no key of the issuer fits the token");
    let (head, _) = token.rsplit_once('.').unwrap();
    let good = stage.token(&stage.key, "at+jwt", &json!({}));
    let (good_head, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(
        run(stage.said(&format!("{head}.{signature}"))),
        "no key of the issuer fits the token"
    );
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let payload = good_head.split_once('.').unwrap().1;
    for token in [format!("{none}.{payload}.AA"), format!("{none}.{payload}.")] {
        let said = run(stage.said(&token));
        assert!(said.contains("not accepted") || said.contains("no token"), "{said}");
    }
    let rsa = SigningKey::generate(Algorithm::ES384).unwrap();
    let token = stage.token(&rsa, "at+jwt", &json!({}));
    assert_eq!(run(stage.said(&token)), "the token's algorithm is not accepted");
}

#[test]
fn keys_rotate_and_known_ones_go_on_while_the_provider_is_away() {
    let stage = Stage::new();
    run(async {
        let old = stage.token(&stage.key, "at+jwt", &json!({}));
        assert!(stage.said(&old).await.starts_with("user:ann"));
        let next = SigningKey::generate(Algorithm::ES256).unwrap();
        let new = stage.token(&next, "at+jwt", &json!({}));
        // Away: the known key goes on, and the new one is refused.
        *stage.idp.keys.lock().unwrap() = None;
        stage.hands.advance(Duration::from_mins(1));
        assert_eq!(stage.said(&new).await, "no key of the issuer fits the token");
        assert!(stage.said(&old).await.starts_with("user:ann"));
        // Back, with another key.
        *stage.idp.keys.lock().unwrap() = Some(vec![next.public_jwk()]);
        stage.hands.advance(Duration::from_mins(1));
        assert!(stage.said(&new).await.starts_with("user:ann"));
        assert_eq!(stage.said(&old).await, "no key of the issuer fits the token");
    });
}

#[test]
fn garbage_does_not_make_us_ask_the_provider() {
    let stage = Stage::new();
    run(async {
        *stage.idp.keys.lock().unwrap() = None;
        let other = stage.token(&stage.key, "at+jwt", &json!({ "iss": "https://evil.example" }));
        for token in ["", "a.b.c", "....", &other] {
            stage.said(token).await;
        }
        assert_eq!(*stage.idp.asked.lock().unwrap(), 0);
        let good = stage.token(&stage.key, "at+jwt", &json!({}));
        for _ in 0..50 {
            assert_eq!(
                stage.said(&good).await,
                "the provider at which people sign in does not answer"
            );
        }
        assert_eq!(*stage.idp.asked.lock().unwrap(), 1);
    });
}
